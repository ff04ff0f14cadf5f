"""Images of a data set: from their HDF5 file to preprocessed tensors on a device."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
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


IN_MEMORY = 1_000_000_000  # bytes of a data set in float32; beyond, images are read as needed


@dataclass(frozen=True)
class Split:
    """Preprocessed images float32 (N, C, H, W) and labels int64 (N,), on one device."""

    images: torch.Tensor | Stored
    labels: torch.Tensor

    def chosen(self, samples: torch.Tensor) -> Split:
        """The images with some indices (n,)."""
        images = self.images
        chosen = images.chosen(samples) if isinstance(images, Stored) else images[samples]
        return Split(chosen, self.labels[samples])


@dataclass(frozen=True)
class Images:
    """A data set ready for use. sha256: of the images before preprocessing. affine: the
    preprocessing, as a map of pixels."""

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
    """Images of one split in an open file, preprocessed when they are read; bit by bit the same as
    images in memory. They are indexed and split like a tensor.

    rows: indices of the images in the file; all by default.
    """

    dataset: h5py.Dataset  # uint8 (samples, C, H, W), contiguous
    affine: Affine
    device: str
    rows: torch.Tensor | None = None
    _last: list[torch.Tensor] = field(default_factory=list, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.dataset if self.rows is None else self.rows)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,)."""
        found: NDArray[np.int64] = self.dataset.parent["labels"][()]
        return found if self.rows is None else found[self.rows.numpy()]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """After preprocessing: (N, C, H, W)."""
        _, _, height, width = self.dataset.shape
        return len(self), len(self.affine.matrix), height, width

    def chosen(self, samples: torch.Tensor) -> Stored:
        """The images with some indices (n,), not read yet."""
        return replace(self, rows=samples if self.rows is None else self.rows[samples])

    def split(self, size: int) -> Batches:
        """Batches of at most this many images, in order."""
        return Batches(self, size)

    def __getitem__(self, samples: torch.Tensor) -> torch.Tensor:
        """The images with some indices, float32 (..., C, H, W). A tensor of indices is read once,
        for all networks that see it in turn."""
        if not self._last or self._last[0] is not samples:
            self._last.clear()  # before others are read, which then have its memory
            self._last[:] = samples, self.read(samples)
        return self._last[1]

    def read(self, samples: torch.Tensor) -> torch.Tensor:
        """The same images, without keeping them."""
        rows = samples.cpu() if self.rows is None else self.rows[samples.cpu()]
        pixels = np.empty((rows.numel(), *self.dataset.shape[1:]), dtype=np.uint8)
        # Past HDF5, which takes twenty times as long to find one image.
        descriptor = self.dataset.file.id.get_vfd_handle()
        start = self.dataset.id.get_offset()
        for image, row in zip(pixels, rows.flatten().tolist(), strict=True):
            if os.preadv(descriptor, [image], start + row * image.nbytes) != image.nbytes:
                broken.refuse(Path(self.dataset.file.filename), "cut short")
        return self._preprocessed(pixels).view(*samples.shape, *self.shape[1:])

    def all(self) -> torch.Tensor:
        """Every image, float32 (N, C, H, W)."""
        import torch

        images = torch.empty(self.shape, device=self.device)
        for rows in chunks(self.dataset):
            self._preprocessed(self.dataset[rows], output=images[rows])
        return images

    def _preprocessed(
        self, pixels: NDArray[np.uint8], output: torch.Tensor | None = None
    ) -> torch.Tensor:
        import torch

        if output is None:
            output = torch.empty(len(pixels), *self.shape[1:], device=self.device)
        return self.affine(torch.from_numpy(pixels).to(self.device), output=output)


@dataclass(frozen=True)
class Batches(Sequence["torch.Tensor"]):
    """Stored images float32 (n, C, H, W), batch by batch, each read on demand."""

    images: Stored
    size: int

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __getitem__(self, number: Any) -> Any:
        import torch

        if number >= len(self):
            raise IndexError(number)
        start = number * self.size
        stop = min(start + self.size, len(self.images))
        return self.images.read(torch.arange(start, stop))


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
        _, channels, height, width = self.splits["train"].shape
        return channels, height, width

    def through(self, affine: Affine) -> dict[str, Stored]:
        """Each split with another preprocessing, shared by all networks that have it. Raises
        InputError if the number of channels differs."""
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

    def split(self, name: str, *, at_most: float | None = None) -> Split:
        """One split: in memory, if all images take at most this many bytes; else read while the
        file is open."""
        import torch

        stored = self.splits[name]
        labels = torch.from_numpy(stored.labels)
        values = sum(math.prod(each.shape) for each in self.splits.values())
        limit = IN_MEMORY if at_most is None else at_most
        images = stored.all() if 4 * values <= limit else stored
        return Split(images=images, labels=labels.to(stored.device))

    def images(self, *, at_most: float | None = None) -> Images:
        """Both splits."""
        train, test = (self.split(name, at_most=at_most) for name in storage.SPLITS)
        affine = self.splits["train"].affine
        return Images(train, test, classes=self.classes, sha256=self.sha256, affine=affine)


def some(samples: int, number: int | None) -> torch.Tensor:
    """Indices of some samples, drawn once for all networks; of all samples in order, if no number
    is given or there are not more."""
    import torch

    if number is None or number >= samples:
        return torch.arange(samples)
    return torch.randperm(samples, generator=torch.Generator().manual_seed(2))[:number]


def load(path: str | Path, *, preprocessing: Mapping[str, Any], device: str) -> Images:
    """All images of a file as preprocessed float32 tensors on a device, whatever their number.

    Parameters and errors are those of `opened`.
    """
    with opened(path, preprocessing=preprocessing, device=device) as file:
        return file.images(at_most=math.inf)


@contextmanager
def opened(
    path: str | Path, *, preprocessing: Mapping[str, Any], device: str
) -> Iterator[StoredImages]:
    """Open a file of images to read and preprocess them in parts, on a device.

    preprocessing: `steps`, a list of "normalize" and "gray", in the order in which they are applied
    to pixel values in [0, 1]; `mean` and `std` of "normalize", each "dataset" (per channel, over
    all pixels of the training images at that step) or a list with a number per channel.

    Raises InputError if the file is incomplete or the preprocessing does not fit.
    """
    with storage.read(path, needs=(*ARRAYS, "classes")) as file:
        affine = Affine.of(file["train/images"], preprocessing, path=path)
        splits = {
            split: Stored(file[f"{split}/images"], affine, device) for split in storage.SPLITS
        }
        yield StoredImages(splits, storage.class_names(file), str(file.attrs["sha256"]))
