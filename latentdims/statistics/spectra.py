"""Spectra: eigenvalues of covariances, and quantities derived from them."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special  # not scipy.stats, which takes a second to import

from latentdims import decompositions

Array = NDArray[np.float64]

ROWS = 2048  # that are multiplied at once in float32 (`moments`); their sums are added in float64
# Of a sum of that many squares, the deviation that rounding makes, relative to the sum. What is
# added so far, k of K squares, is rounded to 1/√12 eps or better: √(Σ (k/K)²) eps / √12.
ROUNDING = ROWS**0.5 / 6 * float(np.finfo(np.float32).eps)  # 9e-7
DECADE = 10.0  # a window of ranks in which a power law is fitted has its end at that, or more


def eigh(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues (d,) in descending order, and eigenvectors (d, d) in columns.

    Signs are fixed (the largest entry of a vector is positive) so that files are reproducible.
    Rounding errors below zero are set to zero. Raises ValueError if an eigenvalue is far more
    negative than rounding explains, since the matrix is then no covariance.
    """
    values, vectors = decompositions.eigh((symmetric + symmetric.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    if values[-1] < -60 * ROUNDING * max(values[0], 0):
        raise ValueError(f"not a covariance: its smallest eigenvalue is {values[-1]}")
    return values.clip(min=0), vectors * _signs(vectors)


def resolution(vectors: Array, covariance: Array, *, rows: int) -> Array:
    """Variance (d,) along vectors that rounding of products in float32 can make of zero.

    vectors: (d, d), in columns; covariance (d, d): over the given number of rows. The error of an
    entry is about `ROUNDING` of the variances of its two channels, less if many sums of `ROWS` were
    added. A matrix of such errors, as far as they are independent, is below 2 √d + 2 of them along
    every vector (Davidson and Szarek 2001). So the resolution depends on the variance of the
    channels that a vector mixes, not on the largest eigenvalue. Rounding within the network is not
    counted: it is part of the representation.
    """
    mixed = np.einsum("ck,c->k", vectors**2, np.diagonal(covariance))
    error = ROUNDING * np.sqrt(min(rows / ROWS, ROWS / rows))
    return (2 * np.sqrt(len(covariance)) + 2) * error * mixed


def resolved(values: Array, resolution: Array) -> Array:
    """Eigenvalues, or variances, (..., d) with zero in place of those that rounding alone may have
    caused: below a `resolution` (d,), or below the error of eigenvalues in float64."""
    error = values.shape[-1] * np.finfo(np.float64).eps * values.max(-1, keepdims=True)
    return np.where(values > np.maximum(resolution, error), values, 0)


def weight_components(weight: NDArray) -> tuple[Array, Array]:
    """Spectrum of a layer's weights: eigenvalues and eigenvectors of WᵀW / n over its n neurons.

    weight: (n, ...), flattened to (n, d). Returns values (R,), descending, and vectors (d, R) in
    columns with R = min(n, d); the remaining d - R eigenvalues are zero.
    """
    matrix = np.asarray(weight, dtype=np.float64).reshape(len(weight), -1)
    _, singular, transposed = np.linalg.svd(matrix, full_matrices=False)
    vectors = transposed.T
    return singular**2 / len(matrix), vectors * _signs(vectors)


def initial_variance(fan_in: int) -> float:
    """Variance of initial weights, uniform in ±1/√fan-in (`blocks.initialise`)."""
    return 1 / (3 * fan_in)


def marchenko_pastur_edges(*, variance: float, dimension: int, neurons: int) -> tuple[float, float]:
    """Lower and upper edge of the spectrum of WᵀW / n for n neurons with independent weights.

    variance: of one weight; dimension: number of inputs of a neuron (Marchenko and Pastur, 1967).
    The lower edge is for the non-zero eigenvalues.
    """
    ratio = np.sqrt(dimension / neurons)
    return variance * (1 - ratio) ** 2, variance * (1 + ratio) ** 2


def participation_ratio(values: Array) -> float:
    """(Σλ)² / Σλ²: the number of eigenvalues that share the variance, from 1 to d.

    NaN if all of them are zero.
    """
    if not values.any():
        return float("nan")
    return float(values.sum() ** 2 / (values**2).sum())


def effective_rank(values: Array) -> float:
    """exp(-Σ p log p) for p = λ / Σλ, from 1 to d (Roy and Vetterli 2007).

    NaN if all of them are zero.
    """
    if not values.any():
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def held_out(vectors: Array, fresh: Array) -> Array:
    """Variances (d,) of new data, with covariance (d, d), along eigenvectors of the fitted data.

    vectors: (d, d), in columns. In sample, the first eigenvalues are too high and the last too low,
    because the vectors were chosen for it; held-out variances have no such bias.
    """
    return np.einsum("ck,ck->k", vectors, fresh @ vectors)


def identified(
    values: Array, vectors: Array, folds: Array, *, level: float = 0.95
) -> NDArray[np.bool_]:
    """Whether each eigenvector (d,) is identified, not arbitrary within nearly equal eigenvalues.

    values (d,), vectors (d, d): of a moment, with eigenvalues descending and eigenvectors in
    columns. folds: the same moment for each fold of the images, (F, d, d). An eigenvector is
    identified if both neighbours are `separated` from it, and its eigenvalue is not zero.
    """
    apart = separated(vectors, folds, level=level)
    return np.concatenate([[True], apart]) & np.concatenate([apart, [True]]) & (values > 0)


def separated(vectors: Array, folds: Array, *, level: float = 0.95) -> NDArray[np.bool_]:
    """Whether eigenvalues differ from the next ones, (d - 1,); the arguments are as for
    `identified`.

    On the plane of two neighbours, a fold with the moment [[a, c], [c, b]] gives ((a - b) / 2, c).
    Its mean is zero if the eigenvalues are equal, whatever the distribution of the data, and
    whichever basis of the plane was found. It is tested with the spread of the folds, and with the
    degrees of freedom of Box (1954), since the spread may differ between the two directions. If two
    eigenvalues are equal, at most about 5 % of pairs seem separated; fewer if more are equal.
    """
    number = len(folds)
    if number < 2:
        return np.zeros(len(vectors) - 1, dtype=bool)
    moved = folds @ vectors  # (F, d, d)
    own = np.einsum("ck,fck->fk", vectors, moved)
    across = np.einsum("ck,fck->fk", vectors[:, :-1], moved[:, :, 1:])
    planes = np.stack([(own[:, :-1] - own[:, 1:]) / 2, across])  # (2, F, d - 1)
    means = planes.mean(1)
    around = planes - means[:, None]
    spread = np.einsum("ifk,jfk->ijk", around, around) / (number - 1)
    total = spread[0, 0] + spread[1, 1]
    with np.errstate(invalid="ignore", divide="ignore"):  # where folds do not differ
        freedom = total**2 / (spread**2).sum((0, 1))
        ratio = number * (means**2).sum(0) / total
        return ratio > special.fdtri(freedom, freedom * (number - 1), level)


def jackknife(measure: Callable[[Array], float], whole: Array, without: Array) -> Array:
    """Pseudo-values (F,) of a number computed from a spectrum (d,), from the spectra without each
    fold (F, d).

    Their mean is the number without the bias of a finite number of images, to first order; their
    spread gives its error over images (Quenouille 1956; Tukey 1958).
    """
    rest = np.array([measure(each) for each in without])
    return len(rest) * measure(whole) - (len(rest) - 1) * rest


class PowerLaw(NamedTuple):
    """λ_k ≈ c k^-α over a window of ranks, counted from 1; NaN, with a reason, if refused."""

    exponent: float
    prefactor: float
    first: int
    last: int
    reason: str = ""


def power_law(values: Array, *, first: int = 10, last: int = 500) -> PowerLaw:
    """The power law of eigenvalues (d,) over ranks first..last, or to the last that is not zero.

    Least squares of log λ on log k with weights 1/k, so that every octave of ranks has the same
    weight. A window of less than a decade is refused, since any line fits there.
    """
    end = min(last, int((values > 0).sum()))
    if end < DECADE * first:
        reason = f"only ranks {first} to {end} are left, less than a decade"
        return PowerLaw(np.nan, np.nan, first, end, reason)
    ranks = np.arange(first, end + 1)
    slope, offset = np.polyfit(np.log(ranks), np.log(values[ranks - 1]), 1, w=ranks**-0.5)
    return PowerLaw(-float(slope), float(np.exp(offset)), first, end)


def power_law_range(values: Array) -> float:
    """Largest minus smallest exponent over windows that start at rank 5, 10 or 20 and end at a
    quarter, half or all of the eigenvalues above zero: how much the exponent depends on the window.

    Windows of less than a decade are left out; NaN for fewer than two windows.
    """
    positive = int((values > 0).sum())
    ends = [positive // 4, positive // 2, positive]
    laws = [power_law(values, first=first, last=end) for first in (5, 10, 20) for end in ends]
    known = [law.exponent for law in laws if not law.reason]
    return max(known) - min(known) if len(known) > 1 else float("nan")


def _signs(vectors: Array) -> Array:
    """(columns,) of ±1 that make the largest entry of every column positive."""
    largest = np.abs(vectors).argmax(axis=0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
