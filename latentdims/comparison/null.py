"""The null of a comparison: the same numbers for two networks that see unrelated images."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims import decompositions
from latentdims.comparison import measures
from latentdims.comparison.measured import Measured, Weights, centre
from latentdims.comparison.pair import REGULARISATION, Folds, Options, silent, weightless
from latentdims.comparison.procrustes import chance_cosine, subspace_overlap
from latentdims.comparison.unrelated import Paired
from latentdims.storage import SPLITS

Array = NDArray[np.float64]

QUANTILE = 0.95  # of single overlaps, over pairings


def compare(
    partner: Measured,
    own: Measured,
    paired: Mapping[str, Paired],
    folds: Folds,
    *,
    options: Options,
) -> tuple[dict[str, Array], Tensor]:
    """Results for one site by pairing, and the uncentred rotations (P, C, D) of the pairings, NaN
    if they are undefined.

    paired: cross-covariances by split; the first is of the same images. folds: as in
    `pair.kernels`. The others as in `pair.compare`. Rotations are in float32: they are accurate to
    1e-6, and pairings differ by far more.
    """
    crosses = {split: each.covariance[1:] for split, each in paired.items()}
    scores = np.empty((len(crosses["train"]), len(SPLITS), len(options.centrings)))
    turns: dict[str, Tensor] = {}
    for place, centring in enumerate(options.centrings):
        found, turns[centring] = similarities(partner, own, crosses, centring)
        scores[:, :, place] = np.stack([found[split] for split in SPLITS], axis=1)
    turn = turns["uncentred"]
    if silent(partner, own):
        turn = torch.full_like(turn, torch.nan)
    results = {"similarity_null": scores} | _kernels(partner, own, paired, folds)
    theirs, ours = (_tensor(each.eigen("uncentred")[1], turn) for each in (partner, own))
    results |= _overlaps("activation", theirs.T @ turn, ours, vectors=options.vectors)
    return results, turn


def similarities(
    partner: Measured, own: Measured, crosses: Mapping[str, Tensor], centring: str
) -> tuple[dict[str, Array], Tensor]:
    """Of each pairing (P,) by split, NaN where it is undefined; and the rotations (P, C, D), fitted
    on training images.

    crosses: cross-covariances (P, C, D) of unrelated images by split, `train` among them.
    """
    moments = {
        split: cross + _offset(partner, own, split, centring).to(cross)
        for split, cross in crosses.items()
    }
    turns = _rotations(moments["train"])
    found = {}
    for split, moment in moments.items():
        powers = partner.power(split, centring) * own.power(split, centring)
        found[split] = np.full(len(moment), np.nan)
        if powers > 0:
            shared = (moment * turns).sum((1, 2)).cpu().numpy()
            found[split][:] = shared / np.sqrt(powers)
    return found, turns


def _rotations(crosses: Tensor) -> Tensor:
    """`procrustes.rotation` of each of (P, C, D)."""
    if decompositions.suits(crosses) and bool(crosses.flatten(1).any(1).all()):
        found = decompositions.polar(crosses)
        if found is not None:
            return found.to(crosses)
    left, _, right = torch.linalg.svd(crosses, full_matrices=False)
    return left @ right


def compare_weights(
    partner: Weights, own: Weights, *, below: Tensor | int, vectors: int
) -> dict[str, Array]:
    """Overlaps of the eigenvectors of weights by pairing.

    below: rotations (P, C, D) of the site that they read; for images, which need no rotation, the
    number of pairings. The others as in `pair.compare_weights`.
    """
    theirs, ours = (torch.from_numpy(np.ascontiguousarray(x.components[1])) for x in (partner, own))
    if weightless(partner, own):
        theirs = theirs * torch.nan
    if isinstance(below, int):
        return _by_chance(theirs.shape, ours.shape, below, vectors)
    theirs, ours = (each.to(below) for each in (theirs, ours))
    return _overlaps("weight", _lifted(below, theirs), ours, vectors=vectors)


def _offset(partner: Measured, own: Measured, split: str, centring: str) -> Tensor:
    """(C, D): what a centring adds to a covariance."""
    means = partner.means(split), own.means(split)
    zero = np.zeros((len(means[0].mean), len(means[1].mean)))
    return torch.from_numpy(centre(zero, *means, centring))


def _tensor(values: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like)


def _lifted(below: Tensor, vectors: Tensor) -> Tensor:
    """(P, R, D·positions): vectors (C·positions, R) as `procrustes.lift` by each of (P, C, D)."""
    patches = vectors.T.reshape(vectors.shape[1], below.shape[1], -1)  # (R, C, positions)
    return torch.einsum("rcx,pcd->prdx", patches, below).flatten(2)


def _overlaps(kind: str, theirs: Tensor, ours: Tensor, *, vectors: int) -> dict[str, Array]:
    """theirs: (P, R, d), aligned; ours: (d, R).

    Spans of all vectors agree by construction. Their mean squared cosine has twice the relative
    error of a cosine. Each of three factors (two products, and the decomposition behind the
    rotation) is a sum of d products in float32, with an error of about √d eps if errors are
    independent.
    """
    rounding = 6 * len(ours) ** 0.5 * float(np.finfo(np.float32).eps)  # 2e-5 for d = 512
    spans, leading = [], []
    for rows in theirs:
        cosines = (rows @ ours).abs().double().cpu().numpy()
        span = subspace_overlap(cosines)
        spans.append(np.where(np.abs(span - 1) <= rounding, 1, span))
        leading.append(cosines[:vectors, :vectors])
    return {
        f"{kind}_subspace_null": np.array(spans),
        f"{kind}_overlap_null": np.quantile(leading, QUANTILE, axis=0),
    }


def _by_chance(
    theirs: torch.Size, ours: torch.Size, pairings: int, vectors: int
) -> dict[str, Array]:
    """Overlaps of random directions, for weights that read images, where no rotation is fitted."""
    dimension, number = theirs[0], min(theirs[1], ours[1])
    chance = np.arange(1, number + 1) / dimension
    cosine = chance_cosine(dimension, comparisons=1, level=QUANTILE)
    shape = min(theirs[1], vectors), min(ours[1], vectors)
    return {
        "weight_subspace_null": np.tile(chance, (pairings, 1)),
        "weight_overlap_null": np.full(shape, cosine),
    }


def _kernels(
    partner: Measured,
    own: Measured,
    paired: Mapping[str, Paired],
    folds: Folds,
) -> dict[str, Array]:
    pairings = len(paired["train"].covariance) - 1
    found = {name: np.full((pairings, len(SPLITS)), np.nan) for name in ("cka_null", "cca_null")}
    for number, split in enumerate(SPLITS):
        moments = [each.moment(split, "centred") for each in (partner, own)]
        if not all(moment.any() for moment in moments):
            continue
        powers = [measures.squared_norm(each) for each in folds[split]]
        shared = paired[split].squared_norm[1:].tolist()
        found["cka_null"][:, number] = [measures.cka_of_norms(each, *powers) for each in shared]
        cross = paired[split].covariance[1:]
        left, right = (_tensor(measures.whitening(x, REGULARISATION), cross) for x in moments)
        squares = torch.linalg.vector_norm(left @ cross @ right, dim=(1, 2)).cpu().numpy() ** 2
        found["cca_null"][:, number] = squares / min(cross.shape[1:])
    return found
