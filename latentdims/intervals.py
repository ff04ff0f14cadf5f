"""Means over networks, with intervals that say what they are taken over."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over networks, with its interval and their number."""

    value: float
    low: float | None
    high: float | None
    n: int


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean and Student t interval of one value per seed."""
    sample = np.asarray(values, dtype=np.float64)
    spread = sample.std(ddof=1) / np.sqrt(len(sample)) if len(sample) > 1 else 0.0
    return _estimate(float(sample.mean()), float(spread), len(sample))


def over_pairs(values: Mapping[tuple[int, int], float]) -> Estimate:
    """Mean over pairs of seeds, with an interval over seeds.

    Pairs that share a seed are not independent, so the standard error is that of the jackknife
    that leaves out one seed with all its pairs (Efron and Stein 1981). Where every pair shares
    seed 0, the others are the sample. n counts the networks.
    """
    mean = float(np.mean(list(values.values())))
    seeds = sorted({seed for pair in values for seed in pair})
    if len(seeds) < 3:
        return _estimate(mean, 0.0, len(seeds))
    without = [[v for pair, v in values.items() if seed not in pair] for seed in seeds]
    if not all(without):
        return over_seeds(list(values.values()))
    left = np.array([np.mean(rest) for rest in without])
    spread = np.sqrt((len(seeds) - 1) / len(seeds) * ((left - left.mean()) ** 2).sum())
    return _estimate(mean, float(spread), len(seeds))


def _estimate(mean: float, standard_error: float, n: int) -> Estimate:
    if n < 3:
        return Estimate(mean, None, None, n)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * standard_error
    return Estimate(mean, mean - half, mean + half, n)
