"""How many components of a layer's weights are learned: eigenvalues above those of chance.

Chance is the bound that the largest eigenvalue of WᵀW / n, for n neurons with d inputs, stays below
with 95 % probability if weights are independent. It is estimated in three ways: by theory, by
simulating the initialisation, and by theory with the variance of the bulk of the trained spectrum.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from latentdims.statistics.spectra import initial_variance, marchenko_pastur_edges

Array = NDArray[np.float64]

TRACY_WIDOM_95 = 0.9793  # 95 % quantile of the Tracy-Widom law for real matrices
UNIFORM = -6 / 5  # fourth cumulant of uniform numbers of variance 1
ZERO = float(np.finfo(np.float32).eps) ** 2  # of the largest eigenvalue: weights are in float32
ITERATIONS = 100
DRAWS = 1000
NARROW = 10  # neurons or inputs below which initial weights themselves are drawn


def threshold_by_theory(*, variance: float, dimension: int, neurons: int) -> float:
    """The bound for weights of known variance (Johnstone 2001)."""
    centre, scale = _tracy_widom(dimension=dimension, neurons=neurons)
    return variance * (centre + TRACY_WIDOM_95 * scale)


@cache
def threshold_by_simulation(*, dimension: int, neurons: int) -> float:
    """The bound from draws of PyTorch's default initialisation, uniform in ±1/√d.

    The largest eigenvalues are drawn for normal weights. Their quantile is then corrected for the
    fourth cumulant of uniform weights, κ = -6/5, which moves the edge of the spectrum: for weights
    of variance 1, by κ (√n + √d)² / √(n d) / n, to first order. Narrow layers, which have no edge,
    are drawn from the uniform distribution.
    """
    random = np.random.default_rng([dimension, neurons])
    if min(dimension, neurons) < NARROW:
        return _narrow(dimension, neurons, random) * initial_variance(dimension)
    normal = np.quantile(_largest_of_normal(dimension, neurons, random), 0.95)
    edge = UNIFORM * (neurons**0.5 + dimension**0.5) ** 2 / (neurons * dimension) ** 0.5
    return float(normal + edge) / neurons * initial_variance(dimension)


def _narrow(dimension: int, neurons: int, random: np.random.Generator) -> float:
    """Quantile of the largest eigenvalue of WᵀW / n for uniform weights of variance 1."""
    bound = 3**0.5
    drawn = (random.uniform(-bound, bound, (neurons, dimension)) for _ in range(DRAWS))
    largest = [np.linalg.norm(weight, 2) ** 2 / neurons for weight in drawn]
    return float(np.quantile(largest, 0.95))


def _largest_of_normal(dimension: int, neurons: int, random: np.random.Generator) -> Array:
    """Draws of the largest eigenvalue of WᵀW, for standard normal weights.

    W has the singular values of a bidiagonal matrix of independent chi variables (Dumitriu and
    Edelman 2002), of which the largest needs the first 10 m^⅓ of m rows (Edelman and Persson 2005).
    """
    short, long = sorted((dimension, neurons))
    rows = np.arange(min(short, int(10 * short ** (1 / 3)) + 20))
    diagonal = random.chisquare(long - rows, (DRAWS, len(rows)))
    below = random.chisquare(short - 1 - rows[:-1], (DRAWS, len(rows) - 1))
    product = np.sqrt(diagonal[:, :-1] * below)
    diagonal[:, 1:] += below
    last = (len(rows) - 1,) * 2
    largest = [
        linalg.eigvalsh_tridiagonal(*each, select="i", select_range=last)[0]
        for each in zip(diagonal, product, strict=True)
    ]
    return np.array(largest)


def _tracy_widom(*, dimension: int, neurons: int) -> tuple[float, float]:
    """Centre and scale of the largest eigenvalue of WᵀW / n for weights of variance 1."""
    left, right = np.sqrt(max(neurons - 1, 1)), np.sqrt(dimension)
    scale = (left + right) * (1 / left + 1 / right) ** (1 / 3)
    return float((left + right) ** 2 / neurons), float(scale / neurons)


def bulk_variance(values: Array, *, dimension: int, neurons: int) -> float:
    """Variance of independent weights whose spectrum matches the bulk of the eigenvalues.

    values: the min(n, d) non-zero ones. The median of the bulk is matched with the median of the
    Marchenko-Pastur law. Values above the bound by theory are removed, and the rest is matched
    again, until no value is above it. NaN if half of the values are zero, since there is no bulk
    then.
    """
    if np.median(values) <= ZERO * values.max():
        return float("nan")
    median = _marchenko_pastur_median(dimension=dimension, neurons=neurons)
    learned = 0
    for _ in range(ITERATIONS):
        variance = float(np.median(values[learned:])) / median
        edge = threshold_by_theory(variance=variance, dimension=dimension, neurons=neurons)
        above = int((values > edge).sum())
        if above == learned or above == len(values):
            break
        learned = above
    return variance


def count_learned(
    values: Array, *, initial: Array | None, dimension: int, neurons: int
) -> dict[str, float]:
    """Number of eigenvalues above each of the three bounds, and above the largest initial
    eigenvalue of the same layer, a single draw of what the simulation repeats; NaN if a bound is.

    values, initial: non-zero eigenvalues of WᵀW / n, descending, of trained and untrained weights;
    None if untrained weights are unknown.
    """
    shape = {"dimension": dimension, "neurons": neurons}
    bulk = bulk_variance(values, **shape)
    thresholds = {
        "theory": threshold_by_theory(variance=initial_variance(dimension), **shape),
        "simulation": threshold_by_simulation(**shape),
        "bulk": threshold_by_theory(variance=bulk, **shape),
    }
    if initial is not None:
        thresholds["initial"] = float(initial[0])
    return {
        name: float((values > threshold).sum()) if np.isfinite(threshold) else threshold
        for name, threshold in thresholds.items()
    }


def _marchenko_pastur_median(*, dimension: int, neurons: int) -> float:
    """Median of the non-zero part of the law for unit variance, from its density."""
    low, high = marchenko_pastur_edges(variance=1, dimension=dimension, neurons=neurons)
    angle = np.linspace(0, np.pi, 4001)  # x = middle - half cos: the ends of the density are smooth
    x = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    density = np.sin(angle) ** 2 / np.maximum(x, 1e-12)
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(np.interp(mass[-1] / 2, mass, x))
