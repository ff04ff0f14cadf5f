"""Images of a data set: from their HDF5 file to tensors on a device, preprocessed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import broken, storage
from latentdims.errors import InputError
from latentdims.images.preprocessing import Affine, chunks

if TYPE_CHECKING:  # importing torch costs seconds, which preparing images need not wait for
    import torch

ARRAYS = ("train/images", "train/labels", "test/images", "test/labels")


@dataclass(frozen=True)
class Split:
    """Preprocessed images float32 (N, C, H, W) and labels int64 (N,), on one device."""

    images: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Images:
    """A data set ready for use; sha256 is that of the images before preprocessing, affine what that
    does with pixels."""

    train: Split
    test: Split
    classes: tuple[str, ...]
    sha256: str
    affine: Affine

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
    _last: list[torch.Tensor] = field(default_factory=list, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,)."""
        found: NDArray[np.int64] = self.dataset.parent["labels"][()]
        return found

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image after preprocessing: (C, H, W)."""
        _, _, height, width = self.dataset.shape
        return len(self.affine.matrix), height, width

    def __getitem__(self, samples: torch.Tensor) -> torch.Tensor:
        """The images with some indices (n,), float32 (n, C, H, W); those of one tensor of indices
        are read once, for all networks that are shown them in turn."""
        if self._last and self._last[0] is samples:
            return self._last[1]
        self._last[:] = samples, self._read(samples)
        return self._last[1]

    def _read(self, samples: torch.Tensor) -> torch.Tensor:
        pixels = np.empty((len(samples), *self.dataset.shape[1:]), dtype=np.uint8)
        # Past HDF5, which takes twenty times as long to find one image.
        descriptor = self.dataset.file.id.get_vfd_handle()
        start = self.dataset.id.get_offset()
        for row, sample in zip(pixels, samples.tolist(), strict=True):
            if os.preadv(descriptor, [row], start + sample * row.nbytes) != row.nbytes:
                broken.refuse(Path(self.dataset.file.filename), "cut short")
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
    """An open file of images."""

    splits: Mapping[str, Stored]
    classes: tuple[str, ...]
    sha256: str
    _through: dict[bytes, dict[str, Stored]] = field(default_factory=dict, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image after preprocessing: (C, H, W)."""
        return self.splits["train"].shape

    def through(self, affine: Affine) -> dict[str, Stored]:
        """Each split through another preprocessing, the same for all networks that share it. Raises
        InputError where it is of other channels."""
        found = next(iter(self.splits.values())).dataset
        channels = found.shape[1]
        if affine.matrix.shape[1] != channels:
            raise InputError(
                f"{found.file.filename} has images of {channels} channels, and the network sees "
                f"images of {affine.matrix.shape[1]}; show it other images"
            )
        return self._through.setdefault(
            affine.matrix.tobytes() + affine.offset.tobytes(),
            {split: replace(stored, affine=affine) for split, stored in self.splits.items()},
        )

    def split(self, name: str) -> Split:
        """One split in memory."""
        import torch

        stored = self.splits[name]
        labels = torch.from_numpy(stored.labels)
        return Split(images=stored.all(), labels=labels.to(stored.device))


def some(samples: int, number: int | None) -> torch.Tensor:
    """Indices of so many of some samples, drawn once for all networks; of all, in their order,
    where no number is given, or there are not as many."""
    import torch

    if number is None or number >= samples:
        return torch.arange(samples)
    return torch.randperm(samples, generator=torch.Generator().manual_seed(2))[:number]


def load(path: str | Path, *, preprocessing: Mapping[str, Any], device: str) -> Images:
    """Read a file of images into float32 tensors on a device, preprocessed.

    Raises InputError as `opened`, whose parameters these are.
    """
    with opened(path, preprocessing=preprocessing, device=device) as file:
        train, test = map(file.split, storage.SPLITS)
        affine = file.splits["train"].affine
        return Images(
            train=train, test=test, classes=file.classes, sha256=file.sha256, affine=affine
        )


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
    with storage.read(path, needs=(*ARRAYS, "classes")) as file:
        affine = Affine.of(file["train/images"], preprocessing, path=path)
        splits = {
            split: Stored(file[f"{split}/images"], affine, device) for split in storage.SPLITS
        }
        yield StoredImages(splits, storage.class_names(file), str(file.attrs["sha256"]))
