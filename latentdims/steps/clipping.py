"""Clipping: accuracy of a network when one layer keeps only k dimensions.

The basis of a representation acts on its channels, at every position: φ_j becomes its projection on
the first k vectors. The basis of weights acts on flattened patches: W_j becomes W_j P_k.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims import storage
from latentdims.configuration.ranks import check_ranks
from latentdims.images import data
from latentdims.images.data import Split
from latentdims.interventions import components, reruns
from latentdims.models import architecture, networks, outputs
from latentdims.models.architecture import Architecture
from latentdims.models.networks import Network
from latentdims.statistics import folds
from latentdims.statistics.spectra import eigh, weight_components

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Basis = tuple[Array, Array | None]  # orthonormal vectors in columns, and the mean that is left


def clip(
    *,
    images: str | Path,
    network: str | Path,
    covariance: str | Path,
    output: str | Path,
    bases: Sequence[str],
    ranks: str | Sequence[int],
    rerun_ranks: int | None = None,
    rerun_images: int | None = None,
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write the test accuracy of a trained network against rank, for each basis and layer.

    bases: of `activation`, `activation_centred`, `random` (which clip the representation of a
    layer) and `weight` (which clips its weights). ranks: `all`, or a list, of which each layer uses
    those within its dimension. rerun_ranks, rerun_images: for a network that is not a chain and
    runs again for each rank, the number of ranks that `all` stands for, and the number of test
    images; None for all. Raises InputError for a rank beyond every layer's dimension, and for files
    that do not match the settings.
    """
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as stored:
        loaded = networks.load(network, settings=settings, sha256=stored.sha256)
        reason = outputs.unscored(loaded.architecture, len(stored.classes))
        if reason or isinstance(loaded, networks.Recorded):
            _write_undefined(output, loaded.architecture, reason, settings=settings)
            return
        trained = loaded.at(-1, device=device)
        check_ranks(loaded.architecture, bases=bases, ranks=ranks)
        test = stored.split("test")
        if not trained.blocks:
            test = test.chosen(data.some(len(test.labels), rerun_images))
        with storage.read(covariance, needs=["train"], made_with=settings) as moments:
            found = _bases(trained, bases, moments, settings["seed"])
        most = None if trained.blocks else rerun_ranks
        kept = {name: _kept(vectors.shape[1], ranks, most) for name, (vectors, _) in found.items()}
        reference, curves = accuracies(trained, test, found, kept)
    share = np.bincount(folds.of(len(test.labels))) / len(test.labels)
    of = f" of {len(test.labels)} images"
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, loaded.architecture)
        what = f"test accuracy{of}, of the network as it was trained"
        _save(file, "reference_accuracy", reference, share, description=what)
        for (name, of_curve), accuracy in zip(kept.items(), curves, strict=True):
            group = file.create_group(name)
            storage.axis(group, "rank", np.array(of_curve))
            what = f"test accuracy{of}, with this many dimensions"
            _save(group, "accuracy", accuracy, share, description=what)
            logger.info("%s: %d ranks", name, len(of_curve))


def _write_undefined(
    output: str | Path, described: Architecture, reason: str, *, settings: Mapping[str, Any]
) -> None:
    """The file of a network whose accuracy is undefined: the reason."""
    logger.warning("nothing is clipped: %s", reason)
    with storage.create(output, settings=settings) as file:
        architecture.write(file, described)
        file.attrs["undefined"] = reason
        storage.write(
            file,
            "reference_accuracy",
            np.nan,
            units="percent",
            description="test accuracy of the network",
            reason=reason,
        )


def _kept(dimension: int, ranks: str | Sequence[int], most: int | None) -> list[int]:
    """Which ranks a curve has: those that are asked for, or at most so many of all."""
    if ranks == "all":
        return reruns.ranks(dimension, most)
    return [rank for rank in range(1, dimension + 1) if rank in ranks]


def accuracies(
    network: Network, test: Split, bases: Mapping[str, Basis], kept: Mapping[str, Sequence[int]]
) -> tuple[Array, list[Array]]:
    """Accuracy on each fold, of the network and of curves by `<basis>/<layer>`, at their ranks."""
    like = next(network.module.parameters())

    def tensor(array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(like)

    way: Any = components if network.blocks else reruns
    curves = []
    for name, (vectors, mean) in bases.items():
        basis, _, layer = name.partition("/")
        if basis == "weight":
            clipped = way.of_weights(network, layer, tensor(vectors))
        else:
            about = None if mean is None else tensor(mean)
            clipped = way.of_representation(network, layer, tensor(vectors), about)
        curves.append((clipped, kept[name]))
    reference, found = way.accuracy_by_rank(network, test, curves)
    return reference, found


def _bases(network: Network, bases: Sequence[str], file: h5py.File, seed: int) -> dict[str, Basis]:
    """By `<basis>/<layer>`, from moments of a trained network on training images."""

    def moments(site: str) -> tuple[Array, Array]:
        mean, covariance = (file[f"train/{site}/{kind}"][-1] for kind in ("mean", "covariance"))
        return mean, covariance

    return {
        f"{name}/{layer}": basis_of(network, name, layer, moments, seed=seed)
        for name in bases
        for layer in clipped_layers(network.architecture, name)
    }


def clipped_layers(network: Architecture, basis: str) -> list[str]:
    """The layers that are clipped in a basis: learned maps, or hidden sites."""
    layers = network.weights if basis == "weight" else network.hidden
    return [layer.name for layer in layers]


def basis_of(
    network: Network,
    name: str,
    layer: str,
    moments: Callable[[str], tuple[Array, Array]],
    *,
    seed: int,
) -> Basis:
    """Orthonormal vectors of a layer: of a hidden representation, (C, C), with the mean that is
    left in it; or of weights, (fan-in, R).

    name: as in `clip`. moments: gives mean (C,) and covariance (C, C) of a site.
    """
    if name == "weight":
        return weight_components(network.weights[layer].cpu().numpy())[1], None
    if name == "random":
        number = clipped_layers(network.architecture, name).index(layer)
        size = (network.architecture.site(layer).channels,) * 2
        random = np.random.default_rng([seed, number]).standard_normal(size)
        return np.linalg.qr(random)[0], None
    mean, covariance = moments(layer)
    if name == "activation_centred":
        return eigh(covariance)[1], mean
    return eigh(covariance + np.outer(mean, mean))[1], None


def _save(
    group: h5py.Group,
    name: str,
    accuracy: Array,
    share: Array,
    *,
    description: str,
) -> None:
    """Write accuracies (folds[, ranks]), and their mean; share: of the images in each fold."""
    ranks = ("rank",) if accuracy.ndim == 2 else ()
    for full, values, of, axes in (
        (name, share @ accuracy, "", ranks),
        (f"{name}_folds", accuracy, ", on each fold of the test images", ("fold", *ranks)),
    ):
        storage.write(
            group,
            full,
            values,
            units="percent",
            description=f"{description}{of}",
            dimensions=axes,
        )
