"""Published data sets, read by classes of torchvision from verified archives."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims import torchvision
from latentdims.errors import InputError
from latentdims.images import checksums
from latentdims.images.collection import Collection, Part, Wanted
from latentdims.storage import SPLITS

PART = 1000  # images at a time


@contextmanager
def opened(
    source: Mapping[str, Any], files: Sequence[str], *, cores: int = 1
) -> Iterator[Collection]:
    """`read` for a data set of the configuration."""
    yield read(source["name"], files)


def read(name: str, files: Sequence[str | Path]) -> Collection:
    """A published data set, which torchvision holds in memory.

    name: a key of `checksums.MD5`. files: its archives, in any order, or a folder that holds them.
    All are verified before any is read, because some contain pickles. Raises InputError for a
    missing, incomplete or different file.
    """
    archives = _verified(name, files)
    reader = getattr(torchvision.load("datasets"), name)
    images, labels = {}, {}
    with tempfile.TemporaryDirectory(prefix="latentdims-") as root:
        folder = Path(root, *_SUBFOLDERS.get(name, ()))
        folder.mkdir(parents=True, exist_ok=True)
        for file, archive in archives.items():
            (folder / file).symlink_to(archive.resolve())
        for split in SPLITS:
            try:
                # It finds the archives under their names and checksums, and downloads nothing.
                dataset = reader(root, download=True, **_split(name, split))
            except (RuntimeError, OSError, ValueError, KeyError, EOFError) as error:
                listed = ", ".join(map(str, archives.values()))
                raise InputError(f"{listed}: torchvision cannot read {name}: {error}") from error
            images[split], labels[split] = _arrays(dataset)
    classes = getattr(dataset, "classes", range(10))  # SVHN names none: they are the digits

    def parts(wanted: Wanted) -> Iterator[Part]:
        for split, chosen in wanted.items():
            places = np.flatnonzero(chosen)
            for start in range(0, len(places), PART):
                some = places[start : start + PART]
                yield Part(split, some, images[split][some])

    return Collection(images["train"].shape[1:], labels, list(map(str, classes)), parts)


_SUBFOLDERS = {"MNIST": ("MNIST", "raw"), "FashionMNIST": ("FashionMNIST", "raw")}


def _split(name: str, split: str) -> dict[str, Any]:
    return {"split": split} if name == "SVHN" else {"train": split == "train"}


def _arrays(dataset: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, C, H, W), as they lie in memory, and labels (N,) of a data set in any of
    torchvision's layouts."""
    images = np.asarray(dataset.data)
    labels = np.asarray(dataset.labels if hasattr(dataset, "labels") else dataset.targets)
    if images.ndim == 3:
        images = images[:, None]  # (N, H, W) -> (N, 1, H, W)
    elif images.shape[-1] == 3:
        images = images.transpose(0, 3, 1, 2)  # (N, H, W, C) -> (N, C, H, W)
    return images, labels.astype(np.int64)


def _verified(name: str, files: Sequence[str | Path]) -> dict[str, Path]:
    """Where each published file lies; a single one may bear another name."""
    expected = checksums.files(name)
    given = [Path(file) for file in files]
    if len(given) == 1 and given[0].is_dir():
        given = [given[0] / file for file in expected]
    by_name = {path.name: path for path in given}
    if len(given) == len(expected) == 1:
        by_name = dict(zip(expected, given, strict=True))
    missing = [file for file in expected if file not in by_name]
    if missing:
        found = ", ".join(map(str, given)) or "no file"
        raise InputError(
            f"{found}: {name} also needs {', '.join(missing)}; give the folder that holds all of "
            "its files as datasets.<name>.path, or leave that key out to download them"
        )
    for file, md5 in expected.items():
        checksums.verify(by_name[file], md5=md5)
    return {file: by_name[file] for file in expected}
