"""Alignment of pairs of networks: their rotations, and how much of each layer they share."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.errors import InputError
from latentdims.layer import Layer
from latentdims.measured import (
    CENTRINGS,
    Measured,
    Measurements,
    centre,
    undefined,
    weightless,
)
from latentdims.procrustes import lift, rotation, similarity, subspace_overlap
from latentdims.spectra import held_out, identified, resolved
from latentdims.storage import SPLITS, STAGES

Array = NDArray[np.float64]


def fit(
    partner: Measured, own: Measured, crosses: Mapping[str, Array]
) -> tuple[dict[str, Array], Array]:
    """Rotations fitted on training images, by centring, and their scores (splits, centrings).

    crosses: the cross-covariance by split, (C, D).
    """

    def cross(split: str, centring: str) -> Array:
        return centre(crosses[split], partner.mean[split], own.mean[split], centring)

    rotations = {centring: rotation(cross("train", centring)) for centring in CENTRINGS}
    scores = [
        [
            similarity(
                cross(split, centring),
                rotations[centring],
                power=np.trace(partner.moment(split, centring)),
                partner_power=np.trace(own.moment(split, centring)),
            )
            for centring in CENTRINGS
        ]
        for split in SPLITS
    ]
    return rotations, np.array(scores)


def compare(
    partner: Measured,
    own: Measured,
    crosses: Mapping[str, Array],
    shuffled: Mapping[str, Array],
    *,
    below: Array | None,
    vectors: int,
) -> dict[str, Array]:
    """All results for one layer of a pair of networks.

    crosses, shuffled: the cross-covariance by split, (C, D), of the same images and of unrelated
    ones. below: rotation of the layer before, NaN where that is undefined, None for the first
    layer, which sees the same images in both networks. vectors: how many leading eigenvectors are
    kept in the matrices of overlaps. What the zero of a dead layer leaves undefined is NaN.
    """
    rotations, scores = fit(partner, own, crosses)
    theirs, ours = (each.eigen("uncentred")[1] for each in (partner, own))
    activation = np.abs(theirs.T @ rotations["uncentred"] @ ours)
    if any(each.undefined("train", "uncentred") for each in (partner, own)):
        activation[:] = np.nan
    partner_vectors = partner.weight_components[1]
    if below is not None:
        partner_vectors = lift(below, partner_vectors)
    weight = np.abs(partner_vectors.T @ own.weight_components[1])
    if not (partner.weight.any() and own.weight.any()):
        weight[:] = np.nan
    return {
        "rotation": rotations["uncentred"],
        "rotation_centred": rotations["centred"],
        "similarity": scores,
        "similarity_shuffled": fit(partner, own, shuffled)[1],
        "activation_overlap": activation[:vectors, :vectors],
        "activation_subspace": subspace_overlap(activation),
        "weight_overlap": weight[:vectors, :vectors],
        "weight_subspace": subspace_overlap(weight),
    }


def align(
    *,
    covariance: str | Path,
    partners: Mapping[int, str | Path],
    output: str | Path,
    vectors: int,
    settings: Mapping[str, Any],
) -> None:
    """Write the spectra of a network, and its alignment with each partner, layer by layer.

    covariance, partners: covariance files, those of the partners by their seed; they have the
    settings of the network but for their seeds. Raises InputError for a file that is not what it
    should be, and for a partner that has other layers, or saw other images or another order.
    """
    with (
        Measurements.open(covariance, settings) as own,
        storage.create(output, settings=settings) as file,
    ):
        stages = {layer.name: own.stages(layer) for layer in own.layers}
        for layer in own.layers:
            group = file.create_group(f"spectra/{layer.name}")
            _save_spectra(group, stages[layer.name], layer, images=own.images(layer))
        for seed, path in partners.items():
            with Measurements.open(path, {**settings, "seed": seed}) as partner:
                own.check_comparable(partner)
                for layer, found, reasons in _compare_layers(partner, own, stages, vectors=vectors):
                    _save_pair(file.create_group(f"seed{seed}/{layer.name}"), found, reasons)


def _compare_layers(
    partner: Measurements,
    own: Measurements,
    own_stages: Mapping[str, Sequence[Measured]],
    *,
    vectors: int,
) -> Iterator[tuple[Layer, dict[str, Array], dict[str, str]]]:
    """Each layer with its results, stages stacked along the first axis, and why some of it
    is undefined.

    own_stages: what was measured of each layer, which keeps its eigenvectors for the next partner.
    """
    below: Sequence[Array | None] = [None] * len(STAGES)
    unaligned: list[str] = []  # why rotations of the layer below are undefined
    for layer in own.layers:
        both = {partner.seed: partner.stages(layer), own.seed: own_stages[layer.name]}
        stages = [
            compare(
                theirs,
                ours,
                own.cross(layer, partner.seed, stage),
                own.cross(layer, partner.seed, stage, shuffled=True),
                below=rotation_below,
                vectors=vectors,
            )
            for stage, (theirs, ours, rotation_below) in enumerate(
                zip(*both.values(), below, strict=True)
            )
        ]
        found = {name: np.stack([stage[name] for stage in stages]) for name in stages[0]}
        silent = undefined(layer, both, splits=["train"], centrings=["uncentred"])
        reasons = {
            "similarity": undefined(layer, both),
            "activation": silent,
            "weight": unaligned + weightless(layer, both),
        }
        yield layer, found, {kind: "; ".join(each) for kind, each in reasons.items()}
        unaligned = silent
        below = [
            np.full_like(turn, np.nan) if np.isnan(overlap).any() else turn
            for turn, overlap in zip(found["rotation"], found["activation_subspace"], strict=True)
        ]


def pairs(
    paths: Sequence[str | Path], *, score: str = "similarity"
) -> dict[str, dict[tuple[int, int], Array]]:
    """Similarities (stages, splits, centrings) by layer and pair of seeds.

    paths: the alignment files of seeds 0, 1, and so on. score: `similarity`, or its null
    `similarity_shuffled`. Raises InputError for a single file, which holds no pair.
    """
    if len(paths) < 2:
        raise InputError(f"{paths[0]}: a single network has no pairs; give seeds: 2 or more")
    scores: dict[str, dict[tuple[int, int], Array]] = {}
    for seed, path in enumerate(paths):
        with storage.read(path, needs=["spectra"]) as file:
            for partner in range(seed):
                for layer in storage.layers(file.get(f"seed{partner}", {})):
                    found = file[f"seed{partner}/{layer}/{score}"][()]
                    scores.setdefault(layer, {})[partner, seed] = found
    return scores


DATASETS = {  # name: (units, description, axes after that of the stages)
    "rotation": (
        "1",
        "rotation A from the second moments of training images: φ A is near ψ for rows φ of the "
        "partner and ψ of this network; the identity where one of them is zero",
        ("channel of the partner", "channel"),
    ),
    "rotation_centred": (
        "1",
        "the same from centred moments",
        ("channel of the partner", "channel"),
    ),
    "similarity": (
        "1",
        "cosine after the rotation that was fitted on training images; splits are train and test, "
        "centrings are uncentred and centred",
        ("split", "centring"),
    ),
    "similarity_shuffled": (
        "1",
        "the same where the networks see unrelated images: the null",
        ("split", "centring"),
    ),
    "activation_overlap": (
        "1",
        "|cosine| of aligned eigenvectors of the second moments",
        ("eigenvector of the partner", "eigenvector"),
    ),
    "activation_subspace": ("1", "overlap of the spans of the first k of them", ("k",)),
    "weight_overlap": (
        "1",
        "|cosine| of aligned eigenvectors of the weight covariances",
        ("eigenvector of the partner", "eigenvector"),
    ),
    "weight_subspace": ("1", "overlap of the spans of the first k of them", ("k",)),
}


def _save_pair(group: h5py.Group, found: Mapping[str, Array], reasons: Mapping[str, str]) -> None:
    """reasons: why values are undefined, by the first word of their names."""
    for name, values in found.items():
        units, description, axes = DATASETS[name]
        storage.write(
            group,
            name,
            values,
            units=units,
            description=description,
            dimensions=("stage", *axes),
            reason=reasons.get(name.split("_")[0], ""),
        )


def _save_spectra(
    group: h5py.Group, stages: Sequence[Measured], layer: Layer, *, images: int
) -> None:
    group.attrs["fan_in"] = layer.fan_in
    group.attrs["neurons"] = layer.channels
    for name, centring in (("second_moment", "uncentred"), ("covariance", "centred")):
        found = [stage.eigen(centring) for stage in stages]
        fresh = [
            held_out(vectors, stage.moment("test", centring))
            for (_, vectors), stage in zip(found, stages, strict=True)
        ]
        storage.write(
            group,
            f"{name}_held_out",
            np.stack([resolved(variances) for variances in fresh]),
            units="activation^2",
            description="the same, of test images along the eigenvectors of training images",
            dimensions=("stage", "rank"),
        )
        values = np.stack([resolved(values) for values, _ in found])
        storage.write(
            group,
            f"{name}_identified",
            np.stack([identified(stage, samples=images) for stage in values]),
            units="1",
            description="whether the eigenvalue is separated from its neighbours",
            dimensions=("stage", "rank"),
        )
        storage.write(
            group,
            name,
            values,
            units="activation^2",
            description=f"eigenvalues, descending, of the {name} on training images; "
            "zero where float32 does not resolve them",
            dimensions=("stage", "rank"),
        )
    storage.write(
        group,
        "weight",
        np.stack([stage.weight_components[0] for stage in stages]),
        units="1",
        description="non-zero eigenvalues, descending, of WᵀW / n over the n neurons",
        dimensions=("stage", "rank"),
    )
