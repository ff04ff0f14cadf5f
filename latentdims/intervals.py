"""Means over networks, with intervals that say what they are taken over."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special  # not scipy.stats, which takes a second to import

CONFIDENCE = 0.95

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean over networks, with its interval and their number."""

    value: float
    low: float | None
    high: float | None
    n: int


def over_seeds(values: ArrayLike) -> Estimate:
    """Mean and Student t interval of one value per seed."""
    return curve_over_seeds(np.asarray(values)[:, None])[0]


def over_pairs(values: Mapping[tuple[int, int], float]) -> Estimate:
    """Mean over pairs of seeds, with an interval over seeds.

    Pairs that share a seed are not independent, so the standard error is that of the jackknife
    that leaves out one seed with all its pairs (Efron and Stein 1981). Where every pair shares
    seed 0, the others are the sample. n counts the networks.
    """
    return curve_over_pairs({pair: np.array([value]) for pair, value in values.items()})[0]


def curve_over_seeds(seeds: ArrayLike) -> list[Estimate]:
    """The same as `over_seeds` at every point of curves (seeds, points)."""
    sample = np.asarray(seeds, dtype=np.float64)
    spread = sample.std(axis=0, ddof=1 if len(sample) > 1 else 0) / np.sqrt(len(sample))
    return _estimates(sample.mean(0), spread, len(sample))


def curve_over_pairs(values: Mapping[tuple[int, int], Array]) -> list[Estimate]:
    """The same as `over_pairs` at every point of curves (points,), one per pair."""
    curves = np.array(list(values.values()), dtype=np.float64)
    seeds = sorted({seed for pair in values for seed in pair})
    if len(seeds) < 3:
        return _estimates(curves.mean(0), np.zeros(curves.shape[1]), len(seeds))
    without = [[seed not in pair for pair in values] for seed in seeds]
    if not all(map(any, without)):
        return curve_over_seeds(curves)
    left = np.array([curves[kept].mean(0) for kept in without])
    variance = (len(seeds) - 1) / len(seeds) * ((left - left.mean(0)) ** 2).sum(0)
    return _estimates(curves.mean(0), np.sqrt(variance), len(seeds))


def _estimates(means: Array, standard_errors: Array, n: int) -> list[Estimate]:
    if n < 3:
        return [Estimate(mean, None, None, n) for mean in means.tolist()]
    half = float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * standard_errors
    ends = zip(means.tolist(), (means - half).tolist(), (means + half).tolist(), strict=True)
    return [Estimate(mean, low, high, n) for mean, low, high in ends]
