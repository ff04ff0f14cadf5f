"""Clipping of networks that are not chains: the whole network runs again for each rank."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call

from latentdims import sizes
from latentdims.images.data import Split
from latentdims.models.networks import Network, Visit
from latentdims.statistics import folds
from latentdims.workflow.job import progress

Curve = tuple["Clipped", Sequence[int]]  # and ascending ranks


@dataclass(frozen=True)
class Clipped:
    """How a network is changed, by rank: functions of the representations at its sites, and tensors
    that are replaced.

    module: dotted name of the changed module.
    """

    module: str
    at: Callable[[int], Mapping[str, Visit]] = lambda rank: {}
    tensors: Callable[[int], dict[str, Tensor]] = lambda rank: {}


def of_representation(
    network: Network, site: str, vectors: Tensor, mean: Tensor | None = None
) -> Clipped:
    """Project the representation at a site on the first of several orthonormal vectors (C, C).

    mean: (C,), subtracted first and added back afterwards.
    """
    found = network.architecture.site(site)

    def at(rank: int) -> dict[str, Visit]:
        return {site: partial(_project, vectors[:, :rank], mean, found.axis)}

    return Clipped(found.module, at=at)


def _project(vectors: Tensor, mean: Tensor | None, axis: int, x: Tensor) -> Tensor:
    rows = x.movedim(axis, -1)
    if mean is not None:
        rows = rows - mean
    projected = rows @ vectors @ vectors.T
    if mean is not None:
        projected = projected + mean
    return projected.movedim(-1, axis)


def of_weights(network: Network, name: str, vectors: Tensor) -> Clipped:
    """Project weights on the first of several orthonormal vectors (fan-in, R) of the inputs of a
    neuron."""
    tensor, weight = network.architecture.weight(name).tensor, network.weights[name]

    def tensors(rank: int) -> dict[str, Tensor]:
        kept = vectors[:, :rank]
        projected = torch.empty_like(weight)  # as it lies in memory
        return {tensor: projected.copy_((weight.flatten(1) @ kept @ kept.T).view(weight.shape))}

    return Clipped(tensor, tensors=tensors)


def ranks(dimension: int, number: int | None) -> list[int]:
    """At most this many ranks from 1 to a dimension, evenly spaced on a logarithmic scale; all of
    them if no number is given."""
    if number is None or number >= dimension:
        return list(range(1, dimension + 1))
    spaced = np.geomspace(1, dimension, number) if number > 1 else [dimension]
    return sorted({round(float(rank)) for rank in spaced})


@torch.inference_mode()
def accuracy_by_rank(
    network: Network, split: Split, curves: Sequence[Curve]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Accuracy in percent of the network on each fold of the images, (folds,), and of each curve
    at each of its ranks, (folds, ranks)."""
    whole = Clipped(network.architecture.sites[0].module)
    (reference,) = _right(network, split, whole, [0])
    found = [_right(network, split, *curve) for curve in progress(curves, name="curve")]
    return 100 * folds.means(reference), [100 * folds.means(right).T for right in found]


def _right(
    network: Network, split: Split, clipped: Clipped, kept: Sequence[int]
) -> NDArray[np.float64]:
    """Which of some images are classified correctly at each rank, (ranks, N)."""
    before, rest = network.split_before(clipped.module)
    size = sizes.of(split.labels.device).images_at_once(network.architecture)
    batches = zip(split.images.split(size), split.labels.split(size), strict=True)
    right: list[list[Tensor]] = [[] for _ in kept]
    for images, labels in batches:
        x = before(images)
        for place, rank in enumerate(kept):
            with network.visited(clipped.at(rank)):
                logits = functional_call(rest, clipped.tensors(rank), (x,))
            right[place].append(logits.argmax(1) == labels)
    return torch.stack([torch.cat(each) for each in right]).double().cpu().numpy()
