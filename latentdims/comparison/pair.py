"""A pair of networks at one epoch: their rotation and their similarity, site by site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentdims.comparison import measures
from latentdims.comparison.measured import CENTRINGS, Measured, Weights, centre
from latentdims.comparison.procrustes import lift, rotation, similarity, subspace_overlap
from latentdims.storage import SPLITS

Array = NDArray[np.float64]

Folds = Mapping[str, tuple[Array, Array]]  # by split: covariances (F, C, C) and (F, D, D)

REGULARISATION = 1e-3  # of `cca`


@dataclass(frozen=True)
class Options:
    """centrings: of moments. vectors: number of leading eigenvectors in the matrices of overlaps.
    neighbours: number of nearest neighbours of each test image, or None."""

    centrings: Sequence[str]
    vectors: int
    neighbours: int | None = None


def fit(
    partner: Measured,
    own: Measured,
    crosses: Mapping[str, Array],
    *,
    centrings: Sequence[str] = CENTRINGS,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Rotations fitted on training images, by centring, and their scores (centrings,) by split and
    fold.

    crosses: the cross-covariance (C, D) by split and by fold of the test images.
    """

    def cross(part: str, centring: str) -> Array:
        return centre(crosses[part], partner.means(part), own.means(part), centring)

    rotations = {centring: rotation(cross("train", centring)) for centring in centrings}
    scores = {
        part: np.array(
            [
                similarity(
                    cross(part, centring),
                    rotations[centring],
                    power=partner.power(part, centring),
                    partner_power=own.power(part, centring),
                )
                for centring in centrings
            ]
        )
        for part in crosses
    }
    return rotations, scores


def compare(
    partner: Measured, own: Measured, crosses: Mapping[str, Array], *, options: Options
) -> dict[str, Array]:
    """All results for one site that come from covariances of the same images.

    crosses: the cross-covariance (C, D) by split and by fold of the test images. Values that a dead
    layer leaves undefined are NaN.
    """
    rotations, scores = fit(partner, own, crosses, centrings=options.centrings)
    theirs, ours = (each.eigen("uncentred")[1] for each in (partner, own))
    activation = np.abs(theirs.T @ rotations["uncentred"] @ ours)
    if silent(partner, own):
        activation[:] = np.nan
    turns = {name_of_rotation(centring): turn for centring, turn in rotations.items()}
    return turns | {
        "similarity": np.array([scores[split] for split in SPLITS]),
        "similarity_folds": np.array([scores[fold] for fold in own.folds]),
        "activation_overlap": activation[: options.vectors, : options.vectors],
        "activation_subspace": subspace_overlap(activation),
    }


def compare_weights(
    partner: Weights, own: Weights, *, below: Array | None, vectors: int
) -> dict[str, Array]:
    """Overlaps of the eigenvectors of weights.

    below: rotation of the site that they read; NaN if it is undefined, None for images, which both
    networks share. vectors: number of leading ones in the matrix of overlaps.
    """
    theirs, ours = partner.components[1], own.components[1]
    if below is not None:
        theirs = lift(below, theirs)
    cosines = np.abs(theirs.T @ ours)
    if weightless(partner, own):
        cosines[:] = np.nan
    return {
        "weight_overlap": cosines[:vectors, :vectors],
        "weight_subspace": subspace_overlap(cosines),
    }


def along_training(stages: Sequence[Weights]) -> dict[str, Array]:
    """How weights approach those of the last epoch: their variance along each of the R eigenvectors
    of the last weight covariance, and the overlap of the eigenvectors of each epoch with the last
    ones. Nothing is aligned, since all epochs of one network have the same coordinates.

    Returns `weight_variance` vᵀ WᵀW v / n, `weight_cosine` and `weight_span`, each (E, R).
    """
    vectors = stages[-1].components[1]  # (d, R)
    found = []
    for stage in stages:
        matrix = np.asarray(stage.values, dtype=np.float64).reshape(len(stage.values), -1)
        cosines = np.abs(stage.components[1].T @ vectors)
        if weightless(stage, stages[-1]):
            cosines[:] = np.nan
        found.append(
            {
                "weight_variance": ((matrix @ vectors) ** 2).mean(0),
                "weight_cosine": np.diagonal(cosines),
                "weight_span": subspace_overlap(cosines),
            }
        )
    return {name: np.stack([each[name] for each in found]) for name in found[0]}


def name_of_rotation(centring: str) -> str:
    """Its name in the file; the uncentred rotation is the published one."""
    return "rotation" if centring == "uncentred" else f"rotation_{centring}"


def silent(partner: Measured, own: Measured) -> bool:
    """Whether the eigenvectors of either are arbitrary, because it is zero on training images."""
    return any(each.undefined("train", "uncentred") for each in (partner, own))


def weightless(partner: Weights, own: Weights) -> bool:
    """Whether all weights of either are zero."""
    return not (partner.values.any() and own.values.any())


def kernels(
    partner: Measured,
    own: Measured,
    crosses: Mapping[str, Array],
    same: Mapping[str, Array],
    folds: Folds,
) -> dict[str, Array]:
    """Other measures, centred, by split, and the contribution of each fold of the test images.

    crosses: as in `fit`. same: cross-covariances of the folds of each split, (F, C, D). folds:
    covariances of the partner (F, C, C) and of the network (F, D, D), by split.
    """
    found = {name: np.full(len(SPLITS), np.nan) for name in ("cka", "cca")}
    found |= {f"{name}_folds": np.full(len(same["test"]), np.nan) for name in found}
    for number, split in enumerate(SPLITS):
        moments = [each.moment(split, "centred") for each in (partner, own)]
        if not all(moment.any() for moment in moments):
            continue
        whitened = [measures.whitening(moment, REGULARISATION) for moment in moments]
        whole = whitened[0] @ crosses[split] @ whitened[1]
        found["cka"][number] = measures.cka(same[split], *folds[split])
        found["cca"][number] = (whole**2).sum() / min(whole.shape)
        if split == "test":
            found["cka_folds"] = measures.cka_folds(same[split], *folds[split])
            turned = whitened[0] @ same[split] @ whitened[1]
            found["cca_folds"] = (turned * whole).sum((1, 2)) / min(whole.shape)
    return found
