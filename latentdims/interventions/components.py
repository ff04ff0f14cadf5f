"""Clipping of chains: accuracy at every rank from sums over components, of one layer at a time.

Only the part after the clipped layer runs again, for several ranks at once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims import sizes
from latentdims.comparison.moments import rows
from latentdims.images.data import Split
from latentdims.models.blocks import Block, Dense
from latentdims.models.networks import Network
from latentdims.statistics import folds
from latentdims.workflow.job import progress

Curve = tuple["Components", Sequence[int]]  # and ascending numbers of components


@dataclass(frozen=True)
class Components:
    """The pre-activation of a block as a sum over components: offset + Σ_k z_k decode_k.

    site: of the block. encode: its input (N, C, ...) -> z (R·p, rows), with p numbers for each
    component; rows are samples, for a convolution at each position. decode: (R·p, out). offset: the
    pre-activation without components, (1, out), or at each position of a sample, (positions, out).
    """

    site: str
    encode: Callable[[Tensor], Tensor]
    decode: Tensor
    p: int
    offset: Tensor

    @property
    def dimension(self) -> int:
        """The number of components R."""
        return len(self.decode) // self.p


def of_representation(
    network: Network, site: str, vectors: Tensor, mean: Tensor | None = None
) -> Components:
    """Components of the block that reads a site, in an orthonormal basis (C, C) of its channels.

    mean: (C,), subtracted from the representation first and added back afterwards.
    """
    names = list(network.blocks)
    reader = names[names.index(site) + 1]
    block = network.blocks[reader]
    weight = block.map.weight.detach()
    by_channel = weight.reshape(len(weight), len(vectors), -1)
    decode = torch.einsum("ocp,cr->rpo", by_channel, vectors).flatten(0, 1).contiguous()
    offset = _bias(block)
    if mean is not None:  # at borders, what is padded has no mean
        shape = network.architecture.site(site).shape
        everywhere = mean.view(-1, *(1,) * (len(shape) - 1)).expand(1, *shape)
        offset = rows(block.preactivation(everywhere))

    def encode(x: Tensor) -> Tensor:
        rotated = torch.einsum("nc...,cr->nr...", x, vectors)
        if mean is not None:
            rotated -= (mean @ vectors).reshape(-1, *(1,) * (x.ndim - 2))
        return block.map.columns(block.before(rotated))

    return Components(reader, encode, decode, by_channel.shape[2], offset)


def of_weights(network: Network, site: str, vectors: Tensor) -> Components:
    """Components of the block of a site in orthonormal vectors (fan-in, R) of the inputs of a
    neuron."""
    block = network.blocks[site]
    weight = block.map.weight.detach()
    kernels = vectors.T.reshape(-1, *weight.shape[1:])
    return Components(
        site,
        encode=lambda x: block.preactivation(x, kernels).transpose(0, 1).flatten(1),
        decode=vectors.T @ weight.flatten(1).T,
        p=1,
        offset=_bias(block),
    )


def _bias(block: Block) -> Tensor:
    """(1, out): zero where the block has none."""
    bias = block.map.bias
    none = block.map.weight.new_zeros(1, len(block.map.weight))
    return none if bias is None else bias.detach()[None]


@torch.inference_mode()
def accuracy_by_rank(
    network: Network, split: Split, curves: Sequence[Curve]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Accuracy in percent of the network on each fold of the images, (folds,), and of each curve at
    each of its ranks, (folds, ranks).

    A curve keeps the first k components of a single layer, for each k of its ranks.
    """
    device = split.labels.device
    fold = torch.from_numpy(folds.of(len(split.labels))).to(device)
    images_of = fold.bincount()
    counts = [images_of.new_zeros(len(images_of), len(ranks)) for _, ranks in curves]
    whole = torch.zeros_like(images_of)
    at_once = sizes.of(device).images_at_once(network.architecture)
    batches = progress(split.images.split(at_once), name="batch")
    names = [site.name for site in network.architecture.sites]
    inputs = dict(zip(names, [None, *names], strict=False))
    for images, labels, of in zip(
        batches, split.labels.split(at_once), fold.split(at_once), strict=True
    ):
        levels: dict[str | None, Tensor] = {None: images}
        levels |= {site.name: output for site, output in network.representations(images)}
        whole.index_add_(0, of, (levels[names[-1]].argmax(1) == labels).long())
        for (components, ranks), correct in zip(curves, counts, strict=True):
            x_of = levels[inputs[components.site]]
            size = _batch(network.blocks[components.site], x_of)
            for x, target, places in zip(*(e.split(size) for e in (x_of, labels, of)), strict=True):
                right = _correct(network, components, ranks, x, target)
                correct.index_add_(0, places, right.T.long())
    total = images_of.cpu().numpy()
    by_rank = [100 * each.cpu().numpy() / total[:, None] for each in counts]
    return 100 * whole.cpu().numpy() / total, by_rank


def _batch(block: Block, x: Tensor) -> int:
    """Number of inputs of a block that are clipped at once."""
    positions = math.prod(block.map.output_size(block.before(x[:1])))
    return max(1, sizes.of(x.device).clipped // (len(block.map.weight) * positions))


def _correct(
    network: Network, components: Components, ranks: Sequence[int], x: Tensor, labels: Tensor
) -> Tensor:
    """Which of several inputs of a block are classified correctly at each rank, (ranks, N).

    From one rank to the next, the components in between are added; only the later part of the
    network runs again, for several ranks at once.
    """
    block = network.blocks[components.site]
    size = block.map.output_size(block.before(x[:1]))
    z, p = components.encode(x), components.p
    offset, done = components.offset, 0
    last = offset.repeat(len(x), 1) if len(offset) > 1 else offset.expand(z.shape[1], -1)
    correct = torch.empty(len(ranks), len(labels), dtype=torch.bool, device=labels.device)
    step = sizes.of(x.device).ranks
    for start in range(0, len(ranks), step):
        chosen = ranks[start : start + step]
        preactivation = z.new_empty(len(chosen), *last.shape)  # (ranks, rows, out)
        for place, rank in zip(preactivation, chosen, strict=True):
            part = slice(p * done, p * rank)
            # One component needs no product of matrices, before which `last` would be copied.
            add = torch.addcmul if p * (rank - done) == 1 else torch.addmm
            add(last, z[part].T, components.decode[part], out=place)
            last, done = place, rank
        last = last.clone()
        laid_out = preactivation.view(-1, *size, last.shape[1]).movedim(-1, 1)  # (ranks · N, ...)
        predicted = _classes(network, block.after(laid_out), after=components.site)
        correct[start : start + step] = predicted.view(len(chosen), -1) == labels
    return correct


def _classes(network: Network, x: Tensor, *, after: str) -> Tensor:
    """The most probable class of each representation (N, ...) at a site, (N,)."""
    names = list(network.blocks)
    *between, final = names[names.index(after) :]
    if not between:
        return x.max(1).indices
    for name in between[1:]:
        x = network.blocks[name](x)
    block = network.blocks[final]
    if type(block.map) is not Dense or block.map.bias is not None:
        return block(x).argmax(1)
    # Channels last, as x lies in memory, and the few classes first: twice as fast as a layer.
    x = block.before(x)
    weight = block.map.weight.detach().unflatten(1, (x.shape[1], -1))
    logits = weight.transpose(1, 2).flatten(1) @ x.movedim(1, -1).flatten(1).T
    return logits.max(0).indices  # argmax takes ten times as long here
