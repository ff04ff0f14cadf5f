"""Leading eigenvectors of a weight covariance, of weights that are read in parts."""

import math
from collections.abc import Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims.statistics.spectra import eigh

Array = NDArray[np.float64]

CHUNK = 1 << 20  # values read at a time: those of a layer that sees large images take much memory
ZERO = 1e-12  # of the largest eigenvalue: what is less has no eigenvector of its own


def leading(weight: h5py.Dataset, epoch: int, *, count: int) -> tuple[Array, Array]:
    """Eigenvalues and leading eigenvectors of WᵀW / n over the n neurons of a learned map.

    weight: (E, n, ...), in an open file; epoch: an index of its first axis. Returns all
    min(n, d) eigenvalues, descending, and the first `count` eigenvectors at most, (d, K), in
    columns, whose largest entry is positive. An eigenvector is NaN where its eigenvalue is zero;
    all is NaN where a weight is.

    The eigenvectors come from WᵀW or WWᵀ, whichever is smaller. That squares the singular values,
    which costs leading ones no digits that a picture shows.
    """
    neurons, inputs = weight.shape[1], math.prod(weight.shape[2:])
    rank = min(neurons, inputs)
    wide = inputs > neurons
    gram = np.zeros((rank, rank))
    for part in _parts(weight, epoch, axis=2 if wide else 1):
        gram += part @ part.T if wide else part.T @ part
    if not np.isfinite(gram).all():
        return np.full(rank, np.nan), np.full((inputs, min(count, rank)), np.nan)
    values, vectors = eigh(gram / neurons)
    vectors = vectors[:, :count]
    if wide:
        parts = _parts(weight, epoch, axis=2)
        vectors = np.concatenate([part.T @ vectors for part in parts])  # (d, K)
    vectors[:, values[: vectors.shape[1]] <= ZERO * values[0]] = np.nan
    vectors /= np.linalg.norm(vectors, axis=0)
    largest = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.where(vectors[largest, np.arange(len(largest))] < 0, -1.0, 1.0)


def _parts(weight: h5py.Dataset, epoch: int, *, axis: int) -> Iterator[Array]:
    """Slices of (E, n, ...) at one epoch along an axis, 1 or 2, each (n, d) in float64."""
    length = weight.shape[axis]
    step = max(1, CHUNK * length // max(1, math.prod(weight.shape[1:])))
    for start in range(0, length, step):
        where = (epoch, *(slice(None),) * (axis - 1), slice(start, start + step))
        part = weight[where].astype(np.float64)
        yield part.reshape(len(part), -1)
