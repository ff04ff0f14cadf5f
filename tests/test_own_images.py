"""Images of one's own in the workflow: what of them runs it again, and what does not."""

import hashlib
import shutil
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image
from workflow import Workflow

from latentdims.images import checksums

PHOTOS = "my {odd} 'photos'"  # as a path may be
TARGET = "results/resources/mine.h5"
CONFIG = {
    "datasets": {"mine": {"source": "imagefolder", "path": PHOTOS}},
    "networks": {"mlp": {"architecture": "mlp", "widths": [6, 4]}},
    "seeds": 2,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A workflow whose images are prepared; `train` is a link to a store."""
    workflow = Workflow(tmp_path_factory.mktemp("own") / "code", CONFIG)
    random = np.random.default_rng(0)
    for split, number in (("store", 6), ("photos/test", 3)):
        for label in "ab":
            folder = workflow.folder / split.replace("photos", PHOTOS) / label
            folder.mkdir(parents=True)
            for i in range(number):
                pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    (workflow.folder / PHOTOS / "train").symlink_to("../store")
    (workflow.folder / PHOTOS / "test" / "a" / "notes.txt").touch()
    assert workflow.planned(TARGET) == {"prepare": 1}
    assert not list((workflow.folder / ".snakemake").glob("content/*"))
    workflow.complete(TARGET)
    log = (workflow.folder / "results" / "logs" / "prepare" / "mine.log").read_text().splitlines()
    assert [line.split(" ", 2)[2] for line in log[:-1]] == [
        f"reading {PHOTOS}",
        "passed over, not an image by its extension: 1 (test/a/notes.txt)",
        "train: 12 images of 2 classes: a 6, b 6",
        "test: 6 images of 2 classes: a 3, b 3",
    ]
    return workflow


@pytest.fixture
def copied(prepared, tmp_path):
    """A copy with new time stamps, as `cp -r` makes it."""
    copy = tmp_path / "copy"
    shutil.copytree(prepared.folder, copy, copy_function=shutil.copy, symlinks=True)
    return Workflow(copy)


def test_what_is_not_read_runs_nothing_again(copied):
    """Nor do copies, paths, and code of other sources."""
    photos = copied.folder / PHOTOS
    (photos / "train" / "a" / ".DS_Store").touch()
    (photos / "Thumbs.db").touch()
    (photos / "train" / "a" / "0.png").touch()
    sources = (f"images/sources/{name}" for name in ("embedded", "torchvision"))
    for module in (*sources, "steps/download", "configuration/published"):
        with (copied.folder / "latentdims" / f"{module}.py").open("a") as file:
            file.write("\nedited = True\n")
    photos.rename(copied.folder / "photos")
    copied.configure({**CONFIG, "datasets": {"mine": {"source": "imagefolder", "path": "photos"}}})
    assert copied.planned(TARGET) == Counter()


def test_an_image_that_changes_behind_a_link_runs_again(copied):
    image = copied.folder / "store" / "a" / "0.png"
    shutil.copy(copied.folder / "store" / "b" / "1.png", image)
    assert copied.planned(TARGET) == {"prepare": 1}


def test_code_of_the_source_runs_again(copied):
    copied.edit("latentdims/images/sources/picture.py", '"white"', '"black"')
    assert copied.planned(TARGET) == {"prepare": 1}


def test_a_layout_that_cannot_be_used_is_one_line(copied):
    shutil.rmtree(copied.folder / "store" / "b")
    done = copied.run("--dry-run", TARGET)
    output = done.stdout + done.stderr
    assert done.returncode != 0 and "Traceback" not in output
    line = next(line for line in output.splitlines() if "configuration: " in line)
    assert "class b is in test/ but not in train/" in line


@pytest.fixture
def server(tmp_path):
    """The address of a folder with a file, as published, and its checksum."""
    (tmp_path / "served").mkdir()
    content = b"images" * 100
    (tmp_path / "served" / "cifar-10-python.tar.gz").write_bytes(content)
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", hashlib.md5(content).hexdigest()
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_neither_mirrors_nor_the_code_of_downloads_fetch_a_file_again(tmp_path, server):
    """Data sets of one name share it."""
    address, md5 = server
    (file,) = checksums.files("CIFAR10")

    def config(**keys):
        dataset = {"source": "torchvision", "name": "CIFAR10", **keys}
        return {**CONFIG, "datasets": {"one": dataset, "other": {**dataset, "mirrors": []}}}

    workflow = Workflow(tmp_path / "code", config(mirrors=[address]))
    workflow.edit("latentdims/images/checksums.py", checksums.files("CIFAR10")[file], md5)
    target = f"resources/download/CIFAR10/{file}"
    workflow.complete(target)
    assert (workflow.folder / target).read_bytes() == b"images" * 100
    workflow.configure(config(mirrors=["http://elsewhere.invalid", address]))
    workflow.edit("latentdims/steps/download.py", "SLOWEST = 1000", "SLOWEST = 2000")
    assert workflow.planned(target) == Counter()
    planned = workflow.planned("results/resources/one.h5", "results/resources/other.h5")
    assert planned == {"prepare": 2}
    workflow.edit("latentdims/images/checksums.py", md5, md5[::-1])
    assert workflow.planned(target) == {"download": 1}
