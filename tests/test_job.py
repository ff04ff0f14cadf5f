"""What a script leaves behind: its log, and a message instead of a traceback."""

import errno
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from snakemake.iocontainers import InputFiles, OutputFiles, Params

from latentdims.errors import InputError, of_machine
from latentdims.workflow import job, provenance
from latentdims.workflow.job import progress, running
from latentdims.workflow.provenance import stamp

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def snakemake(tmp_path):
    (tmp_path / "script.py").write_text("import latentdims\n")
    yield SimpleNamespace(
        log=[str(tmp_path / "logs" / "job.log")],
        resources={"gpu": 1},
        input=InputFiles(),
        output=OutputFiles([str(tmp_path / "a.svg"), str(tmp_path / "a.pdf")]),
        params=Params(fromdict={"code": stamp(tmp_path / "script.py")}),
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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EACCES, "", "a.h5"), "a.h5: Permission denied; this user has no permission"),
        (
            OSError(errno.EROFS, "", "a.h5"),
            "a.h5: Read-only file system; this user has no permission",
        ),
        (
            OSError(errno.ENOSPC, "", "a.h5"),
            "a.h5: No space left on device; make room, and run the",
        ),
        (
            OSError(errno.EDQUOT, ""),
            r"/.*/a\.svg or /.*/a\.pdf: Disk quota exceeded; make room, and run the same command",
        ),
        (OSError(errno.ENOSPC, "", "b.h5"), "b.h5: No space left on device; make room"),
        (
            OSError(errno.ESTALE, "", "a.h5"),
            "a.h5: Stale file handle; its disk or file system failed",
        ),
        (OSError(errno.ENOENT, "", "a.h5"), "a.h5: No such file or directory; it was removed, or"),
        (OSError(errno.EMFILE, "", "a.h5"), "a.h5: Too many open files; .*ulimit -n"),
        (OSError(errno.EIO, "failed: name = 'b.h5', errno = 5"), "b.h5: Input/output error; "),
        (
            OSError(errno.EAGAIN, "", "a.h5"),
            "a.h5: Resource temporarily unavailable; another program",
        ),
        (MemoryError(), "out of memory .*; run fewer jobs at once"),
        (
            MemoryError("Unable to allocate 8 TiB for an array"),
            r"out of memory \(Unable to allocate 8 TiB",
        ),
        (
            RuntimeError("CUDA out of memory. Tried to\nallocate"),
            r"out of memory \(CUDA out of memory",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8"), "out of memory "),
    ],
)
def test_an_error_of_the_machine_ends_with_one_line(error, message, snakemake, tmp_path):
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise error
    assert re.match(f"error: {message}", str(ended.value.code))
    assert "\n" not in str(ended.value.code)
    log = (tmp_path / "logs" / "job.log").read_text()
    assert str(ended.value.code) in log
    assert "Traceback" not in log


def test_memory_that_torch_cannot_have_is_an_error_of_the_machine():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60)
    assert str(of_machine(raised.value)).startswith("out of memory (")


def test_a_log_that_cannot_be_written_is_named(snakemake, tmp_path):
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise AssertionError("its body runs")
    assert re.match(f"error: {tmp_path}/logs", str(ended.value.code))


@pytest.mark.parametrize("error", [OSError("of a library"), RuntimeError("any"), OSError(9999, "")])
def test_an_error_of_a_program_keeps_its_traceback(error, snakemake, tmp_path):
    with pytest.raises(type(error)), running(snakemake):
        raise error
    assert "Traceback" in (tmp_path / "logs" / "job.log").read_text()


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


def test_names_that_are_no_text_are_logged_too(snakemake, tmp_path, capfd):
    with running(snakemake):
        logging.getLogger("latentdims").info("reading %s", "photos/\udcff.png")
    log = (tmp_path / "logs" / "job.log").read_text(encoding="utf-8")
    assert r"reading photos/\udcff.png" in log
    assert capfd.readouterr().err == ""


def test_code_that_was_edited_since_the_run_started_is_refused(snakemake, tmp_path):
    (tmp_path / "script.py").write_text("import latentdims\n\nlatentdims.more = 1\n")
    provenance._parse.cache_clear()  # a job is a process of its own
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise AssertionError("its body runs")
    assert "script.py was edited during the run" in str(ended.value.code)


@pytest.mark.parametrize("code", ["x", 3, "gone.py 0123456789abcdef"])
def test_params_of_somebody_else_are_named(code, snakemake):
    """As by `use rule train from latent with: params: code="x"`."""
    snakemake.params.code = code
    with pytest.raises(SystemExit) as ended, running(snakemake):
        raise AssertionError("its body runs")
    assert f"error: params: code is {code!r}, not a fingerprint" in str(ended.value.code)


def test_no_gpu_was_granted(snakemake):
    snakemake.resources = {"gpu": 0}
    with running(snakemake) as job:
        assert job.device == "cpu"


HOLDER = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from snakemake.iocontainers import InputFiles, Params
from latentdims.workflow.job import running
torch = sys.modules["torch"] = MagicMock(__version__="with three GPUs")
torch.cuda.device_count = lambda: 3
torch.cuda.set_device = lambda number: print(number, flush=True)
from latentdims.workflow.provenance import stamp
script = Path("scripts/train.py")
params = {"code": stamp(script)}
job = SimpleNamespace(
    log=[sys.argv[1]], resources={"gpu": 1}, params=Params(fromdict=params), input=[],
    scriptdir=script.parent,
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
        jobs += [start() for _ in range(4)]  # more than there are GPUs: shared evenly
        assert [number for _, number in jobs[3:]] == [0, 1, 2, 0]
        killed, _ = jobs.pop(1)
        end(killed)
        jobs.append(start())
        assert jobs[-1][1] == 2  # which has one job, where the others have two
        names = {path.name.partition("gpu")[2] for path in tmp_path.glob("*.lock")}
        gpus = visible.split(",") if visible else range(3)
        assert names == {
            *(f"{name}{place}.lock" for name in gpus for place in ("", ".1")), f"{gpus[0]}.2.lock"
        }  # fmt: skip
    finally:
        for job, _ in jobs:
            end(job)


def test_progress_leaves_a_line_in_the_log_now_and_then(monkeypatch, caplog):
    now = iter(range(0, 1000, 6))
    monkeypatch.setattr(job.time, "monotonic", lambda: float(next(now)))
    with caplog.at_level(logging.INFO):
        assert list(progress(range(7), name="epoch 2 of 5, step", done=1200)) == list(range(7))
        assert list(progress(iter("abc"), name="image")) == ["a", "b", "c"]
    assert caplog.messages == [
        "epoch 2 of 5, step 1,203 of 1,207",
        "epoch 2 of 5, step 1,206 of 1,207",
        "image 3",
    ]


@pytest.fixture
def interruptible():
    """Shells start what runs in the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_job_says_so_without_a_traceback(number, snakemake, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, running(snakemake):
        os.kill(os.getpid(), number)
        time.sleep(60)
    assert ended.value.code == 130
    log = (tmp_path / "logs" / "job.log").read_text()
    assert re.search(r"interrupted after \d+\.\d s$", log.rstrip())
    assert "Traceback" not in log
    assert signal.getsignal(signal.SIGTERM) == before
