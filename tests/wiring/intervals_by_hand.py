"""Intervals by textbook formulas, written out anew: (value, low, high, n), of NaN for no interval.

Values are those of all pairs of networks, or of each network, by fold of the test images.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Found = tuple[float, float, float, int]

SIMULATED = 40_000


def networks(values: Array, within: tuple[float, float] | None) -> Found:
    """Of values (S,) or (S, F): two-way clustered variance, t on the scale of the range."""
    x = np.reshape(values, (len(values), -1))
    return interval(x.mean(), *two_ways(x), within, len(x))


def two_ways(x: Array) -> tuple[float, float]:
    """Variance of the mean of (S, F) and its degrees of freedom; one fold is none."""
    s, f = x.shape
    if s < 2:
        return np.nan, 1
    rows = np.var(x.mean(1), ddof=1) / s
    if f == 1:
        return rows, s - 1
    columns = np.var(x.mean(0), ddof=1) / f
    left = x - x.mean(0)  # of each network, within a fold
    left = left - left.mean(1, keepdims=True)
    inner = (left**2).sum() / (s - 1) / (f - 1) / s / f
    return combined(rows, s - 1, columns, f - 1, inner)


def combined(rows, rows_df, columns, columns_df, inner) -> tuple[float, float]:
    variance = max(rows, columns, rows + columns - inner)
    parts = rows**2 / rows_df + columns**2 / columns_df
    return variance, variance**2 / parts if parts > 0 else rows_df


def pairs(values: Mapping[tuple[int, int], Array], within: tuple[float, float] | None) -> Found:
    """Of all pairs, by fold (F,): the effects of networks in a balanced diallel."""
    x, variance, df = spread_of_pairs(values)
    return interval(x.mean(), variance, df, within, 1 + max(s for _, s in values))


def spread_of_pairs(values: Mapping[tuple[int, int], Array]) -> tuple[Array, float, float]:
    n = 1 + max(s for _, s in values)
    x = np.array([values[pair] for pair in values])
    if n < 3:
        return x, np.nan, 1
    # x_rs = m + a_r + a_s: a_r is the sum over the pairs of r less their means, over n - 2, and the
    # mean of all pairs has the variance of twice the mean of n effects.
    a = np.array([sum(values[p] - x.mean(0) for p in values if r in p) for r in range(n)]) / (n - 2)
    rows, f = 4 * np.var(a.mean(1), ddof=1) / n, x.shape[1]
    if f == 1:
        return x, rows, n - 1
    columns = np.var(x.mean(0), ddof=1) / f
    left = a - a.mean(1, keepdims=True)
    inner = 4 * (left**2).sum() / (n - 1) / (f - 1) / n / f
    return x, *combined(rows, n - 1, columns, f - 1, inner)


def interval(value, variance, df, within, n, critical=None) -> Found:
    if n < 3 or not np.isfinite(variance):
        return value, np.nan, np.nan, n
    half = variance**0.5 * (stats.t.ppf(0.975, df) if critical is None else critical)
    if within is None or not within[0] < value < within[1]:
        return value, value - half, value + half, n
    bottom, top = within
    if np.isinf(top):
        z, dz = np.log(value - bottom), half / (value - bottom)
        return value, bottom + np.exp(z - dz), bottom + np.exp(z + dz), n
    share = (value - bottom) / (top - bottom)
    z, dz = np.log(share / (1 - share)), half / (top - bottom) / share / (1 - share)
    with np.errstate(over="ignore"):
        low, high = (bottom + (top - bottom) / (1 + np.exp(-x)) for x in (z - dz, z + dz))
    return value, low, high, n


def curve(values: Array, within: tuple[float, float] | None) -> list[Found]:
    """Bands of (S, F, P): the largest |t| along the curve, of curves like these."""
    points = [values[..., p] for p in range(values.shape[-1])]
    spreads = [two_ways(point) for point in points]
    means = values.mean(1)
    return banded([p.mean() for p in points], spreads, means - means.mean(0), within, len(values))


def curve_of_pairs(values: Mapping[tuple[int, int], Array], within) -> list[Found]:
    """Bands of all pairs {(r, s): (F, P)}."""
    n, points = 1 + max(s for _, s in values), next(iter(values.values())).shape[-1]
    spreads, means = [], []
    for p in range(points):
        x, *spread = spread_of_pairs({pair: value[:, p] for pair, value in values.items()})
        spreads.append(tuple(spread))
        means.append(x.mean())
    mean = np.mean([*values.values()], axis=(0, 1))
    effects = [sum(values[p].mean(0) - mean for p in values if r in p) for r in range(n)]
    return banded(means, spreads, np.array(effects), within, n)


def banded(means, spreads, deviations: Array, within, n: int) -> list[Found]:
    single = [stats.t.ppf(0.975, df) for _, df in spreads]
    joint = largest(deviations) if n > 2 and len(means) > 1 else 0.0
    return [
        interval(mean, variance, df, within, n, max(one, joint))
        for mean, (variance, df), one in zip(means, spreads, single, strict=True)
    ]


def largest(deviations: Array) -> float:
    """The 95 % quantile of the largest |t| of normal curves with the covariance of these."""
    length = np.linalg.norm(deviations, axis=0)
    varied = length > 1e-9 * length.max()  # elsewhere networks tie, but for rounding
    shape = deviations[:, varied] / length[varied]
    random = np.random.default_rng(2024)
    z = np.abs(random.standard_normal((SIMULATED, len(shape))) @ shape).max(1, initial=0)
    df = len(shape) - 1
    return np.quantile(z / np.sqrt(random.chisquare(df, SIMULATED) / df), 0.95)
