"""Other measures of how alike two representations are, from covariances or from activations.

Representational similarity analysis needs no function of its own. The correlation of the centred
matrices of inner products of images (n, n) is that of the plain `cka`, of a single fold, and so is
the cosine of matrices of squared distances once that is whitened, the "whitened unbiased cosine"
of Diedrichsen et al. (2021). For n images both are ‖C‖² / (‖C_φ‖ ‖C_ψ‖) of covariances.
"""

import numpy as np
from numpy.typing import NDArray

from latentdims import decompositions

Array = NDArray[np.float64]

BLOCK = 512  # rows whose cosines with all others are in memory at once


def cka(crosses: Array, partner: Array, own: Array) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019), debiased, from 0 (on average) to 1.

    crosses (F, C, D), partner (F, C, C), own (F, D, D): covariances over the images of each fold
    about its own mean. Squared norms are those of products of different folds, whose errors are
    independent, so that unrelated representations have 0 on average; a single fold is as biased as
    the plain measure. Folds are of other images, not of other responses to the same ones. NaN where
    a representation is constant.
    """
    powers = squared_norm(partner), squared_norm(own)
    return cka_of_norms(squared_norm(crosses), *powers)


def cka_of_norms(shared: float, partner: float, own: float) -> float:
    """The same of the squared norms."""
    if partner <= 0 or own <= 0:
        return float("nan")
    return float(shared / np.sqrt(partner * own))


def cka_folds(crosses: Array, partner: Array, own: Array) -> Array:
    """The share (F,) of each fold in `cka`, whose terms are products with the mean of the others;
    on average it is about the whole."""
    shared, theirs, ours = (by_fold(each) for each in (crosses, partner, own))
    return np.array([cka_of_norms(*each) for each in zip(shared, theirs, ours, strict=True)])


def squared_norm(covariances: Array) -> float:
    """‖C‖²_F without bias, from the covariances (F, C, D) of folds."""
    return float(by_fold(covariances).mean())


def by_fold(covariances: Array) -> Array:
    """The product (F,) of each covariance with the mean of those of the other folds."""
    flat = covariances.reshape(len(covariances), -1)
    inner = flat @ flat.T
    if len(flat) == 1:
        return inner[0]
    return (inner.sum(1) - np.diagonal(inner)) / (len(flat) - 1)


def cca(cross: Array, partner: Array, own: Array, *, regularisation: float) -> float:
    """Mean squared canonical correlation (R²_CCA of Kornblith et al. 2019), from 0 to 1.

    cross (C, D), partner (C, C), own (D, D): covariances. regularisation: a ridge, relative to the
    mean variance of a channel. In sample, unrelated representations have more than 0, the more
    channels there are for the images. NaN where a representation is constant.
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
    """The share of a null (P,) that is as high as a number, one added to both counts, so that it is
    valid however few there are (Phipson and Smyth 2010); never below 1 / (1 + P). NaN where one of
    them is.
    """
    if not (np.isfinite(observed) and np.isfinite(null).all()):
        return float("nan")
    return float((1 + (null >= observed).sum()) / (1 + len(null)))


def mutual_neighbours(partner: Array, own: Array, *, neighbours: int = 10) -> Array:
    """Share (n,) of the nearest neighbours of each image that are the same in both representations
    (Huh et al. 2024), k / (n - 1) on average of unrelated ones.

    partner (n, C), own (n, D): rows of the same images, as in `nearest`.
    """
    first, second = (nearest(each, neighbours) for each in (partner, own))
    return np.array([np.isin(*each).mean() for each in zip(first, second, strict=True)])


def nearest(rows: NDArray[np.floating], neighbours: int) -> NDArray[np.intp]:
    """(n, k): indices of the rows of the highest cosine with each, but for itself, in no order.

    rows: (n, C). A mean that all share matters: centre them first where it should not. Raises
    ValueError for fewer than `neighbours` other rows, and for rows that are zero.
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
