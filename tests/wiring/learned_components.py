"""Learned components of weights once more; see `rows`."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def counts(initial: Array, trained: Array, d: int, n: int) -> dict[str, Array]:
    """Counts (S,) of trained eigenvalues (S, R) above what independent weights have."""
    unit = edge_of_chance(d, n)
    simulated = np.random.default_rng(99).uniform(-1, 1, (3000, n, d)) / d**0.5
    quantile = np.quantile(np.linalg.norm(simulated, 2, axis=(1, 2)) ** 2 / n, 0.95)
    bulk = np.array([bulk_variance(values, d, n) for values in trained])[:, None]
    return {
        "theory": (trained > unit / 3 / d).sum(1) * 1.0,
        "simulation": (trained > quantile).sum(1) * 1.0,
        "bulk": (trained > unit * bulk).sum(1) * 1.0,
        "initial": (trained > initial.max(1, keepdims=True)).sum(1) * 1.0,
    }


def edge_of_chance(d: int, n: int) -> float:
    """Johnstone's (2001) 95 % quantile for weights of variance 1."""
    a, b = max(n - 1, 1) ** 0.5, d**0.5
    return ((a + b) ** 2 + 0.9793 * (a + b) * (1 / a + 1 / b) ** (1 / 3)) / n


def bulk_variance(values: Array, d: int, n: int) -> float:
    """The median of a spectrum over that of Marchenko and Pastur, without what lies above."""
    low, high = (1 - (d / n) ** 0.5) ** 2, (1 + (d / n) ** 0.5) ** 2
    x = np.linspace(low, high, 400_001)[1:-1]
    mass = np.cumsum(np.sqrt((high - x) * (x - low)) / x)
    median = x[np.searchsorted(mass, mass[-1] / 2)]
    for above in range(len(values)):  # the first count that agrees with itself
        variance = np.median(values[above:]) / median
        if (values > edge_of_chance(d, n) * variance).sum() <= above:
            return variance
    return np.nan
