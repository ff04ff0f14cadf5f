"""The file of an alignment: what is written of one network and of its pairs."""

from collections.abc import Mapping, Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.layer import Layer
from latentdims.measured import Measured
from latentdims.spectra import held_out, identified, resolved
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
}


def write_axes(file: h5py.File, epochs: Array, centrings: Sequence[str]) -> None:
    """Those that several groups share."""
    storage.axis(file, "epoch", epochs)
    storage.axis(file, "split", SPLITS)
    storage.axis(file, "centring", centrings)


def stacked(epochs: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Results of all epochs, each with their axis where its dataset has it."""
    return {
        name: np.stack([each[name] for each in epochs], axis=DATASETS[name][1].index("epoch"))
        for name in epochs[0]
    }


def write_pair(group: h5py.Group, found: Mapping[str, Array], reasons: Mapping[str, str]) -> None:
    """Results of one layer. reasons: why values are undefined, by the first word of their names."""
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


def write_spectra(
    group: h5py.Group, stages: Sequence[Measured], layer: Layer, *, images: int
) -> None:
    """Eigenvalues of one layer at every epoch, in sample and held out. images: for training."""
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
            dimensions=("epoch", "rank"),
        )
        values = np.stack([resolved(values) for values, _ in found])
        storage.write(
            group,
            f"{name}_identified",
            np.stack([identified(stage, samples=images) for stage in values]),
            units="1",
            description="whether the eigenvalue is separated from its neighbours",
            dimensions=("epoch", "rank"),
        )
        storage.write(
            group,
            name,
            values,
            units="activation^2",
            description=f"eigenvalues, descending, of the {name} on training images; "
            "zero where float32 does not resolve them",
            dimensions=("epoch", "rank"),
        )
    storage.write(
        group,
        "weight",
        np.stack([stage.weight_components[0] for stage in stages]),
        units="1",
        description="non-zero eigenvalues, descending, of WᵀW / n over the n neurons",
        dimensions=("epoch", "weight_rank"),
    )
