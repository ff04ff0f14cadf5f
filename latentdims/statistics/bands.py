"""Critical values of intervals, and of bands that hold for all points of a curve at once."""

import numpy as np
from numpy.typing import NDArray
from scipy import special  # not scipy.stats, which takes a second to import

CONFIDENCE = 0.95
DRAWS = 4000
ROUNDING = 1e-9  # relative to what varies most

Array = NDArray[np.float64]


def critical_values(freedom: Array, deviations: Array | None = None) -> Array:
    """Half width (P,) of a 95 % interval, in standard errors.

    freedom: degrees of freedom (P,). deviations: of the networks from their mean (S, P), for bands
    that hold at all points simultaneously. Correlations come from S networks, so bands are too
    narrow for curves that vary in more than S - 1 ways, such as independent points.
    """
    alone = special.stdtrit(freedom, (1 + CONFIDENCE) / 2)
    if deviations is None or len(freedom) == 1 or len(deviations) < 3:
        return alone
    norm = np.sqrt((deviations**2).sum(0))
    varied = norm > ROUNDING * norm.max()  # elsewhere networks tie
    moving = deviations[:, varied] / norm[varied]
    draws = np.random.default_rng(0).normal(size=(DRAWS, len(deviations)))
    largest = np.abs(draws @ moving).max(1, initial=0.0)
    degrees = len(deviations) - 1
    scaled = largest * np.sqrt(degrees / np.random.default_rng(1).chisquare(degrees, DRAWS))
    return np.maximum(alone, np.quantile(scaled, CONFIDENCE))
