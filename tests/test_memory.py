"""Memory: what is declared, and covariances of more images than there is memory for."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from conftest import CLASSES
from recipes import CONSTANT

from latentdims import storage
from latentdims.images import data
from latentdims.models import networks
from latentdims.steps import training
from latentdims.workflow.memory import Shapes

SAMPLES = 150_000  # of 3 x 32 x 32: 460 MB as they are stored, 1.8 GB as numbers
DRAWN = 1000  # the others are black, and take no disk
# Bytes of address space beside what the process takes before it begins: less than the images as
# they are stored.
ROOM = 400 << 20

JOB = """
import json, resource, sys
from latentdims.steps import covariance
from latentdims.images import data

job = json.loads(sys.argv[1])
size = next(line for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = (int(size.split()[1]) << 10) + job.pop("room")
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
if job.pop("load"):
    data.load(job["images"], preprocessing=job["settings"]["preprocessing"], device="cpu")
covariance.covariance(**job, partners={}, device="cpu")
"""


def write(path, *, train):
    images = np.random.default_rng(0).integers(0, 256, (DRAWN, 3, 32, 32), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        for split, samples in (("train", train), ("test", DRAWN)):
            stored = file.create_dataset(f"{split}/images", (samples, 3, 32, 32), np.uint8)
            stored[:DRAWN] = images
            file[f"{split}/labels"] = np.arange(samples) % len(CLASSES)
        file.attrs["format_version"] = storage.FORMAT_VERSION
        file.attrs["settings"] = "{}"
        file["classes"] = list(CLASSES)
        file.attrs["sha256"] = "0"
    return path


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Runs the covariances of many images with little memory; its arguments, and how it ended."""
    folder = tmp_path_factory.mktemp("memory")
    settings = {
        "network": {"architecture": "cnn", "channels": [4], "kernel_size": 5, "stride": 3},
        "preprocessing": {"steps": ["normalize", "gray"], "mean": [0.5] * 3, "std": [0.25] * 3},
        "training": {
            **CONSTANT,
            "epochs": 1,
            "batch_size": 100,
            "learning_rate": 0.01,
        },
        "seed": 0,
    }
    arguments = {
        "images": str(write(folder / "large.h5", train=SAMPLES)),
        "network": str(folder / "network.h5"),
        "output": str(folder / "covariance.h5"),
        "settings": settings,
    }
    training.train(
        images=write(folder / "small.h5", train=DRAWN),
        output=arguments["network"],
        settings=settings,
        device="cpu",
    )

    def run(*, load):
        given = json.dumps({**arguments, "load": load, "room": ROOM})
        done = subprocess.run(
            [sys.executable, "-c", JOB, given],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        return arguments, done

    return run


def test_all_images_at_once_do_not_fit(job):
    _, done = job(load=True)
    assert done.returncode != 0
    assert "memory" in done.stderr


def test_covariances_stream_from_the_file(job):
    arguments, done = job(load=False)
    assert done.returncode == 0, done.stderr
    settings = arguments["settings"]
    network = networks.load(arguments["network"], settings=settings, sha256="0")
    with data.opened(
        arguments["images"], preprocessing=settings["preprocessing"], device="cpu"
    ) as stored:
        black = stored.splits["train"][torch.tensor([SAMPLES - 1])]
    _, representation = next(network.at(-1, device="cpu").representations(black))
    share = DRAWN / SAMPLES
    with h5py.File(arguments["output"]) as file:
        group = file["train/layer1"]
        assert (group["count"][()] == SAMPLES * 10 * 10).all()
        drawn = file["test/layer1/mean"][-1]
        expected = share * drawn + (1 - share) * representation.mean((0, 2, 3)).numpy()
        # Representations are in float32: 75 products each.
        rounding = 75 * np.finfo(np.float32).eps * np.abs(expected).max()
        np.testing.assert_allclose(group["mean"][-1], expected, rtol=0, atol=rounding)


def test_what_is_declared_waits_for_a_file_that_can_be_read(tmp_path):
    """The job will say what is wrong with it; until then, it stays where it is."""
    path = tmp_path / "covariance.h5"
    path.write_bytes(b"cut short")
    assert Shapes.read(path, {}) is None
    assert path.exists()


def test_shapes_are_those_of_the_network(job):
    arguments, _ = job(load=False)
    shapes = Shapes.read(arguments["images"], arguments["settings"])
    assert shapes.samples == {"train": SAMPLES, "test": DRAWN}
    assert shapes.loaded == 4 * (SAMPLES + DRAWN) * 32 * 32 / 1e6
    assert shapes.representations == 4 * SAMPLES * 4 * 10 * 10 / 1e6
    assert shapes.network == Shapes.read(arguments["output"], {}).network
