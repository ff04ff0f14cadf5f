"""Images of a data set: from a source to HDF5, and from there to one tensor on the device."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.errors import InputError, nearest

if TYPE_CHECKING:  # importing torch costs seconds, which preparing images need not wait for
    import torch

CHUNK = 1 << 22  # values converted at a time, which bounds the memory beside the final tensor
LUMINANCE = (0.2989, 0.587, 0.114)  # of red, green and blue
SOURCES = ("embedded", "imagefolder", "torchvision")
STEPS = ("gray", "normalize")
DATASETS = ("train/images", "train/labels", "test/images", "test/labels")

Vector = NDArray[np.float64]


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

    preprocessing: `steps`, a list of "normalize" and "gray" in the order to be applied to pixel
        values in [0, 1]; `mean` and `std` of "normalize", each "dataset" (per channel, over all
        pixels of the training images as they are at that step) or a list of a number per channel.
    Raises InputError where the file is not whole or the preprocessing does not suit it.
    """
    with storage.read(path, needs=DATASETS) as file:
        matrix, offset = _affine(file["train/images"], preprocessing, path=path)
        splits = {
            split: _load_split(file[split], matrix, offset, device=device)
            for split in storage.SPLITS
        }
        return Images(
            train=splits["train"],
            test=splits["test"],
            classes=tuple(str(name) for name in file.attrs["classes"]),
            sha256=str(file.attrs["sha256"]),
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


def _load_split(group: h5py.Group, matrix: Vector, offset: Vector, *, device: str) -> Split:
    """Apply value = matrix · pixel + offset per position, chunk by chunk into the final tensor."""
    import torch

    stored = group["images"]
    samples, _, height, width = stored.shape
    images = torch.empty(samples, len(matrix), height, width, device=device)
    for rows in _chunks(stored):
        pixels = torch.from_numpy(stored[rows]).to(device).float()  # (n, C, H, W), 0 to 255
        for channel, (weights, constant) in enumerate(zip(matrix, offset, strict=True)):
            # Sums of channels, not a matrix product: no TF32, and the same on every device.
            value = images[rows, channel]
            value.fill_(float(constant))
            for source in np.flatnonzero(weights):
                value.add_(pixels[:, source], alpha=float(weights[source]))
    return Split(images=images, labels=torch.from_numpy(group["labels"][()]).to(device))


def _affine(
    stored: h5py.Dataset, preprocessing: Mapping[str, Any], *, path: str | Path
) -> tuple[Vector, Vector]:
    """All steps as one map of pixels in 0 to 255: matrix (C', C) and offset (C',)."""
    channels = stored.shape[1]
    matrix, offset = np.eye(channels) / 255, np.zeros(channels)
    moments: tuple[Vector, Vector] | None = None
    for step in preprocessing.get("steps", ()):
        if step == "gray":
            weights = _gray(len(matrix), path=path)
        elif step == "normalize":
            given = {key: preprocessing.get(key, "dataset") for key in ("mean", "std")}
            if moments is None and "dataset" in map(str, given.values()):
                moments = _moments(stored)
            mean = _statistic("mean", given["mean"], matrix, offset, moments, path=path)
            std = _statistic("std", given["std"], matrix, offset, moments, path=path)
            offset = offset - mean
            weights = np.diag(1 / std)
        else:
            raise InputError(f"preprocessing.steps: unknown '{step}'; {nearest(str(step), STEPS)}")
        matrix, offset = weights @ matrix, weights @ offset
    return matrix, offset


def _gray(channels: int, *, path: str | Path) -> Vector:
    if channels == 1:
        return np.eye(1)
    if channels != 3:
        raise InputError(
            f"{path}: preprocessing.steps: 'gray' needs 1 or 3 channels, found {channels}; "
            "leave the step out"
        )
    return np.array([LUMINANCE])


def _statistic(
    key: str,
    given: Any,
    matrix: Vector,
    offset: Vector,
    moments: tuple[Vector, Vector] | None,
    *,
    path: str | Path,
) -> Vector:
    """Mean or standard deviation per channel (C',), as given or of the data after the map."""
    channels = len(matrix)
    if given == "dataset":
        assert moments is not None
        mean, covariance = moments
        if key == "mean":
            return matrix @ mean + offset
        variance = np.einsum("oc,cd,od->o", matrix, covariance, matrix)
        constant = np.flatnonzero(variance <= 0)
        if len(constant):
            raise InputError(
                f"{path}: channel {constant[0]} of the training images is constant at step "
                "'normalize', so that its std is 0; give numbers as preprocessing.std"
            )
        deviation: Vector = np.sqrt(variance)
        return deviation
    numbers = isinstance(given, Sequence) and not isinstance(given, str)
    if not numbers or not all(_suits(key, number) for number in given):
        bound = " above 0" if key == "std" else ""
        raise InputError(
            f"preprocessing.{key}: found {given!r}, expected 'dataset' or a list of {channels} "
            f"number(s){bound}"
        )
    if len(given) != channels:
        raise InputError(
            f"preprocessing.{key}: found {len(given)} number(s), expected {channels}, one for each "
            f"channel of {path} at step 'normalize'; give {channels} or 'dataset'"
        )
    return np.array(given, dtype=np.float64)


def _suits(key: str, number: Any) -> bool:
    if not isinstance(number, int | float) or isinstance(number, bool):
        return False
    return math.isfinite(number) and (key == "mean" or number > 0)


def _chunks(stored: h5py.Dataset) -> Iterator[slice]:
    """Ranges of samples of at most CHUNK values, or of one sample."""
    step = max(1, CHUNK // math.prod(stored.shape[1:]))
    return (slice(start, start + step) for start in range(0, len(stored), step))


def _moments(stored: h5py.Dataset) -> tuple[Vector, Vector]:
    """Mean (C,) and covariance (C, C) of pixels over samples and positions, rounded only once.

    Whole numbers throughout, so that a constant channel has a variance of exactly 0.
    """
    channels = stored.shape[1]
    total = np.zeros(channels, dtype=object)
    products = np.zeros((channels, channels), dtype=object)
    for rows in _chunks(stored):
        chunk = stored[rows].swapaxes(0, 1).reshape(channels, -1)
        pixels = chunk.astype(np.float64)  # (C, n·H·W): sums of squares below 2⁵³ are exact
        total += pixels.sum(axis=1).astype(np.int64).astype(object)
        products += (pixels @ pixels.T).astype(np.int64).astype(object)
    count = len(stored) * math.prod(stored.shape[2:])
    covariance = (count * products - np.outer(total, total)) / count**2
    return (total / count).astype(np.float64), covariance.astype(np.float64)
