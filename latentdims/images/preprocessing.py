"""Preprocessing: all steps on pixels as one affine map."""

from __future__ import annotations

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

CHUNK = 1 << 19  # values read at a time: little memory, which is not asked for anew
LUMINANCE = (0.2989, 0.587, 0.114)  # of red, green and blue
STEPS = ("gray", "normalize")

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Affine:
    """Value = matrix (C', C) · pixel + offset (C',) at every position, of pixels in 0 to 255."""

    matrix: Vector
    offset: Vector

    @classmethod
    def of(
        cls, stored: h5py.Dataset, preprocessing: Mapping[str, Any], *, path: str | Path
    ) -> Affine:
        """All steps of a preprocessing as one map.

        stored: the training images uint8 (N, C, H, W), for statistics of the data set. Raises
        InputError, naming the file, for a preprocessing that does not fit.
        """
        channels = stored.shape[1]
        matrix, offset = np.eye(channels) / 255, np.zeros(channels)
        known: tuple[Vector, Vector] | None = None
        for step in preprocessing.get("steps", ()):
            if step == "gray":
                weights = _gray(len(matrix), path=path)
            elif step == "normalize":
                given = {key: preprocessing.get(key, "dataset") for key in ("mean", "std")}
                if known is None and "dataset" in map(str, given.values()):
                    known = moments(stored)
                mean = _statistic("mean", given["mean"], matrix, offset, known, path=path)
                std = _statistic("std", given["std"], matrix, offset, known, path=path)
                offset = offset - mean
                weights = np.diag(1 / std)
            else:
                raise InputError(
                    f"preprocessing.steps: unknown '{step}'; {nearest(str(step), STEPS)}"
                )
            matrix, offset = weights @ matrix, weights @ offset
        return cls(matrix, offset)

    def write(self, file: h5py.File) -> None:
        """Write the map to the file of a network, for `read`."""
        for name, values, dimensions in (
            ("matrix", self.matrix, ("channel_seen", "channel_of_image")),
            ("offset", self.offset, ("channel_seen",)),
        ):
            storage.write(
                file,
                f"preprocessing/{name}",
                values,
                units="1",
                description="what the network sees is matrix · pixel + offset, pixels in 0 to 255",
                dimensions=dimensions,
            )

    @classmethod
    def read(cls, file: h5py.File) -> Affine:
        """From a file of a network."""
        return cls(file["preprocessing/matrix"][()], file["preprocessing/offset"][()])

    def __call__(self, pixels: torch.Tensor, *, output: torch.Tensor) -> torch.Tensor:
        """Pixels (n, C, H, W) into an output float32 (n, C', H, W) on the same device."""
        pixels = pixels.float()
        for channel, (weights, constant) in enumerate(zip(self.matrix, self.offset, strict=True)):
            # Sums of channels, not a matrix product: no TF32, and the same on every device.
            value = output[:, channel]
            value.fill_(float(constant))
            for source in np.flatnonzero(weights):
                value.add_(pixels[:, source], alpha=float(weights[source]))
        return output


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
    known: tuple[Vector, Vector] | None,
    *,
    path: str | Path,
) -> Vector:
    """Mean or standard deviation per channel (C',), as given or of the data after the map."""
    channels = len(matrix)
    if given == "dataset":
        assert known is not None
        mean, covariance = known
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


def chunks(stored: h5py.Dataset) -> Iterator[slice]:
    """Ranges of samples of at most CHUNK values, or of one sample."""
    step = max(1, CHUNK // math.prod(stored.shape[1:]))
    return (slice(start, start + step) for start in range(0, len(stored), step))


def moments(stored: h5py.Dataset) -> tuple[Vector, Vector]:
    """Mean (C,) and covariance (C, C) of pixels over samples and positions, rounded only once.

    Whole numbers throughout, so that a constant channel has a variance of exactly 0.
    """
    channels = stored.shape[1]
    total = np.zeros(channels, dtype=object)
    products = np.zeros((channels, channels), dtype=object)
    for rows in chunks(stored):
        chunk = stored[rows].swapaxes(0, 1).reshape(channels, -1)
        pixels = chunk.astype(np.float64)  # (C, n·H·W): sums of squares below 2⁵³ are exact
        total += pixels.sum(axis=1).astype(np.int64).astype(object)
        products += (pixels @ pixels.T).astype(np.int64).astype(object)
    count = len(stored) * math.prod(stored.shape[2:])
    covariance = (count * products - np.outer(total, total)) / count**2
    return (total / count).astype(np.float64), covariance.astype(np.float64)
