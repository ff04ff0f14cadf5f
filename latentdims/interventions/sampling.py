"""Draws: new networks from the weight covariances of trained ones, aligned layer by layer."""

import copy
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from latentdims import sizes
from latentdims.comparison.moments import rows
from latentdims.comparison.procrustes import rotation, similarity
from latentdims.images.data import Stored
from latentdims.interventions.gaussian import Array, covariance_factor, sample_rows, white_rows
from latentdims.models.architecture import IMAGES, Architecture, Site
from latentdims.models.blocks import Block
from latentdims.models.networks import Network

Images = Tensor | Stored  # (N, C, H, W)


@dataclass(frozen=True)
class Procedure:
    """How networks are drawn; the defaults are the published way.

    layers: names of the layers that are drawn; the others keep their trained weights. None: all but
    the classifier. width: neurons of a drawn layer, divided by those of the reference. covariances:
    `own` weights of the reference, `averaged` over several networks, or the null, `white`: a
    multiple of the identity over the inputs, with the same trace. rank: draw from the first k
    components of each covariance only; a layer with fewer keeps all. White covariances have no
    leading components.
    """

    layers: Sequence[str] | None = None
    width: float = 1.0
    covariances: str = "own"
    rank: int | None = None

    def samples(self, site: str) -> bool:
        """Whether the weights before a hidden site are drawn."""
        return self.layers is None or site in self.layers

    def resized(self, reference: Architecture) -> Architecture:
        """The architecture of the networks that are drawn from a reference."""
        channels: dict[str | None, int] = {IMAGES: reference.image_shape[0]}
        sites, weights = [], []
        for site, weight in zip(reference.sites, reference.weights, strict=True):
            drawn = site.name != reference.output and self.samples(site.name)
            neurons = max(1, round(self.width * weight.neurons)) if drawn else weight.neurons
            width = site.channels * neurons // weight.neurons
            sites.append(dataclasses.replace(site, shape=(width, *site.shape[1:])))
            shape = neurons, channels[weight.reads], weight.shape[2]
            weights.append(dataclasses.replace(weight, shape=shape))
            channels[site.name] = width
        return dataclasses.replace(reference, sites=tuple(sites), weights=tuple(weights))


def contract(weight: Array, rotation: Array) -> Array:
    """Make weights read another network's channels: weight (out, C·positions) or (out, C, kh, kw)
    for C channels, rotation (C, D) from them to the other channels -> (out, D·…).

    The other representation has D / C times the power if its neurons are drawn from the same
    distribution; weights are divided by the root of that.
    """
    channels, width = rotation.shape
    patches = weight.reshape(len(weight), channels, -1)
    turn = rotation * np.sqrt(channels / width)
    contracted = np.moveaxis(np.tensordot(patches, turn, axes=(1, 0)), 2, 1)  # (out, D, positions)
    shape = (width, *weight.shape[2:]) if weight.ndim == 4 else (-1,)
    return contracted.reshape(len(weight), *shape)


@dataclass(frozen=True)
class Reference:
    """A trained network, its representations of the training images, and the covariances to draw
    from.

    representations: by layer except the classifier, kept for every draw. factors, averaged: of the
    weight covariance of each of these layers, and of its average over several networks in the
    coordinates of this one.
    """

    network: Network
    images: Images
    representations: Mapping[str, Tensor]
    factors: Mapping[str, Array]
    averaged: Mapping[str, Array]

    @classmethod
    def of(cls, network: Network, images: Images, *, others: Sequence[Network] = ()) -> "Reference":
        """Propagate the images (N, C, H, W) through every block but the classifier, once.

        others: further networks to average the covariances over.
        """
        representations: dict[str, Tensor] = {}
        x: Images = images
        for site in network.architecture.hidden:
            x = propagate(network.blocks[site.name], site, x)
            representations[site.name] = x
        stacks = {name: [_numpy(network.weights[name])] for name in representations}
        for other in others:
            for name, weight in _in_coordinates_of(representations, other, images).items():
                stacks[name].append(weight)
        factors = {n: covariance_factor(x[0]) for n, x in stacks.items()}
        averaged = {n: covariance_factor(np.concatenate(x)) for n, x in stacks.items() if others}
        return cls(network, images, representations, factors, averaged)


