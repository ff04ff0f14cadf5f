"""What a script leaves behind: its log, and a message instead of a traceback."""

import logging
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from latentdims.errors import InputError
from latentdims.workflow import provenance
from latentdims.workflow.job import progress, running
from latentdims.workflow.provenance import stamp

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def snakemake(tmp_path):
    (tmp_path / "script.py").write_text("import latentdims\n")
    yield SimpleNamespace(
        log=[str(tmp_path / "logs" / "job.log")],
        resources={"gpu": 1},
        params=SimpleNamespace(code=stamp(tmp_path / "script.py")),
        scriptdir=str(tmp_path),
    )
    logging.basicConfig(force=True)  # close the log


def test_a_user_s_mistake_ends_with_its_message(snakemake, tmp_path):
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise InputError("seeds: found 0")
    assert ended.value.code == "error: seeds: found 0"
    log = (tmp_path / "logs" / "job.log").read_text()
    assert "error: seeds: found 0" in log
    assert "Traceback" not in log


def test_anything_else_leaves_its_traceback_in_the_log(snakemake, tmp_path):
    with pytest.raises(ZeroDivisionError), running(snakemake):
        1 / 0  # noqa: B018
    log = (tmp_path / "logs" / "job.log").read_text()
    assert "Traceback" in log
    assert "ZeroDivisionError" in log


def test_what_is_logged_goes_to_the_log(snakemake, tmp_path):
    with running(snakemake) as job:
        assert job.device in ("cpu", "cuda")
    log = (tmp_path / "logs" / "job.log").read_text()
    assert "device: " in log
    assert re.search(r"done in \d+\.\d s, with at most \d+ of \S+ MB$", log.rstrip())


def test_code_that_was_edited_since_the_run_started_is_refused(snakemake, tmp_path):
    (tmp_path / "script.py").write_text("import latentdims\n\nlatentdims.more = 1\n")
    provenance._parse.cache_clear()  # a job is a process of its own
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise AssertionError("its body runs")
    assert "script.py was edited while the run was going on" in str(ended.value.code)


@pytest.mark.parametrize("code", ["x", 3, "gone.py 0123456789abcdef"])
def test_params_of_somebody_else_are_named(code, snakemake):
    """As by `use rule train from latent with: params: code="x"`."""
    snakemake.params.code = code
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise AssertionError("its body runs")
    assert f"error: params: code is {code!r}, and no fingerprint" in str(ended.value.code)


def test_no_gpu_was_granted(snakemake):
    snakemake.resources = {"gpu": 0}
    with running(snakemake) as job:
        assert job.device == "cpu"


HOLDER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from latentdims.workflow.job import running
torch = sys.modules["torch"] = MagicMock(__version__="with three GPUs")
torch.cuda.device_count = lambda: 3
torch.cuda.set_device = lambda number: print(number, flush=True)
from latentdims.workflow.provenance import stamp
script = Path("scripts/train.py")
params = SimpleNamespace(code=stamp(script))
job = SimpleNamespace(
    log=[sys.argv[1]], resources={"gpu": 1}, params=params, scriptdir=script.parent
)
with running(job) as job:
    assert job.device == "cuda"
    time.sleep(600)
"""


@pytest.mark.parametrize("visible", ["", "5,6,7"])
def test_jobs_at_once_claim_different_gpus_and_give_them_back_when_killed(
    visible, tmp_path, monkeypatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # apart from the locks of real jobs

    def start():
        job = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "job.log")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert job.stdout is not None
        return job, int(job.stdout.readline())

    def end(job):
        job.kill()
        job.communicate()

    jobs = [start() for _ in range(3)]
    try:
        assert [number for _, number in jobs] == [0, 1, 2]
        killed, _ = jobs.pop(1)
        end(killed)
        jobs.append(start())
        assert jobs[-1][1] == 1
        jobs.append(start())  # one more than there are GPUs: shared, not refused
        assert jobs[-1][1] in range(3)
        names = {path.name.partition("gpu")[2] for path in tmp_path.glob("*.lock")}
        assert names == {f"{name}.lock" for name in (visible.split(",") if visible else range(3))}
    finally:
        for job, _ in jobs:
            end(job)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_a_bar_on_a_terminal_only(terminal, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert list(progress(range(3), name="epochs")) == [0, 1, 2]
    assert ("epochs" in capsys.readouterr().err) == terminal
