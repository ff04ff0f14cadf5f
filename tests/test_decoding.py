"""Images that are decoded on several cores."""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentdims.errors import InputError
from latentdims.images.sources import decoding
from latentdims.images.sources.decoding import decoded


def png(shade, shape=(3, 4)):
    file = io.BytesIO()
    Image.fromarray(np.full((*shape, 3), shade, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def files(number):
    return [(png(shade), f"image {shade}") for shade in range(number)]


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("number", [0, 1, 5, 37])
def test_every_file_is_decoded_once_in_order(cores, number, monkeypatch):
    monkeypatch.setattr(decoding, "AT_ONCE", 5)
    pictures = list(decoded(files(number), cores=cores, size=(2, 5)))
    assert [int(picture.pixels.mean()) for picture in pictures] == list(range(number))
    assert {picture.pixels.shape for picture in pictures} <= {(2, 5, 3)}
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("cores", [1, 3])
def test_the_first_broken_file_is_named(cores, monkeypatch):
    monkeypatch.setattr(decoding, "AT_ONCE", 4)
    some = files(29)
    for number in (13, 22):
        some[number] = (b"no image", f"broken {number}")
    with pytest.raises(InputError, match=r"^broken 13: not a readable image"):
        list(decoded(some, cores=cores))
    assert multiprocessing.active_children() == []


def test_little_is_read_ahead(monkeypatch):
    """An archive of large images does not lie in memory as a whole."""
    monkeypatch.setattr(decoding, "AT_ONCE", 2)
    read = []

    def reading():
        for file in files(60):
            read.append(file)
            yield file

    pictures = decoded(reading(), cores=2)
    next(pictures)
    assert len(read) <= 2 * (2 * 2 + 1)
    pictures.close()


SLOW = """
import sys, time
from latentdims.images.sources import decoding
decoding.AT_ONCE = 1
decoding.decode = lambda *_, **__: time.sleep(60)
print(decoding.multiprocessing.get_context("fork").Process, flush=True)
list(decoding.decoded([(b"", "")] * 9, cores=2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such signal")
def test_processes_end_with_a_job_that_is_killed(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "slow.py")], stdout=subprocess.PIPE, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    ) as job:  # fmt: skip
        assert job.stdout
        job.stdout.readline()
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children")
        await_(lambda: len(children.read_text().split()) == 2)
        found = children.read_text().split()
        time.sleep(1)  # until each has said with whom it ends
        job.send_signal(signal.SIGKILL)
        await_(lambda: not any(is_running(pid) for pid in found))


def is_running(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def await_(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it has not happened within ten seconds")
