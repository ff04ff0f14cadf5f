"""Clipping and drawing of your own modules: the interventions of the pipeline, without files."""

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentdims.comparison import passes
from latentdims.comparison.moments import Moments
from latentdims.comparison.views import NetworkView
from latentdims.configuration import ranks as refusal
from latentdims.errors import InputError, nearest
from latentdims.images.data import Split
from latentdims.interface.arrays import Array, Given, tensor
from latentdims.interventions import reruns
from latentdims.interventions.sampling import Procedure, Reference, Sampler
from latentdims.models.architecture import Architecture
from latentdims.models.brought import chained, description
from latentdims.models.brought.family import UNDRAWN, keep_outputs
from latentdims.models.networks import Network
from latentdims.statistics import folds
from latentdims.steps import clipping

BASES = ("activation", "activation_centred", "random", "weight")
COVARIANCES = ("own", "white")
RERUN_RANKS = 8  # at most, of a module that runs again for each


def clip(
    module: nn.Module,
    images: Given,
    labels: Given,
    *,
    layer: str,
    basis: str = "activation",
    ranks: Sequence[int] | None = None,
    basis_images: Given | None = None,
    axis: int | None = None,
    seed: int = 0,
) -> dict[int, float]:
    """Accuracy in percent by rank of a module that sees one layer through its first k dimensions.

    images (N, C, H, W), labels (N,): that are classified. layer: a submodule by its dotted name;
    its output is clipped or, in the basis `weight`, what its weights read. basis: eigenvectors of
    the second moment of the output (`activation`), of its covariance (`activation_centred`), of the
    weights (`weight`), or a rotation drawn from a seed (`random`). basis_images: of which moments
    are taken, the training images in the pipeline; `images` where not given. ranks: where not
    given, all of a chain of blocks, and at most 8 of another module, which runs again for each.
    axis: of channels in the output; where not given, the last of (N, tokens, C), else 1. Returns
    accuracies by ascending rank.

    The module is used in evaluation mode, and stays as it is. Raises InputError for what cannot be
    measured, with the reason.
    """
    if basis not in BASES:
        raise InputError(f"basis: unknown '{basis}'; {nearest(basis, BASES)}")
    own = _copied(module)
    shown = _images(images, own, "images")
    of_basis = shown if basis_images is None else _images(basis_images, own, "basis_images")
    with _told():
        network = _clipped(own, shown[:2], layer=layer, basis=basis, axis=axis)
    split = Split(shown, _labels(labels, len(shown), network.architecture).to(shown.device))

    def moments(site: str) -> tuple[Array, Array]:
        return _moments(network, of_basis, site)

    found = clipping.basis_of(network, basis, layer, moments, seed=seed)
    kept = _ranks(ranks, found[0].shape[1], most=None if network.blocks else RERUN_RANKS)
    name = f"{basis}/{layer}"
    _, (accuracy,) = clipping.accuracies(network, split, {name: found}, {name: kept})
    share = np.bincount(folds.of(len(shown))) / len(shown)
    return dict(zip(kept, (share @ accuracy).tolist(), strict=True))


def draw(
    module: nn.Module,
    images: Given,
    *,
    seed: int = 0,
    number: int = 0,
    layers: Sequence[str] | None = None,
    covariances: str = "own",
    rank: int | None = None,
) -> nn.Module:
    """A module with random weights of the covariances of another, as the pipeline generates them.

    Layer by layer, weights are drawn from the covariance of the trained ones, in coordinates that
    are aligned with the module on `images` (N, C, H, W), its training images in the pipeline; norms
    take their statistics; the last layer keeps its weights, aligned. seed, number: name the draw.
    layers: names of those that are drawn, the others keep their weights; all but the last, where
    not given. covariances: `own`, or the null, `white`: a multiple of the identity with the same
    trace. rank: of the first k components of each covariance alone.

    Returns a new module in evaluation mode, of the same class; the given one stays as it is. Raises
    InputError, with the reason, where none can be drawn: it must be a chain.
    """
    if covariances not in COVARIANCES:
        known = nearest(covariances, COVARIANCES)
        raise InputError(f"covariances: unknown '{covariances}'; {known}")
    if isinstance(layers, str):
        raise InputError(f"layers: found '{layers}'; give a list of names")
    for name, value in (("seed", seed), ("number", number)):
        if value < 0:
            raise InputError(f"{name}: found {value}; give 0 or more")
    own = _copied(module)
    shown = _images(images, own, "images")
    with _told():
        network = chained.network(own, shown[:2])
        if network.architecture.undrawn:
            raise InputError(f"{network.architecture.undrawn}; {chained.DRAWN}")
    if rank is not None and (rank != int(rank) or rank < 1):
        raise InputError(f"draw.rank: found {rank}; give a whole number from 1 on")
    asked = {"layers": "all" if layers is None else layers, "rank": rank or "all"}
    refusal.check_sampled(network.architecture, asked, key="draw")
    procedure = Procedure(layers=layers, covariances=covariances, rank=rank)
    sampler = Sampler.of(Reference.of(network, shown), procedure)
    drawn = sampler.draw(seed=seed, number=number).network.module.state_dict()
    tensors = {name: drawn[of] for of, name in chained.names(network.module, own).items()}
    found = copy.deepcopy(module)
    found.load_state_dict({**found.state_dict(), **tensors})
    return found.eval()


