"""Comparing a file with what it should hold, every dataset of it."""

from pathlib import Path

import h5py
import numpy as np
import reference
from numpy.typing import ArrayLike, NDArray

EPS = float(np.finfo(np.float32).eps)
# Of a representation in float32, a sum over at most 495 inputs; a moment is a mean over rows of
# products of two, where these errors do not cancel where they are those of a weight or a norm.
MOMENT = 4 * 495**0.5 * EPS
FROM_ONE = ("rank", "weight_rank", "k", "weight_k")

Expected = dict[str, tuple[ArrayLike, ArrayLike]]  # value and absolute tolerance


def near(value: ArrayLike, relative: float) -> tuple[ArrayLike, float]:
    """Within a share of the largest number."""
    return value, relative * float(np.abs(value).max())


def shares(values: NDArray, doubtful: NDArray) -> tuple[float, float]:
    """A mean of 0 and 100 over images, of which some may go either way."""
    return values.mean(), 1e-9 + 100 * doubtful.mean()


def shares_by_fold(values: NDArray, doubtful: NDArray) -> tuple[NDArray, NDArray]:
    return reference.by_fold(values), 1e-9 + 100 * reference.by_fold(1.0 * doubtful)


def stacked(parts: list[tuple[ArrayLike, ArrayLike]]) -> tuple[NDArray, NDArray]:
    """Along a new first axis."""
    values, tolerances = zip(*parts, strict=True)
    pairs = [np.broadcast_arrays(t, v)[0] for v, t in zip(values, tolerances, strict=True)]
    return np.array(values), np.array(pairs)


def check(path: Path, expected: Expected) -> None:
    """Fail for a dataset that differs, that is missing, or that nothing here recomputes.

    A scale that only numbers its axis needs no recomputation.
    """
    wrong = []
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, each: names.append(name) if hasattr(each, "shape") else None)
        wrong += [
            f"{name}: nothing recomputes it"
            for name in names
            if name not in expected and not scale(file[name], expected)
        ]
        for name, (value, tolerance) in expected.items():
            if name not in file:
                wrong.append(f"{name}: missing")
                continue
            found = file[name][()]
            if np.shape(found) != np.shape(value):
                wrong.append(f"{name}: shape {np.shape(found)}, expected {np.shape(value)}")
            elif isinstance(value, list) and isinstance(value[0], str):
                if [each.decode() for each in found] != value:
                    wrong.append(f"{name}: {found}, expected {value}")
            elif not (np.abs(found * 1.0 - np.multiply(value, 1.0)) <= tolerance).all():
                error = np.abs(found * 1.0 - np.multiply(value, 1.0))
                worst = np.nanmax(error / np.maximum(tolerance, 1e-300))
                wrong.append(f"{name}: error {np.nanmax(error):.2g}, {worst:.2g} x tolerated")
    assert not wrong, "\n".join(wrong)


def scale(dataset: h5py.Dataset, expected: Expected) -> bool:
    """Whether it is a scale that repeats one of the root, or whose coordinates are 0, 1, 2, or 1,
    2, 3 for ranks."""
    name = dataset.name.rpartition("/")[2]
    first = int(name in FROM_ONE)
    numbers = expected.get(name, (range(first, first + len(dataset)), 0))[0]
    found = dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]
    return bool(dataset.is_scale) and list(found) == list(numbers)
