"""Gaussian weights: rows with the covariance of given weights, or with a white covariance."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def covariance_factor(weight: NDArray) -> Array:
    """F (R, ...) with FᵀF = WᵀW / n, the covariance of the n rows of weights W (n, ...).

    F = S Vᵀ / √n from the thin singular value decomposition W = U S Vᵀ: its rows are the principal
    components, the largest first, scaled by their standard deviations.
    """
    matrix = np.asarray(weight, dtype=np.float64).reshape(len(weight), -1)
    _, singular, transposed = np.linalg.svd(matrix, full_matrices=False)
    factor = (singular / np.sqrt(len(matrix)))[:, None] * transposed
    return factor.reshape(len(factor), *weight.shape[1:])


def sample_rows(
    factor: Array, *, neurons: int, generator: np.random.Generator, rank: int | None = None
) -> Array:
    """Gaussian rows (neurons, ...) with covariance FᵀF: G F for G white of shape (neurons, R).

    factor: F (R, ...), principal components. rank: number of leading components to use; others are
    left out without changing the draw of these. (Guth et al. 2024, section 3; their code leaves out
    the 1/√n of F, which scales every layer up.)
    """
    white = generator.standard_normal((neurons, len(factor)))[:, :rank]
    return np.tensordot(white, factor[:rank], axes=1)


def white_rows(factor: Array, *, neurons: int, generator: np.random.Generator) -> Array:
    """Gaussian rows (neurons, ...) with covariance σ² 1 over all d inputs, of trace d σ² = ‖F‖².

    factor: F (R, ...), whose covariance FᵀF has the same trace.
    """
    deviation = np.sqrt((factor**2).sum() / factor[0].size)
    return deviation * generator.standard_normal((neurons, *factor.shape[1:]))