@contextmanager
def _told() -> Iterator[None]:
    """Say what is wrong with a module, as of one that is given, not named in a configuration."""
    try:
        yield
    except InputError as error:
        message = re.sub(r"^(architecture: |sites: |sites\.)", "", str(error))
        raise InputError(f"module: {message}") from None


def _copied(module: nn.Module) -> nn.Module:
    """In evaluation mode and float32; nothing of it is changed in the module itself."""
    if not isinstance(module, nn.Module):
        raise InputError(f"module: found a {type(module).__name__}; give a torch.nn.Module")
    found = copy.deepcopy(module).float().eval().requires_grad_(False)
    if next(found.parameters(), None) is None:
        raise InputError("module: it has no parameters, so nothing is learned")
    return found


def _images(given: Given, module: nn.Module, name: str) -> Tensor:
    found = tensor(given, name=name).float()
    return found.to(next(module.parameters()).device)


def _labels(given: Given, images: int, network: Architecture) -> Tensor:
    """(N,) int64."""
    found = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if found.shape != (images,):
        raise InputError(
            f"labels: found the shape {found.shape}, expected ({images},), the class of each image"
        )
    if found.dtype.kind not in "iu":
        raise InputError(f"labels: found values of type {found.dtype}; give whole numbers")
    if found.min() < 0 or found.max() >= network.classes:
        raise InputError(
            f"labels: found classes from {found.min()} to {found.max()}, but the module has "
            f"{network.classes} outputs; count classes from 0"
        )
    return torch.from_numpy(found.astype(np.int64))


def _clipped(
    module: nn.Module, images: Tensor, *, layer: str, basis: str, axis: int | None
) -> Network:
    """A module that is read at a layer, as far as it needs to be known."""
    if chained.is_of_blocks(module):
        network = chained.network(module, images)
        _check_layer(layer, clipping.clipped_layers(network.architecture, basis))
        return network
    keep_outputs(module)
    output, _ = description.passed(module, images)
    classes = output.shape[-1] if isinstance(output, Tensor) and output.ndim else 0
    shape: Any = tuple(images.shape[1:])
    # On a copy: what norms know of images is changed there.
    parts = description.describe(copy.deepcopy(module).cpu(), image_shape=shape, classes=classes)
    if basis != "weight":
        found = parts.chosen({layer: axis}, undrawn=UNDRAWN)
        return Network(replace(found, weights=()), module)
    found = parts.chosen({}, undrawn=UNDRAWN)
    _check_layer(layer, [weight.name for weight in found.weights])
    kept = tuple(weight for weight in found.weights if weight.name == layer)
    return Network(
        replace(found, weights=kept, sites=(parts.site(next(iter(parts.shapes))),)), module
    )


def _check_layer(layer: str, known: Sequence[str]) -> None:
    if layer not in known:
        raise InputError(f"no layer '{layer}' is clipped in this basis; {nearest(layer, known)}")


def _moments(network: Network, images: Tensor, site: str) -> tuple[Array, Array]:
    """Mean (C,) and covariance (C, C) at a site."""
    measured = passes.measure({"given": [NetworkView(network, images)]})
    found = Moments.total(measured.folds(f"given/{site}/own"))
    own = found.covariance.cpu().numpy()
    return found.mean.cpu().numpy(), (own + own.T) / 2


def _ranks(given: Sequence[int] | None, dimension: int, *, most: int | None) -> list[int]:
    """Ascending."""
    if given is None:
        return reruns.ranks(dimension, most)
    found = sorted({int(rank) for rank in given})
    wrong = [rank for rank in given if rank != int(rank) or not 1 <= rank <= dimension]
    if wrong or not found:
        raise InputError(
            f"ranks: found {wrong[0] if wrong else 'none'}; give whole numbers from 1 to "
            f"{dimension}, the dimension of the layer"
        )
    return found
