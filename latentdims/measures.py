"""Other measures of how alike two representations are, from their covariances."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cka(crosses: Array, partner: Array, own: Array) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019), debiased, from 0 (on average) to 1.

    crosses (F, C, D), partner (F, C, C), own (F, D, D): covariances over the images of each fold
    about its own mean. Squared norms are those of products of different folds, whose errors are
    independent, so that unrelated representations have 0 on average; a single fold is as biased as
    the plain measure. It is the correlation of the centred matrices of inner products of images:
    representational similarity analysis with that kernel. NaN where a representation is constant.
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
    values, vectors = np.linalg.eigh(covariance)
    ridge = regularisation * np.trace(covariance) / len(covariance)
    return (vectors / np.sqrt(values.clip(min=0) + ridge)) @ vectors.T
