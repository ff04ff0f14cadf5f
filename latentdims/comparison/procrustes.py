"""Rotations between representations, and what two aligned representations share."""

import numpy as np
from numpy.typing import NDArray
from scipy import special  # not scipy.stats, which takes a second to import

from latentdims import decompositions

Array = NDArray[np.float64]


def rotation(cross: Array) -> Array:
    """The rotation A that best maps φ to ψ, given cross = E[φ ψᵀ] of shape (C, D).

    A = U Vᵀ from the thin singular value decomposition, (C, D): φ A ≈ ψ for rows φ. The orthogonal
    Procrustes solution (Schönemann 1966). It is semi-orthogonal if widths differ: A Aᵀ = 1 for C ≤
    D, Aᵀ A = 1 for C ≥ D. For cross = 0 it is the identity.
    """
    return decompositions.rotation(cross) if cross.any() else np.eye(*cross.shape)


def similarity(cross: Array, rotation: Array, *, power: float, partner_power: float) -> float:
    """Cosine between φ A and ψ, given cross = E[φ ψᵀ] (C, D) and a rotation A (C, D).

    power, partner_power: E‖φ‖² and E‖ψ‖². At most 1, and 1 only for ψ = c φ A. With a rotation
    fitted on the same moments this is tr S / √(E‖φ‖² E‖ψ‖²), the sum of singular values, which the
    tutorial of Guth et al. (2024) reports; its square is the variance explained by the best scaled
    rotation. NaN if one of the powers is 0.
    """
    if power <= 0 or partner_power <= 0:
        return float("nan")
    return float((cross * rotation).sum() / np.sqrt(power * partner_power))


def lift(rotation: Array, vectors: Array) -> Array:
    """Rotate the input channels of patches: vectors (C·positions, R) -> (D·positions, R).

    Channels vary slowest, as in flattened kernels; rotation is (C, D).
    """
    patches = vectors.reshape(len(rotation), -1)  # (C, positions · R)
    return (rotation.T @ patches).reshape(-1, vectors.shape[1])


def chance_cosine(dimension: int, *, comparisons: int, level: float = 0.95) -> float:
    """|cosine| that the largest of several comparisons with random directions stays below.

    In d dimensions the squared cosine of a random direction with a fixed one has the distribution
    Beta(1/2, (d - 1)/2), exactly; the largest of independent ones has a power of it. level: the
    probability of staying below.
    """
    quantile = level ** (1 / comparisons)
    return float(np.sqrt(special.betaincinv(0.5, (dimension - 1) / 2, quantile)))


def subspace_overlap(cosines: Array) -> Array:
    """‖V₁ᵀ V₂‖²_F / k for the spans of the first k vectors, for every k that both have, from all
    cosines (R, S).

    1 if the spans agree, k/d on average for random spans in d dimensions.
    """
    blocks = (cosines**2).cumsum(0).cumsum(1)
    overlaps = np.diagonal(blocks)
    return overlaps / np.arange(1, len(overlaps) + 1)
