"""How many components of a layer's weights are learned: eigenvalues above those of chance.

Chance is what the largest eigenvalue of WᵀW / n, for n neurons of d inputs, stays below with 95 %
probability if weights are independent. It is estimated in three ways: by theory, by simulating the
initialisation, and by theory with the variance that the bulk of the trained spectrum has.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import svds

from latentdims.spectra import marchenko_pastur_edges

Array = NDArray[np.float64]

TRACY_WIDOM_95 = 0.9793  # 95 % quantile of the Tracy-Widom law for real matrices
ZERO = float(np.finfo(np.float32).eps) ** 2  # of the largest eigenvalue: weights are in float32
DRAWS = 200
ITERATIONS = 100


def threshold_by_theory(*, variance: float, dimension: int, neurons: int) -> float:
    """Largest eigenvalue of chance for weights of a known variance (Johnstone 2001)."""
    left, right = np.sqrt(max(neurons - 1, 1)), np.sqrt(dimension)
    centre = (left + right) ** 2
    scale = (left + right) * (1 / left + 1 / right) ** (1 / 3)
    return float(variance * (centre + TRACY_WIDOM_95 * scale) / neurons)


@cache
def threshold_by_simulation(*, dimension: int, neurons: int) -> float:
    """The same over draws of PyTorch's default initialisation, uniform in ±1/√d."""
    random = np.random.default_rng([dimension, neurons])
    bound = dimension**-0.5
    largest = []
    for _ in range(DRAWS):
        weight = random.uniform(-bound, bound, (neurons, dimension))
        if min(weight.shape) < 3:  # too few for the iteration below
            largest.append(np.linalg.norm(weight, 2) ** 2)
            continue
        start = random.standard_normal(min(weight.shape))
        largest.append(svds(weight, k=1, v0=start, return_singular_vectors=False)[0] ** 2)
    return float(np.quantile(largest, 0.95)) / neurons


def bulk_variance(values: Array, *, dimension: int, neurons: int) -> float:
    """Variance of the independent weights whose spectrum the bulk of the eigenvalues has.

    values: the min(n, d) non-zero ones. The median of the bulk is matched with that of the
    Marchenko-Pastur law; what lies above the threshold by theory is taken out, and the rest matched
    again until nothing more is. NaN where half of them are zero, since there is no bulk then.
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


def count_learned(values: Array, *, dimension: int, neurons: int) -> dict[str, float]:
    """Eigenvalues above each of the three thresholds; NaN where a threshold is.

    values: non-zero eigenvalues of WᵀW / n, descending, of trained weights.
    """
    shape = {"dimension": dimension, "neurons": neurons}
    bulk = bulk_variance(values, **shape)
    thresholds = {
        "theory": threshold_by_theory(variance=1 / (3 * dimension), **shape),
        "simulation": threshold_by_simulation(**shape),
        "bulk": threshold_by_theory(variance=bulk, **shape),
    }
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
