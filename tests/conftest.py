"""What several tests share: small data sets and networks of random numbers."""

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
import torch
from recipes import CONSTANT
from workflow import TINY, Workflow

from latentdims import storage
from latentdims.models import networks
from latentdims.models.networks import Network

Workflow.plan = staticmethod(forked.snakemake)

CLASSES = ("a", "b", "c", "d")
NETWORKS = {
    "mlp": {"architecture": "mlp", "widths": [7, 5]},
    "cnn": {"architecture": "cnn", "channels": [3, 6], "kernel_size": 3, "stride": 2},
}
NORMS: dict[str, dict[str, Any]] = {
    "norm": {**NETWORKS["cnn"], "padding": 1, "norm": "batch", "pooling": "average"},
    "affine": {**NETWORKS["mlp"], "norm": "batch", "norm_place": "after", "affine": True},
    "resnet": {"architecture": "resnet", "depth": 8, "width": 0.2},
}
SCATTERING: dict[str, dict[str, Any]] = {
    "scattering": {"architecture": "scattering", "scales": 3, "width": 0.05},
}
SHAPE = (2, 11, 11)
LARGE = (1, 32, 32)  # of images that scattering networks read


def shape_for(name: str) -> tuple[int, int, int]:
    """Of the images that a network reads."""
    return LARGE if name in SCATTERING else SHAPE


def write_images(
    path: Path,
    *,
    seed: int = 0,
    train: int = 60,
    test: int = 30,
    shape: tuple[int, int, int] = SHAPE,
) -> Path:
    """A file of random images whose first channel tells the class."""
    random = np.random.default_rng(seed)
    with storage.create(path, settings={"source": "test"}) as file:
        arrays = []
        for split, samples in (("train", train), ("test", test)):
            labels = random.integers(0, len(CLASSES), samples)
            images = random.integers(0, 200, (samples, *shape)).astype(np.uint8)
            images[:, 0] += (labels * 15).astype(np.uint8)[:, None, None]
            file[f"{split}/images"], file[f"{split}/labels"] = images, labels
            arrays += [images, labels]
        file["classes"] = list(CLASSES)
        file.attrs["source"] = "{}"
        file.attrs["sha256"] = storage.sha256(*arrays)
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--renew", action="store_true", help="store the numbers of today: make golden")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_images(tmp_path / "images.h5")


@pytest.fixture
def images_for(tmp_path: Path) -> Callable[[str], Path]:
    """Images that a network reads, by its name."""
    return lambda name: write_images(tmp_path / "images.h5", shape=shape_for(name))


@pytest.fixture
def settings() -> Callable[..., dict[str, Any]]:
    """Settings of a network to be trained, as the workflow hands them on."""

    def make(network: str = "mlp", *, seed: int = 0, **training: Any) -> dict[str, Any]:
        defaults = {
            **CONSTANT,
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 0.05,
        }
        return {
            "network": {**NETWORKS, **NORMS, **SCATTERING}[network],
            "preprocessing": {"steps": ["normalize"], "mean": "dataset", "std": "dataset"},
            "seed": seed,
            "training": {**defaults, **training},
        }

    return make


def random_network(name: str, *, seed: int = 3) -> Network:
    """A network as training begins with it."""
    settings = {**NETWORKS, **NORMS, **SCATTERING}[name]
    shape = shape_for(name)
    return networks.initial(settings, image_shape=shape, classes=len(CLASSES), seed=seed)


def integer_network(name: str, *, seed: int) -> Network:
    """A network with small whole weights: float32 computes its representations exactly."""
    random = np.random.default_rng(seed)
    network = random_network(name)
    return network.replaced(
        {
            key: torch.from_numpy(random.integers(-2, 3, weight.shape).astype(np.float32))
            for key, weight in network.weights.items()
        }
    )


def integer_images(samples: int, *, seed: int) -> torch.Tensor:
    """(N, C, H, W) of whole numbers from -2 to 2."""
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.integers(-2, 3, (samples, *SHAPE)).astype(np.float32))


LOADED = """
# Each job tells its code, the modules that it has loaded when it ends, and how it was started.
import atexit, json, sys
from pathlib import Path

def tell():
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job:
        loaded = [name for name in sys.modules if name.split(".")[0] == "latentdims"]
        with Path(__file__).with_name("loaded.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps([job.params.code, sorted(loaded), sys.orig_argv]) + "\\n")

atexit.register(tell)
"""


@pytest.fixture
def seen_by_all() -> Iterator[Path]:
    """A folder that other users may read; those of pytest are its owner's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder).resolve()


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Workflow:
    """The tiny experiment with its report, run once for all tests; to be read only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the processes of pytest, the first one runs it
        done = folder.with_suffix(".done")
        if not done.exists():
            workflow = Workflow(folder, TINY)
            told = folder.with_suffix(".told")
            told.mkdir()
            (told / "sitecustomize.py").write_text(LOADED, encoding="utf-8")
            workflow.environment["PYTHONPATH"] = str(told)
            workflow.complete("--quiet")
            workflow.complete("--quiet", "all", "--report", "results/report.html")
            done.touch()
    return Workflow(folder)


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """By kind, each made once for all files of tests of a worker."""
    from study import Study  # on the path of the tests in wiring/ alone

    return cache(lambda kind: Study(kind, tmp_path_factory.mktemp(kind)))


@pytest.fixture(params=["mlp", "cnn", "norm", "scattering", "resnet", "adopted"])
def study(request, studies):
    """Files of three tiny networks of one kind, to be read only; of the tests in wiring/."""
    return studies(request.param)


@pytest.fixture
def again(finished, tmp_path) -> Workflow:
    """A copy of the finished run, to be changed."""
    return finished.copy(tmp_path / "again")


@pytest.fixture
def fresh(tmp_path) -> Workflow:
    """The tiny experiment, of which nothing has run."""
    return Workflow(tmp_path / "code", TINY)
