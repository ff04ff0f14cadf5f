"""What a script leaves behind: its log, and a message instead of a traceback."""

import logging
from types import SimpleNamespace

import pytest

from latentdims.errors import InputError
from latentdims.job import progress, running


@pytest.fixture
def snakemake(tmp_path):
    yield SimpleNamespace(log=[str(tmp_path / "logs" / "job.log")], resources={"gpu": 1})
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
    assert "device: " in (tmp_path / "logs" / "job.log").read_text()


def test_no_gpu_was_granted(snakemake):
    snakemake.resources = {"gpu": 0}
    with running(snakemake) as job:
        assert job.device == "cpu"


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_a_bar_on_a_terminal_only(terminal, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert list(progress(range(3), name="epochs")) == [0, 1, 2]
    assert ("epochs" in capsys.readouterr().err) == terminal
