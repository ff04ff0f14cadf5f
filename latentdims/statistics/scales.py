"""Scales on which intervals are computed, so that they stay within the range of a number."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Range = tuple[float, float] | None  # what a number can be: intervals stay within
PERCENT: Range = (0, 100)
SHARE: Range = (0, 1)
COSINE: Range = (-1, 1)
POSITIVE: Range = (0, np.inf)

# Of sums of up to 2¹² squares in float64 that are 1 by construction, n eps at most (Higham 2002).
ROUNDING = 2**12 * float(np.finfo(np.float64).eps)  # 9e-13


def ends(means: Array, halves: Array, within: Range) -> tuple[Array, Array]:
    """Lower and upper ends (P,) of intervals around means (P,), with half widths `halves` (P,).

    Within a range, the interval is symmetric on the scaled logit, log((x - a) / (b - x)), which for
    (-1, 1) is twice Fisher's z, or on the logarithm of x - a if b is infinite. Its half width there
    is the plain half width times the derivative at the mean (delta method). Equal values have the
    interval [x, x]. A mean at an end of the range up to rounding, where every value is, has no
    width. A mean outside the range, which is possible for debiased numbers, has its interval on the
    plain scale.
    """
    low, high = means - halves, means + halves
    if within is None:
        return low, high
    bottom, top = within
    inside = (means > bottom) & (means < top)
    if np.isinf(top):
        below = (means - bottom)[inside]
        factor = np.exp(halves[inside] / below)
        low[inside], high[inside] = bottom + below / factor, bottom + below * factor
        return low, high
    for end in within:
        allowed = ROUNDING * (top - bottom)
        close = (np.abs(means - end) <= allowed) & (halves <= allowed)
        low[close] = high[close] = end
        inside &= ~close
    below, above = (means - bottom)[inside], (top - means)[inside]
    # exp(half / (below above / width)); odds times or divided by it
    factor = np.exp(np.minimum(halves[inside] * (top - bottom) / below / above, 600))
    low[inside] = bottom + (top - bottom) * below / (below + above * factor)
    high[inside] = top - (top - bottom) * above / (above + below * factor)
    return low, high
