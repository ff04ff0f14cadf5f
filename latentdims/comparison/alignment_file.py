"""The file of an alignment: what is written about one network and its pairs."""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.comparison.measured import Measured, Weights
from latentdims.models.architecture import Weight
from latentdims.statistics.folds import FoldMoments
from latentdims.statistics.spectra import held_out, identified, resolution, resolved
from latentdims.storage import SPLITS

Array = NDArray[np.float64]

TURN = ("epoch", "channel_partner", "channel")
SCORES = ("epoch", "split", "centring")
VECTORS = ("epoch", "vector_partner", "vector")
WEIGHT_VECTORS = ("epoch", "weight_vector_partner", "weight_vector")
UNRELATED = "the same where the networks see unrelated images, one pairing of all images each"
QUANTILE = "what the same stays below on unrelated images in 95 % of the pairings"

DATASETS = {  # name: (description, axes)
    "rotation": (
        "rotation A from the second moments of training images: φ A is near ψ for rows φ of the "
        "partner and ψ of this network; the identity where one of them is zero",
        TURN,
    ),
    "rotation_centred": ("the same from centred moments", TURN),
    "rotation_position": ("the same from moments about the mean of each position", TURN),
    "similarity": ("cosine after the rotation that was fitted on training images", SCORES),
    "similarity_folds": ("the same on each fold of the test images", ("fold", "epoch", "centring")),
    "similarity_null": (UNRELATED, ("pairing", *SCORES)),
    "cka": ("centred kernel alignment, linear, debiased by folds", ("epoch", "split")),
    "cka_folds": ("the share of each fold of the test images in it", ("fold", "epoch")),
    "cka_null": (UNRELATED, ("pairing", "epoch", "split")),
    "cca": ("mean squared canonical correlation, regularised", ("epoch", "split")),
    "cca_folds": ("the share of each fold of the test images in it", ("fold", "epoch")),
    "cca_null": (UNRELATED, ("pairing", "epoch", "split")),
    "mutual_neighbours": (
        "share of the nearest neighbours of a test image that is the same",
        ("epoch",),
    ),
    "mutual_neighbours_folds": ("the same in each fold of the test images", ("fold", "epoch")),
    "mutual_neighbours_null": (UNRELATED, ("pairing", "epoch")),
    "activation_overlap": ("|cosine| of aligned eigenvectors of the second moments", VECTORS),
    "activation_overlap_null": (QUANTILE, VECTORS),
    "activation_subspace": ("overlap of the spans of the first k of them", ("epoch", "k")),
    "activation_subspace_null": (UNRELATED, ("pairing", "epoch", "k")),
    "weight_overlap": (
        "|cosine| of eigenvectors of the weight covariances, aligned by the rotation of the layer "
        "before",
        WEIGHT_VECTORS,
    ),
    "weight_overlap_null": (
        f"{QUANTILE}; of the first layer, which needs no rotation, of random directions",
        WEIGHT_VECTORS,
    ),
    "weight_subspace": ("overlap of the spans of the first k of them", ("epoch", "weight_k")),
    "weight_subspace_null": (
        f"{UNRELATED}; of the first layer, which needs no rotation, k / d of random directions",
        ("pairing", "epoch", "weight_k"),
    ),
    "weight_variance": (
        "variance vᵀ WᵀW v / n of the weights along each eigenvector v of the last weight "
        "covariance, descending by its last eigenvalues",
        ("epoch", "weight_rank"),
    ),
    "weight_cosine": (
        "|cosine| of each eigenvector of the weight covariance with the last one of that rank, in "
        "the coordinates of the network",
        ("epoch", "weight_rank"),
    ),
    "weight_span": ("overlap of the spans of the first k of them", ("epoch", "weight_k")),
}

MOMENTS = {"second_moment": "uncentred", "covariance": "centred"}
ALONG_RANKS = ("epoch", "rank")
SPECTRA = {  # what the name of a moment ends with: (unit, description, axes)
    "": (
        "activation^2",
        "eigenvalues, descending, of the {moment} on training images; zero where they are below "
        "what rounding in float32 makes of zero",
        ALONG_RANKS,
    ),
    "_without_fold": (
        "activation^2",
        "the same without each fold of the training images",
        ("fold", *ALONG_RANKS),
    ),
    "_held_out": (
        "activation^2",
        "variances of test images along the eigenvectors of training images",
        ALONG_RANKS,
    ),
    "_identified": (
        "1",
        "whether the eigenvalue differs from its neighbours in the folds of the training images",
        ALONG_RANKS,
    ),
}


def write_axes(file: h5py.File, epochs: Array, centrings: Sequence[str]) -> None:
    """Write the axes that several groups share."""
    storage.axis(file, "epoch", epochs)
    storage.axis(file, "split", SPLITS)
    storage.axis(file, "centring", centrings)


def stacked(epochs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Stack the results of all epochs along an axis of epochs, for datasets that have one."""
    return {
        name: np.stack([each[name] for each in epochs], axis=DATASETS[name][1].index("epoch"))
        for name in epochs[0]
    }


def write_pair(group: h5py.Group, found: Mapping[str, Array], reasons: Mapping[str, str]) -> None:
    """Write the results for one layer. reasons: why values are undefined, by the first word of
    their names."""
    for name, values in found.items():
        description, axes = DATASETS[name]
        storage.write(
            group,
            name,
            values,
            units="1",
            description=description,
            dimensions=axes,
            reason=reasons.get(name.split("_")[0], ""),
        )


def write_weights(group: h5py.Group, stages: Sequence[Weights], weight: Weight) -> None:
    """Write the eigenvalues of one learned map at every epoch."""
    group.attrs["fan_in"] = weight.fan_in
    group.attrs["neurons"] = weight.neurons
    storage.write(
        group,
        "weight",
        np.stack([stage.components[0] for stage in stages]),
        units="1",
        description="non-zero eigenvalues, descending, of WᵀW / n over the n neurons",
        dimensions=("epoch", "weight_rank"),
    )


def write_spectra(
    group: h5py.Group,
    stages: Sequence[Measured],
    *,
    folds: Sequence[FoldMoments],
    rows: Mapping[str, int],
) -> None:
    """Write the eigenvalues at one site at every epoch, in sample and held out.

    folds: moments of the folds of the training images, by epoch. rows: number of rows by split.
    """
    for moment, centring in MOMENTS.items():
        found = [
            spectrum(stage, parts, centring, rows=rows)
            for stage, parts in zip(stages, folds, strict=True)
        ]
        for ending, (unit, description, axes) in SPECTRA.items():
            storage.write(
                group,
                f"{moment}{ending}",
                np.stack([each[ending] for each in found], axis=axes.index("epoch")),
                units=unit,
                description=description.format(moment=moment),
                dimensions=axes,
            )


def spectrum(
    stage: Measured, folds: FoldMoments, centring: str, *, rows: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """The datasets of a moment at one epoch, by the endings of their names."""
    values, vectors = stage.eigen(centring)
    least = {
        split: resolution(vectors, stage.covariance[split], rows=rows[split]) for split in SPLITS
    }
    values = resolved(values, least["train"])
    without = np.linalg.eigvalsh(folds.without_each(centring))[:, ::-1].astype(np.float64)
    fresh = held_out(vectors, stage.moment("test", centring))
    return {
        "": values,
        "_without_fold": resolved(without, least["train"]),
        "_held_out": resolved(fresh, least["test"]),
        "_identified": identified(values, vectors, folds.about(centring)),
    }