def _in_coordinates_of(
    representations: Mapping[str, Tensor], other: Network, images: Images
) -> dict[str, Array]:
    """Weights of another network's hidden layers, reading the channels of the reference."""
    weights: dict[str, Array] = {}
    x, aligned = images, np.eye(images.shape[1])
    for site in other.architecture.hidden:
        block = other.blocks[site.name]
        weights[site.name] = contract(_numpy(block.map.weight), aligned)
        x = propagate(block, site, x)
        aligned, _ = align(x, representations[site.name].split(batch_of(site, x.device)))
    return weights


@dataclass(frozen=True)
class Draw:
    """A network drawn from a reference, with the trained classifier aligned with its features.

    similarity: with the reference after each hidden layer. features: its last hidden representation
    of the training images, until the next draw overwrites it.
    """

    network: Network
    similarity: dict[str, float]
    features: Tensor


@dataclass(frozen=True)
class Sampler:
    """Draws networks from a reference by one procedure.

    rooms: memory for the representations of one draw, by layer, which the next draw overwrites. To
    allocate so much memory for every draw would cost as much as the computation.
    """

    reference: Reference
    procedure: Procedure
    architecture: Architecture
    rooms: Mapping[str, Tensor]

    @classmethod
    def of(cls, reference: Reference, procedure: Procedure) -> "Sampler":
        """Allocate memory for the networks of a procedure."""
        architecture = procedure.resized(reference.network.architecture)
        rooms = {site.name: room(site, reference.images) for site in architecture.hidden}
        return cls(reference, procedure, architecture, rooms)

    def draw(self, *, seed: int, number: int) -> Draw:
        """Draw a network block by block, each in coordinates aligned with the reference.

        Norms take exact statistics of the images before the next block is aligned. Blocks before
        the first drawn one stay the same, bit by bit. seed, number: identify the draw, which does
        not change when other draws are added.
        """
        reference = self.reference
        scores: dict[str, float] = {}
        x, aligned = reference.images, np.eye(reference.images.shape[1])  # both see the same images
        changed = False
        network = Network(self.architecture, copy.deepcopy(reference.network.module))
        for level, site in enumerate(self.architecture.hidden):
            trained = reference.representations[site.name]
            changed |= self.procedure.samples(site.name)
            if not changed:  # all is as it was trained
                x, aligned = trained, np.eye(site.channels)
                scores[site.name] = 1.0 if trained.any() else math.nan
                continue
            generator = np.random.default_rng([seed, number, level])
            weight = contract(self._rows(site.name, generator), aligned)
            block = network.blocks[site.name]
            block.map.weight.data = to_tensor(weight, like=reference.images)
            block.measure_statistics(x.split(batch_of(site, x.device)))
            output = self.rooms[site.name]
            batches = propagated(block, site, x, output)
            aligned, scores[site.name] = align(trained, batches)
            x = output
        if changed:
            network.last.map.weight.data = self.classifier(aligned)
        assert isinstance(x, Tensor)  # of a hidden layer: a chain has one at least
        return Draw(network, scores, x)

    def _rows(self, site: str, generator: np.random.Generator) -> Array:
        """Weights before a site that read the channels of the reference, drawn or trained."""
        if not self.procedure.samples(site):
            return _numpy(self.reference.network.weights[site])
        neurons, procedure = self.architecture.weight(site).neurons, self.procedure
        own = self.reference.factors[site]
        if procedure.covariances == "white":
            return white_rows(own, neurons=neurons, generator=generator)
        factor = self.reference.averaged[site] if procedure.covariances == "averaged" else own
        return sample_rows(factor, neurons=neurons, generator=generator, rank=procedure.rank)

    def classifier(self, aligned: Array) -> Tensor:
        """Weights of the trained classifier after a rotation (C, D) of the reference's last
        channels, or (C·positions, D·positions) of its features."""
        trained = _numpy(self.reference.network.last.map.weight)
        return to_tensor(contract(trained, aligned), like=self.reference.images)


