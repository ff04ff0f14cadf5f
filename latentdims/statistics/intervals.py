"""Means with 95 % intervals over three crossed sources: networks, draws and test images.

Values come by network and by fold of the test images (`statistics.folds`), the same for every
network. An interval covers the mean over very many networks and images of the same kind. Without
folds it is over networks only, given the test images.

Variances add as in two-way clustered standard errors (Cameron, Gelbach and Miller 2011): networks
plus folds minus their interaction, at least the larger of the two. Degrees of freedom are
Satterthwaite's (1946). Fewer than three networks have no interval, and neither have undefined
values.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentdims.statistics.bands import critical_values
from latentdims.statistics.scales import Range, ends

Array = NDArray[np.float64]
Pairs = Mapping[tuple[int, int], ArrayLike]


class Estimate(NamedTuple):
    """A mean over networks, its 95 % interval, and the number of networks."""

    value: float
    low: float | None
    high: float | None
    n: int


class Spread(NamedTuple):
    """Variance of the mean at every point (P,), from each source, with degrees of freedom."""

    networks: Array
    folds: Array
    both: Array
    degrees: float
    fold_degrees: float

    def total(self) -> Array:
        """Variance over networks and folds together (P,)."""
        one_way = np.maximum(self.networks, self.folds)
        return np.maximum(one_way, self.networks + self.folds - self.both)

    def freedom(self) -> Array:
        """Degrees of freedom of the total (P,)."""
        parts = self.networks**2 / self.degrees
        if self.fold_degrees:
            parts = parts + self.folds**2 / self.fold_degrees
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.total() ** 2 / parts
        return np.where(parts > 0, found, self.degrees)


def over_networks(values: ArrayLike, *, within: Range = None) -> Estimate:
    """Mean over networks: values (S,) or, by fold of the test images, (S, F).

    The interval covers networks and test images for (S, F), and only networks for (S,). A network
    with several draws enters with the mean of its draws, whose spread is then part of the spread
    over networks.
    """
    return curve_over_networks(_array(values)[..., None], within=within)[0]


def over_pairs(values: Pairs, *, within: Range = None) -> Estimate:
    """Mean over pairs {(r, s): value or (F,)}, which may share networks.

    See `curve_over_pairs`.
    """
    curves = {pair: _array(value)[..., None] for pair, value in values.items()}
    return curve_over_pairs(curves, within=within)[0]


def counted(values: ArrayLike) -> Estimate:
    """Mean of counts (S,), without an interval: counts of few networks have no t interval."""
    sample = _array(values)
    return Estimate(float(sample.mean()), None, None, len(sample))


def ratio_of_means(above: ArrayLike, gained: ArrayLike) -> Estimate:
    """Mean of `above` divided by the mean of `gained`, both (S,) or (S, F), by linearisation.

    Undefined if a network gained nothing (mean over folds <= 0).
    """
    top, bottom = _array(above), _array(gained)
    if not (bottom.reshape(len(bottom), -1).mean(1) > 0).all():
        return Estimate(np.nan, None, None, len(bottom))
    ratio = top.mean() / bottom.mean()
    return over_networks(ratio + (top - ratio * bottom) / bottom.mean())


def of_one_run(values: ArrayLike, *, within: Range = None) -> Estimate:
    """Mean with the 95 % prediction interval of a single new run.

    values: (S, F), or (S, D, F) for D draws of each network. The new run is another network with a
    single draw, on equally many other test images.
    """
    sample = _array(values)
    sample = sample[:, None] if sample.ndim == 2 else sample
    runs, draws, folds = sample.shape
    spread = _spread_of_networks(sample.mean(1)[..., None])
    of_draws = sample.mean(2).var(1, ddof=1).mean() * (1 - 1 / draws) if draws > 1 else 0.0
    of_networks = float(spread.networks[0]) * (runs + 1)
    of_folds = 2 * float(spread.folds[0])
    variance = of_networks + of_draws + of_folds
    parts = of_networks**2 / (runs - 1) if runs > 1 else 0.0
    parts += of_draws**2 / (runs * (draws - 1)) if draws > 1 else 0.0
    parts += of_folds**2 / (folds - 1) if folds > 1 else 0.0
    freedom = np.array([variance**2 / parts if parts > 0 else runs - 1])
    mean = np.array([sample.mean()])
    return _estimates(mean, np.array([variance]), critical_values(freedom), runs, within)[0]


def of_one_pair(values: Pairs, *, within: Range = None) -> Estimate:
    """Mean with the 95 % prediction interval of a single new pair {(r, s): value or (F,)}.

    The new pair consists of two other networks, on equally many other test images. A pair is
    modelled as the sum of two effects of networks and one of its own. Their variances come from the
    analysis of variance (moments); the last one is 0 if there are too few pairs to separate them. n
    counts networks.
    """
    pairs = sorted(values)
    seeds = sorted({seed for pair in pairs for seed in pair})
    sample = np.array([_array(values[pair]).reshape(-1) for pair in pairs])  # (pairs, F)
    member = np.array([[seed in pair for pair in pairs] for seed in seeds], dtype=np.float64)
    scale, degrees = _scale_of_pairs(member)
    deviations = sample - sample.mean(0)
    spread = _spread((member @ deviations)[..., None], sample.mean(0)[:, None], scale, degrees)
    effect, own, residual = _components(member, deviations.mean(1))
    of_networks, of_folds = 2 * effect + float(spread.networks[0]), 2 * float(spread.folds[0])
    variance = of_networks + own + of_folds
    parts = of_networks**2 / degrees
    parts += own**2 / residual if residual else 0.0
    parts += of_folds**2 / spread.fold_degrees if spread.fold_degrees else 0.0
    freedom = np.array([variance**2 / parts if parts > 0 else degrees])
    mean = np.array([sample.mean()])
    critical = critical_values(freedom)
    return _estimates(mean, np.array([variance]), critical, len(seeds), within)[0]


def _components(member: Array, deviations: Array) -> tuple[float, float, int]:
    """Variances of the effects of networks and of pairs of their own, and degrees of the second.

    member: (S, pairs), 1 where a network is in a pair. deviations: of pairs from their mean.
    """
    pairs = len(deviations)
    design = np.vstack([np.ones(pairs), member]).T
    fitted = design @ np.linalg.lstsq(design, deviations, rcond=None)[0]
    residual = pairs - int(np.linalg.matrix_rank(design))
    own = float(((deviations - fitted) ** 2).sum()) / residual if residual else 0.0
    degree = member.sum(1)
    power = float(((member @ member.T - np.outer(degree, degree) / pairs) ** 2).sum())
    if power < 1e-9:
        return 0.0, own, residual
    noise = own * float(degree.sum() - (degree**2).sum() / pairs)
    return max(float(((member @ deviations) ** 2).sum()) - noise, 0.0) / power, own, residual


def curve_over_networks(values: ArrayLike, *, within: Range = None) -> list[Estimate]:
    """Mean over networks at every point of curves (S, P) or (S, F, P), with simultaneous 95 %
    bands: the whole population curve is within them in 95 % of studies."""
    sample = _array(values)
    sample = sample[:, None] if sample.ndim == 2 else sample
    runs = len(sample)
    spread = _spread_of_networks(sample)
    deviations = (sample - sample.mean(0)).mean(1)
    critical = critical_values(spread.freedom(), deviations)
    return _estimates(sample.mean((0, 1)), spread.total(), critical, runs, within)


def curve_over_pairs(values: Pairs, *, within: Range = None) -> list[Estimate]:
    """Mean over pairs of networks at every point of curves {(r, s): (P,) or (F, P)}.

    Pairs that share a network are not independent. The variance over networks comes from the
    jackknife that leaves out a network with all its pairs (Efron and Stein 1981), linearised, and
    scaled to be exact for the given pairs if a pair is the sum of two effects of networks. It is
    too large, never too small, for effects of single pairs. So all pairs may be given, or a few of
    each network. If all pairs share seed 0, the interval is wide, since that network may be unlike
    any other. n counts networks.
    """
    pairs = sorted(values)
    seeds = sorted({seed for pair in pairs for seed in pair})
    sample = np.array([_array(values[pair]) for pair in pairs])
    sample = sample[:, None] if sample.ndim == 2 else sample  # (pairs, F, P)
    member = np.array([[seed in pair for pair in pairs] for seed in seeds], dtype=np.float64)
    means = sample.mean(0)
    contributions = np.tensordot(member, sample - means, 1)  # (S, F, P)
    scale, degrees = _scale_of_pairs(member)
    spread = _spread(contributions, means, scale, degrees)
    critical = critical_values(spread.freedom(), contributions.mean(1))
    return _estimates(means.mean(0), spread.total(), critical, len(seeds), within)


def _scale_of_pairs(member: Array) -> tuple[float, float]:
    """What the squared contributions of networks are multiplied by, and degrees of freedom.

    member: (S, pairs), 1 where a network is in a pair. For effects a of the networks, the
    contributions are M a, and the variance of the mean of the pairs is that of Σ degree · a / m.
    """
    pairs = member.shape[1]
    degree = member.sum(1)
    effects = member @ member.T - np.outer(degree, degree) / pairs  # M
    power = float((effects**2).sum())
    if power < 1e-9:
        return 0.0, 1.0
    degrees = power**2 / float(((effects @ effects) ** 2).sum())
    return float((degree**2).sum()) / pairs**2 / power, degrees


def _spread_of_networks(sample: Array) -> Spread:
    """Variances of the mean of a sample (S, F, P)."""
    runs = len(sample)
    means = sample.mean(0)
    return _spread(sample - means, means, 1 / (runs * max(runs - 1, 1)), max(runs - 1, 1))


def _spread(contributions: Array, means: Array, scale: float, degrees: float) -> Spread:
    """Variances from contributions of networks (S, F, P) to the means by fold (F, P)."""
    folds = len(means)
    networks = scale * (contributions.mean(1) ** 2).sum(0)
    if folds == 1:
        nothing = np.zeros_like(networks)
        return Spread(networks, nothing, nothing, degrees, 0)
    both = scale * contributions.var(1, ddof=1).sum(0) / folds
    return Spread(networks, means.var(0, ddof=1) / folds, both, degrees, folds - 1)


def _estimates(
    means: Array, variances: Array, critical: Array, runs: int, within: Range
) -> list[Estimate]:
    if runs < 3:
        return [Estimate(mean, None, None, runs) for mean in means.tolist()]
    found = ends(means, critical * np.sqrt(variances), within)
    return [
        Estimate(mean, low, high, runs) if np.isfinite(low) else Estimate(mean, None, None, runs)
        for mean, low, high in zip(means.tolist(), *(end.tolist() for end in found), strict=True)
    ]


def _array(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)
