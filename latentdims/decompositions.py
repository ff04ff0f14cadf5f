"""Decompositions of matrices in float64, by numpy or, if it is faster, on the GPU of the job.

Results of a GPU are checked, and computed again by numpy if they are less exact.
"""

import logging
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentdims.device import has_fast_doubles

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]

logger = logging.getLogger(__name__)

LEAST = 128  # channels, below which numpy is as fast
EPSILON = float(np.finfo(np.float64).eps)
STEPS = 112  # at most: a factor of 1.5 for each, from rounding of the largest singular value to 1
CHECKED = 8  # after so many steps each

_device = "cpu"


def use(device: str) -> None:
    """Let a device decompose large matrices, for the rest of the process."""
    global _device  # as torch has its own settings for a process
    _device = device


def suits(matrix: "Array | Tensor") -> bool:
    """Whether the GPU of the job is faster than numpy with a matrix (..., C, D)."""
    return min(matrix.shape[-2:]) >= LEAST and has_fast_doubles(_device)


def eigh(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues (d,) in ascending order, and eigenvectors (d, d) in columns."""
    if suits(symmetric):
        import torch

        given = torch.from_numpy(np.ascontiguousarray(symmetric)).to(_device)
        values, vectors = torch.linalg.eigh(given)
        off = (given @ vectors - vectors * values).norm() / given.norm()
        if bool(off <= _rounding(vectors)) and _is_orthogonal(vectors):
            return values.cpu().numpy(), vectors.cpu().numpy()
        logger.info("eigenvectors of %d channels: by numpy, more exactly", len(symmetric))
    values, vectors = np.linalg.eigh(symmetric)
    return values, vectors


def rotation(cross: Array) -> Array:
    """U Vᵀ (C, D) of the thin singular value decomposition of a matrix (C, D) that is not zero."""
    if suits(cross):
        import torch

        found = polar(torch.from_numpy(np.ascontiguousarray(cross)).to(_device))
        if found is not None:
            return found.cpu().numpy()
    left, _, right = np.linalg.svd(cross, full_matrices=False)
    return left @ right


def polar(matrices: "Tensor") -> "Tensor | None":
    """U Vᵀ of each of several matrices (..., C, D), in float64 by products only.

    The iteration of Newton and Schulz (Higham 2008, section 8.3): X ← X (3 - XᵀX) / 2 moves every
    singular value to 1. Directions of singular values s, s' have errors of about 1e-15 max / (s +
    s') times the number of steps, and are arbitrary if both are zero, as in any decomposition. None
    if it has not converged, or if AᵀX is not symmetric and so no polar decomposition.
    """
    import torch

    wide = matrices.shape[-2] < matrices.shape[-1]
    given = (matrices.mT if wide else matrices).double()
    size = (given.mT @ given).norm(dim=(-2, -1), keepdim=True).sqrt()  # at least the largest value
    x = given / size.clamp(min=torch.finfo(torch.float64).tiny)
    # Zeros would stay what they are: channels that are dead need some direction.
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(x.shape[-2:], generator=generator, dtype=torch.float64)
    x = x + 8 * EPSILON / x.shape[-2] ** 0.5 * noise.to(x)
    add = partial(torch.baddbmm if x.ndim == 3 else torch.addmm, beta=1.5, alpha=-0.5)
    for step in range(1, STEPS + 1):
        x = add(x, x, x.mT @ x)
        if step % CHECKED == 0 and _is_orthogonal(x):
            turned = x.mT @ given
            skew = (turned - turned.mT).norm(dim=(-2, -1)) / turned.norm(dim=(-2, -1))
            if bool((skew > _rounding(x) * STEPS).any()):
                break
            return x.mT if wide else x
    logger.info("rotations of %s: by a decomposition", " x ".join(map(str, matrices.shape)))
    return None


def _is_orthogonal(x: "Tensor") -> bool:
    import torch

    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    return bool(((x.mT @ x - identity).norm(dim=(-2, -1)) <= _rounding(x)).all())


def _rounding(x: "Tensor") -> float:
    """Of products of two such matrices, in the norm of Frobenius: d² sums of n numbers of 1/√n, of
    which each errs by eps / √n, and 8 for their order."""
    return 8 * x.shape[-1] * EPSILON