def room(site: Site, x: Images) -> Tensor:
    """Memory for the representations at a site, (N, *shape), for as many samples as x."""
    memory_format = torch.channels_last if len(site.shape) == 3 else torch.contiguous_format
    return torch.empty((len(x), *site.shape), device=x.device, memory_format=memory_format)


def propagate(block: Block, site: Site, x: Images) -> Tensor:
    """One block on all samples: (N, C, ...) -> (N, *shape of the site)."""
    output = room(site, x)
    for _ in propagated(block, site, x, output):
        pass
    return output


@torch.inference_mode()
def propagated(block: Block, site: Site, x: Images, output: Tensor) -> Iterator[Tensor]:
    """The same into a given output; each batch is passed on while it is in the cache."""
    size = batch_of(site, x.device)
    for batch, place in zip(x.split(size), output.split(size), strict=True):
        preactivation = block.preactivation(batch)
        if isinstance(block.after, nn.ReLU):
            torch.clamp_min(preactivation, 0, out=place)  # faster than a ReLU and a copy
        else:
            place.copy_(block.after(preactivation))
        yield place


def batch_of(site: Site, device: torch.device | str) -> int:
    """Number of samples that a block is computed for at once."""
    return max(1, sizes.of(device).aligned // math.prod(site.shape))


@torch.inference_mode()
def align(
    reference: Tensor, drawn: Iterable[Tensor], *, flattened: bool = False
) -> tuple[Array, float]:
    """Rotation (C, D) from the reference's channels to the drawn channels, and its similarity.

    reference: (N, C, ...), and drawn: (N, D, ...), in batches: representations of the same images.
    flattened: treat every feature of an image as a channel, (C·positions, D·positions), instead of
    every position as a sample.
    """
    cross, power, partner_power = torch.zeros(3, dtype=torch.float64, device=reference.device)
    start = 0
    for batch in drawn:
        x, y = (
            _features(each) if flattened else rows(each)
            for each in (reference[start : start + len(batch)], batch)
        )
        cross = (x.T @ y).double().add_(cross)
        power += _power(x)
        partner_power += _power(y)
        start += len(batch)
    if flattened:
        cross = _channels_first(cross, reference[0, 0].numel())
    moment = cross.cpu().numpy()
    aligned = rotation(moment)
    return aligned, similarity(
        moment, aligned, power=power.item(), partner_power=partner_power.item()
    )


def _power(x: Tensor) -> Tensor:
    """Sum of squares, by rows (samples, C): exact to what float32 is for one, and in the cache."""
    return torch.linalg.vector_norm(x, dim=1).double().square().sum()


def _features(x: Tensor) -> Tensor:
    """(N, C, ...) -> (N, positions·C), as they lie in memory where channels come last."""
    return x.movedim(1, -1).flatten(1)


def _channels_first(cross: Tensor, positions: int) -> Tensor:
    """(positions·C, positions·D) -> (C·positions, D·positions), the order of the weights."""
    parts = cross.unflatten(1, (positions, -1)).unflatten(0, (positions, -1))
    return parts.permute(1, 0, 3, 2).flatten(2).flatten(0, 1)


def to_tensor(weight: Array, *, like: Images) -> Tensor:
    """Weights as float32, on the device of another tensor."""
    return torch.from_numpy(weight.astype(np.float32)).to(like.device)


def _numpy(weight: Tensor) -> Array:
    return weight.detach().double().cpu().numpy()
