"""Other measures of how alike two representations are, from covariances or from activations.

Representational similarity analysis needs no function of its own. The correlation of the centred
matrices of inner products of images (n, n) equals the plain `cka` of a single fold. So does the
cosine of whitened matrices of squared distances, the "whitened unbiased cosine" of Diedrichsen et
al. (2021). For n images both are ‖C‖² / (‖C_φ‖ ‖C_ψ‖) of covariances.
"""

import numpy as np
from numpy.typing import NDArray

from latentdims import decompositions

Array = NDArray[np.float64]

BLOCK = 512  # rows whose cosines with all others are in memory at once


def cka(crosses: Array, partner: Array, own: Array) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019), debiased, from 0 (on average) to 1.

    crosses (F, C, D), partner (F, C, C), own (F, D, D): covariances over the images of each fold
    about its own mean. Squared norms are products of different folds, whose errors are independent,
    so unrelated representations have 0 on average. A single fold has the bias of the plain measure.
    Folds must hold different images, not different responses to the same images. NaN if a
    representation is constant.
    """
    powers = squared_norm(partner), squared_norm(own)
    return cka_of_norms(squared_norm(crosses), *powers)


def cka_of_norms(shared: float, partner: float, own: float) -> float:
    """CKA from the squared norms."""
    if partner <= 0 or own <= 0:
        return float("nan")
    return float(shared / np.sqrt(partner * own))


def cka_folds(crosses: Array, partner: Array, own: Array) -> Array:
    """The contribution (F,) of each fold to `cka`: products with the mean of the other folds, which
    average to about the whole."""
    shared, theirs, ours = (by_fold(each) for each in (crosses, partner, own))
    return np.array([cka_of_norms(*each) for each in zip(shared, theirs, ours, strict=True)])


def squared_norm(covariances: Array) -> float:
    """‖C‖²_F without bias, from the covariances (F, C, D) of folds."""
    return float(by_fold(covariances).mean())


def by_fold(covariances: Array) -> Array:
    """The product (F,) of each covariance with the mean of the covariances of the other folds."""
    flat = covariances.reshape(len(covariances), -1)
    inner = flat @ flat.T
    if len(flat) == 1:
        return inner[0]
    return (inner.sum(1) - np.diagonal(inner)) / (len(flat) - 1)


def cca(cross: Array, partner: Array, own: Array, *, regularisation: float) -> float:
    """Mean squared canonical correlation (R²_CCA of Kornblith et al. 2019), from 0 to 1.

    cross (C, D), partner (C, C), own (D, D): covariances. regularisation: a ridge, relative to the
    mean variance of a channel. In sample, unrelated representations are above 0, more so with more
    channels and fewer images. NaN if a representation is constant.
    """
    if not (partner.any() and own.any()):
        return float("nan")
    whitened = whitening(partner, regularisation) @ cross @ whitening(own, regularisation)
    return float((whitened**2).sum() / min(cross.shape))


def whitening(covariance: Array, regularisation: float) -> Array:
    """(C, C): (Σ + ridge)^-1/2, with a ridge relative to the mean variance of a channel."""
    values, vectors = decompositions.eigh(covariance)
    ridge = regularisation * np.trace(covariance) / len(covariance)
    return (vectors / np.sqrt(values.clip(min=0) + ridge)) @ vectors.T


def permutation_p(observed: float, null: Array) -> float:
    """The share of a null (P,) that is at least as high as a number, with one added to both counts,
    which makes it valid for any P (Phipson and Smyth 2010). At least 1 / (1 + P). NaN if any input
    is."""
    if not (np.isfinite(observed) and np.isfinite(null).all()):
        return float("nan")
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


def mutual_neighbours(partner: Array, own: Array, *, neighbours: int = 10) -> Array:
    """The share (n,) of the nearest neighbours of each image that are the same in both
    representations (Huh et al. 2024); k / (n - 1) on average for unrelated ones.

    partner (n, C), own (n, D): rows of the same images, as for `nearest`.
    """
    first, second = (nearest(each, neighbours) for each in (partner, own))
    return np.array([np.isin(*each).mean() for each in zip(first, second, strict=True)])


def nearest(rows: NDArray[np.floating], neighbours: int) -> NDArray[np.intp]:
    """(n, k): for each row, indices of the other rows with the highest cosine, in no order.

    rows: (n, C). A common mean affects the result; subtract it first if it should not. Raises
    ValueError for fewer than `neighbours` other rows, and for zero rows.
    """
    if len(rows) <= neighbours:
        raise ValueError(f"{len(rows)} images have no {neighbours} neighbours; give fewer")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"row {norms.argmin()} is zero, and has no direction; leave it out")
    directions = rows / norms
    found = []
    for start in range(0, len(rows), BLOCK):
        cosines = directions[start : start + BLOCK] @ directions.T
        itself = np.arange(len(cosines))
        cosines[itself, start + itself] = -np.inf
        found.append(np.argpartition(-cosines, neighbours - 1, axis=1)[:, :neighbours])
    return np.concatenate(found)
