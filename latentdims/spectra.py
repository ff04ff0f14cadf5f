"""Spectra: eigenvalues of covariances, and quantities derived from them."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# What is left of zero, relative to the largest eigenvalue of a covariance, by products in float32:
# a running sum of ROWS (`moments`) squares loses about √ROWS eps of itself, each of its roundings
# being random, and no variance of a channel is above that eigenvalue. Sums are added in float64.
RESOLUTION = 2048**0.5 * float(np.finfo(np.float32).eps)  # 5e-6


def eigh(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues (d,) in descending order, and eigenvectors (d, d) in columns.

    Signs are fixed (the largest entry of a vector is positive) so that files repeat; rounding
    errors below zero are set to zero. Raises ValueError where an eigenvalue is negative far
    beyond `RESOLUTION`, since the matrix is then no covariance.
    """
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    if values[-1] < -10 * RESOLUTION * max(values[0], 0):
        raise ValueError(f"not a covariance: its smallest eigenvalue is {values[-1]}")
    return values.clip(min=0), vectors * _signs(vectors)


def resolved(values: Array) -> Array:
    """Eigenvalues, or variances, with zero in place of those that rounding alone may have made."""
    return np.where(values > RESOLUTION * values.max(), values, 0)


def weight_components(weight: NDArray) -> tuple[Array, Array]:
    """Spectrum of a layer's weights: eigenvalues and eigenvectors of WᵀW / n over its n neurons.

    weight: (n, ...), flattened to (n, d). Returns values (R,), descending, and vectors (d, R) in
    columns with R = min(n, d); the remaining d - R eigenvalues are zero.
    """
    matrix = np.asarray(weight, dtype=np.float64).reshape(len(weight), -1)
    _, singular, transposed = np.linalg.svd(matrix, full_matrices=False)
    vectors = transposed.T
    return singular**2 / len(matrix), vectors * _signs(vectors)


def marchenko_pastur_edges(*, variance: float, dimension: int, neurons: int) -> tuple[float, float]:
    """Lower and upper edge of the spectrum of WᵀW / n for n neurons of independent weights.

    variance: of one weight; dimension: inputs of a neuron (Marchenko and Pastur, 1967). The lower
    edge is that of the non-zero eigenvalues.
    """
    ratio = np.sqrt(dimension / neurons)
    return variance * (1 - ratio) ** 2, variance * (1 + ratio) ** 2


def participation_ratio(values: Array) -> float:
    """(Σλ)² / Σλ²: the number of eigenvalues that share the variance, from 1 to d.

    NaN where all of them are zero.
    """
    if not values.any():
        return float("nan")
    return float(values.sum() ** 2 / (values**2).sum())


def effective_rank(values: Array) -> float:
    """exp(-Σ p log p) for p = λ / Σλ, from 1 to d (Roy and Vetterli 2007).

    NaN where all of them are zero.
    """
    if not values.any():
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def held_out(vectors: Array, fresh: Array) -> Array:
    """Variances (d,) of fresh data, with covariance (d, d), along eigenvectors of fitted data.

    vectors: (d, d), in columns. In sample, the first eigenvalues are too high and the last too low,
    since the vectors were chosen for it; held out, each is the variance that is there.
    """
    return np.einsum("ck,ck->k", vectors, fresh @ vectors)


def identified(values: Array, *, samples: int, level: float = 0.95) -> NDArray[np.bool_]:
    """Whether each eigenvector (d,) is identified, not arbitrary within nearly equal eigenvalues.

    values: eigenvalues, descending, of the covariance of normal samples. Two equal eigenvalues λ
    come out of n samples with a gap that, for large n, has a Rayleigh distribution of scale
    2 λ / √n (Anderson 1963); an eigenvector is identified where the gaps to both neighbours are
    larger than that in `level` of the cases. Where all eigenvalues are zero, none is.
    """
    chance = 2 * np.sqrt(-2 * np.log(1 - level) / samples)
    apart = values[:-1] - values[1:] > chance * (values[:-1] + values[1:]) / 2
    return np.concatenate([[True], apart]) & np.concatenate([apart, [True]]) & values.any()


def power_law(values: Array, *, first: int = 10, last: int = 500) -> tuple[float, float]:
    """Exponent α and prefactor of λ_k ≈ c k^-α over ranks first..last, counted from 1.

    Least squares of log λ on log k with weights 1/k, so that every octave of ranks counts alike.
    The window ends where the eigenvalues do, or are zero. Returns (nan, nan) for fewer than three
    ranks.
    """
    positive = int((values > 0).sum())
    ranks = np.arange(first, min(last, positive) + 1)
    if len(ranks) < 3:
        return float("nan"), float("nan")
    slope, offset = np.polyfit(np.log(ranks), np.log(values[ranks - 1]), 1, w=ranks**-0.5)
    return -float(slope), float(np.exp(offset))


def power_law_range(values: Array) -> float:
    """Largest less smallest exponent over windows that start at rank 5, 10 or 20, and that end at a
    quarter, half or all of the eigenvalues above zero: how much the exponent owes to the window.

    Windows of fewer than three ranks do not count; nan where none is left.
    """
    positive = int((values > 0).sum())
    ends = [positive // 4, positive // 2, positive]
    exponents = [
        power_law(values, first=first, last=end)[0] for first in (5, 10, 20) for end in ends
    ]
    known = [exponent for exponent in exponents if np.isfinite(exponent)]
    return max(known) - min(known) if known else float("nan")


def _signs(vectors: Array) -> Array:
    """(columns,) of ±1 that make the largest entry of every column positive."""
    largest = np.abs(vectors).argmax(axis=0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
