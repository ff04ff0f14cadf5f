"""Images of a data set: from a source to HDF5, and from there to one tensor on the device."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.errors import InputError, nearest
from latentdims.preprocessing import Affine, chunks

if TYPE_CHECKING:  # importing torch costs seconds, which preparing images need not wait for
    import torch

SOURCES = ("embedded", "imagefolder", "torchvision")
DATASETS = ("train/images", "train/labels", "test/images", "test/labels")


@dataclass(frozen=True)
class Split:
    """Preprocessed images float32 (N, C, H, W) and labels int64 (N,), on one device."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Images:
    """A data set ready for use; sha256 is that of the images before preprocessing."""

    train: Split
    test: Split
    classes: tuple[str, ...]
    sha256: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (C, H, W)."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width


@dataclass(frozen=True)
class Stored:
    """Images of one split in an open file, preprocessed as they are read."""

    dataset: h5py.Dataset  # uint8 (N, C, H, W), contiguous
    affine: Affine
    device: str

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image after preprocessing: (C, H, W)."""
        _, _, height, width = self.dataset.shape
        return len(self.affine.matrix), height, width

    def __getitem__(self, samples: torch.Tensor) -> torch.Tensor:
        """The images with some indices (n,), float32 (n, C, H, W)."""
        pixels = np.empty((len(samples), *self.dataset.shape[1:]), dtype=np.uint8)
        # Past HDF5, which takes twenty times as long to find one image.
        descriptor = self.dataset.file.id.get_vfd_handle()
        start = self.dataset.id.get_offset()
        for row, sample in zip(pixels, samples.tolist(), strict=True):
            if os.preadv(descriptor, [row], start + sample * row.nbytes) != row.nbytes:
                storage.refuse(Path(self.dataset.file.filename), "cut short")
        return self._preprocessed(pixels)

    def all(self) -> torch.Tensor:
        """Every image, float32 (N, C, H, W)."""
        import torch

        images = torch.empty(len(self), *self.shape, device=self.device)
        for rows in chunks(self.dataset):
            self._preprocessed(self.dataset[rows], output=images[rows])
        return images

    def _preprocessed(
        self, pixels: NDArray[np.uint8], output: torch.Tensor | None = None
    ) -> torch.Tensor:
        import torch

        if output is None:
            output = torch.empty(len(pixels), *self.shape, device=self.device)
        return self.affine(torch.from_numpy(pixels).to(self.device), output=output)


@dataclass(frozen=True)
class StoredImages:
    """An open file of images, by split."""

    images: Mapping[str, Stored]
    classes: tuple[str, ...]
    sha256: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image after preprocessing: (C, H, W)."""
        return self.images["train"].shape

    def split(self, name: str) -> Split:
        """One split in memory."""
        import torch

        stored = self.images[name]
        labels = torch.from_numpy(stored.dataset.file[f"{name}/labels"][()])
        return Split(images=stored.all(), labels=labels.to(stored.device))


def prepare(*, output: str | Path, source: Mapping[str, Any], files: Sequence[str] = ()) -> None:
    """Write the file of images of a source.

    source: its settings, such as {source: embedded, train_samples: 8000, seed: 0}. files: the
        local files that it reads.
    Writes `train/images` uint8 (N, C, H, W), `train/labels` int64 (N,), the same for `test`; root
    attributes `classes`, `source` (JSON) and `sha256` (of the four arrays in that order).
    Raises InputError where the source is unknown or its files cannot be used.
    """
    arrays, classes = _read_source(source, files)
    with storage.create(output, settings=dict(source)) as file:
        file.attrs["classes"] = classes
        file.attrs["source"] = json.dumps(dict(source), sort_keys=True)
        file.attrs["sha256"] = storage.sha256(*(arrays[name] for name in DATASETS))
        for split in storage.SPLITS:
            storage.write(
                file,
                f"{split}/images",
                arrays[f"{split}/images"],
                units="intensity, 0 to 255",
                description=f"images of the {split} split",
                dimensions=("sample", "channel", "height", "width"),
            )
            storage.write(
                file,
                f"{split}/labels",
                arrays[f"{split}/labels"],
                units="index of the class",
                description=f"labels of the {split} split",
                dimensions=("sample",),
            )


def load(path: str | Path, *, preprocessing: Mapping[str, Any], device: str) -> Images:
    """Read a file of images into float32 tensors on a device, preprocessed.

    Raises InputError as `opened`, whose parameters these are.
    """
    with opened(path, preprocessing=preprocessing, device=device) as file:
        train, test = map(file.split, storage.SPLITS)
        return Images(train=train, test=test, classes=file.classes, sha256=file.sha256)


@contextmanager
def opened(
    path: str | Path, *, preprocessing: Mapping[str, Any], device: str
) -> Iterator[StoredImages]:
    """Open a file of images to read and preprocess them in parts, on a device.

    preprocessing: `steps`, a list of "normalize" and "gray" in the order to be applied to pixel
        values in [0, 1]; `mean` and `std` of "normalize", each "dataset" (per channel, over all
        pixels of the training images as they are at that step) or a list of a number per channel.
    Raises InputError where the file is not whole or the preprocessing does not suit it.
    """
    with storage.read(path, needs=DATASETS) as file:
        affine = Affine.of(file["train/images"], preprocessing, path=path)
        images = {
            split: Stored(file[f"{split}/images"], affine, device) for split in storage.SPLITS
        }
        yield StoredImages(
            images, tuple(str(name) for name in file.attrs["classes"]), str(file.attrs["sha256"])
        )


def _read_source(
    source: Mapping[str, Any], files: Sequence[str]
) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    # Each source is imported only where it is asked for: one needs torch, which costs seconds.
    kind = source.get("source")
    if kind == "embedded":
        from latentdims.sources import embedded

        keys = ("train_samples", "test_samples", "seed")
        return embedded.read(**{key: source[key] for key in keys if key in source})
    if kind == "imagefolder":
        from latentdims.sources import imagefolder

        return imagefolder.read(files[0] if files else source["path"], size=source.get("size"))
    if kind == "torchvision":
        from latentdims.sources import torchvision

        return torchvision.read(source["name"], files)
    raise InputError(f"source: unknown '{kind}'; {nearest(str(kind), SOURCES)}")
