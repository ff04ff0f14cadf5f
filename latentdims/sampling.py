"""Sampling: new networks from the weight covariances of trained ones, aligned layer by layer."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdims.gaussian import Array, covariance_factor, sample_rows, white_rows
from latentdims.layer import Layer
from latentdims.moments import rows
from latentdims.networks import Network, linear
from latentdims.procrustes import rotation, similarity

VALUES = 1 << 20  # of a layer's representation in a batch: it then is aligned from the cache


@dataclass(frozen=True)
class Procedure:
    """How networks are drawn; the defaults are the published way.

    layers: names of those that are sampled, the others keep their trained weights; None: all but
    the classifier. width: neurons of a sampled layer over those of the reference. covariances: of
    the reference's `own` weights, `averaged` over several networks, or the null, `white`: a
    multiple of the identity over the inputs, with the trace of the own one. rank: sample from the
    first k components of each covariance alone; a layer with fewer keeps all, and white ones have
    none that come first.
    """

    layers: Sequence[str] | None = None
    width: float = 1.0
    covariances: str = "own"
    rank: int | None = None

    def samples(self, layer: Layer) -> bool:
        """Whether the weights of a hidden layer are drawn."""
        return self.layers is None or layer.name in self.layers

    def chain(self, layers: Sequence[Layer]) -> list[Layer]:
        """The layers of the networks that are drawn from a reference with some layers."""
        chain: list[Layer] = []
        for layer in layers:
            inputs = chain[-1].channels if chain else layer.input_shape[0]
            drawn = layer is not layers[-1] and self.samples(layer)
            neurons = max(1, round(self.width * layer.channels)) if drawn else layer.channels
            chain.append(resized(layer, neurons=neurons, inputs=inputs))
        return chain


def resized(layer: Layer, *, neurons: int, inputs: int) -> Layer:
    """A layer with other numbers of neurons and of input channels."""
    kernel = layer.weight_shape[2:]
    return dataclasses.replace(
        layer,
        weight_shape=(neurons, inputs, *kernel)
        if kernel
        else (neurons, inputs * layer.patch_shape[1]),
        input_shape=(inputs, *layer.input_shape[1:]),
        output_shape=(neurons, *layer.output_shape[1:]),
    )


def contract(weight: Array, rotation: Array) -> Array:
    """Read another network's channels: weight (out, C·positions) or (out, C, kh, kw) for C
    channels, rotation (C, D) from them to the other's -> (out, D·…).

    The other's representation has D / C times the power where its neurons are drawn from the same
    distribution, and is scaled down by the root of that.
    """
    channels, width = rotation.shape
    patches = weight.reshape(len(weight), channels, -1)
    turn = rotation * np.sqrt(channels / width)
    contracted = np.moveaxis(np.tensordot(patches, turn, axes=(1, 0)), 2, 1)  # (out, D, positions)
    shape = (width, *weight.shape[2:]) if weight.ndim == 4 else (-1,)
    return contracted.reshape(len(weight), *shape)


@dataclass(frozen=True)
class Reference:
    """A trained network, its representations of the training images, and what is sampled from.

    representations: by layer but the classifier, kept for every draw. factors, averaged: of the
    weight covariance of each of these layers, and of its average over several networks in the
    coordinates of this one.
    """

    network: Network
    images: Tensor
    representations: Mapping[str, Tensor]
    factors: Mapping[str, Array]
    averaged: Mapping[str, Array]

    @classmethod
    def of(cls, network: Network, images: Tensor, *, others: Sequence[Network] = ()) -> "Reference":
        """Propagate the images (N, C, H, W) through every layer but the classifier, once.

        others: networks that the covariances are averaged over, besides this one.
        """
        representations: dict[str, Tensor] = {}
        x = images
        for layer in network.layers[:-1]:
            x = propagate(layer, x, network.weights[layer.name])
            representations[layer.name] = x
        stacks = {name: [_numpy(network.weights[name])] for name in representations}
        for other in others:
            for name, weight in _in_coordinates_of(representations, other, images).items():
                stacks[name].append(weight)
        factors = {n: covariance_factor(x[0]) for n, x in stacks.items()}
        averaged = {n: covariance_factor(np.concatenate(x)) for n, x in stacks.items() if others}
        return cls(network, images, representations, factors, averaged)


def _in_coordinates_of(
    representations: Mapping[str, Tensor], other: Network, images: Tensor
) -> dict[str, Array]:
    """Weights of another network's hidden layers, reading the channels of the reference."""
    weights: dict[str, Array] = {}
    x, aligned = images, np.eye(images.shape[1])
    for layer in other.layers[:-1]:
        weights[layer.name] = contract(_numpy(other.weights[layer.name]), aligned)
        x = propagate(layer, x, other.weights[layer.name])
        aligned, _ = align(x, representations[layer.name].split(batch_of(layer)))
    return weights


@dataclass(frozen=True)
class Draw:
    """A network drawn from a reference, with the trained classifier aligned with its features.

    similarity: with the reference after each hidden layer. features: its last hidden
    representation of the training images, until the next draw overwrites it.
    """

    network: Network
    similarity: dict[str, float]
    features: Tensor


@dataclass(frozen=True)
class Sampler:
    """Draws networks from a reference by one procedure.

    rooms: for the representations of one draw, by layer, which the next overwrites: to be given
    such large memory anew for every draw costs as much as what is computed in it.
    """

    reference: Reference
    procedure: Procedure
    layers: Sequence[Layer]
    rooms: Mapping[str, Tensor]

    @classmethod
    def of(cls, reference: Reference, procedure: Procedure) -> "Sampler":
        """Make room for the networks of a procedure."""
        layers = procedure.chain(reference.network.layers)
        rooms = {layer.name: room(layer, reference.images) for layer in layers[:-1]}
        return cls(reference, procedure, layers, rooms)

    def draw(self, *, seed: int, number: int) -> Draw:
        """Sample a network layer by layer, each in coordinates aligned with the reference.

        seed, number: name the draw; a draw does not change when others are added.
        """
        reference = self.reference
        weights: dict[str, Tensor] = {}
        scores: dict[str, float] = {}
        x, aligned = reference.images, np.eye(reference.images.shape[1])  # both see the same images
        for level, layer in enumerate(self.layers[:-1]):
            generator = np.random.default_rng([seed, number, level])
            weight = contract(self._rows(layer, generator), aligned)
            weights[layer.name] = to_tensor(weight, like=reference.images)
            output = self.rooms[layer.name]
            batches = propagated(layer, x, weights[layer.name], output)
            aligned, scores[layer.name] = align(reference.representations[layer.name], batches)
            x = output
        classifier = self.layers[-1].name
        weights[classifier] = self.classifier(aligned)
        return Draw(Network(self.layers, weights), scores, x)

    def _rows(self, layer: Layer, generator: np.random.Generator) -> Array:
        """Weights of a layer that read the channels of the reference, drawn or trained."""
        if not self.procedure.samples(layer):
            return _numpy(self.reference.network.weights[layer.name])
        name, neurons, procedure = layer.name, layer.channels, self.procedure
        own = self.reference.factors[name]
        if procedure.covariances == "white":
            return white_rows(own, neurons=neurons, generator=generator)
        factor = self.reference.averaged[name] if procedure.covariances == "averaged" else own
        return sample_rows(factor, neurons=neurons, generator=generator, rank=procedure.rank)

    def classifier(self, aligned: Array) -> Tensor:
        """Weights of the trained classifier after a rotation (C, D) of the reference's last
        channels, or (C·positions, D·positions) of its features."""
        trained = _numpy(self.reference.network.weights[self.layers[-1].name])
        return to_tensor(contract(trained, aligned), like=self.reference.images)


def room(layer: Layer, x: Tensor) -> Tensor:
    """Memory for the representations of a layer, (N, *output_shape), for as many samples as x."""
    memory_format = torch.channels_last if len(layer.output_shape) > 1 else torch.contiguous_format
    return torch.empty((len(x), *layer.output_shape), device=x.device, memory_format=memory_format)


def propagate(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """One layer on all samples: (N, *input_shape) -> (N, *output_shape)."""
    output = room(layer, x)
    for _ in propagated(layer, x, weight, output):
        pass
    return output


@torch.inference_mode()
def propagated(layer: Layer, x: Tensor, weight: Tensor, output: Tensor) -> Iterator[Tensor]:
    """The same into a given output, batch by batch, each handed on while it is in the cache."""
    size = batch_of(layer)
    for batch, place in zip(x.split(size), output.split(size), strict=True):
        preactivation = linear(layer, batch, weight)
        if layer.rectified:
            torch.clamp_min(preactivation, 0, out=place)  # faster than a ReLU and a copy
        else:
            place.copy_(preactivation)
        yield place


def batch_of(layer: Layer) -> int:
    """How many samples a layer is computed for at once."""
    return max(1, VALUES // (layer.channels * layer.positions))


@torch.inference_mode()
def align(
    reference: Tensor, drawn: Iterable[Tensor], *, flattened: bool = False
) -> tuple[Array, float]:
    """Rotation (C, D) from the reference's channels to the drawn ones, and its similarity.

    reference: (N, C, ...), and drawn: (N, D, ...), in batches: representations of the same images.
    flattened: take every feature of an image for a channel, (C·positions, D·positions), instead of
    every position for a sample.
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


def to_tensor(weight: Array, *, like: Tensor) -> Tensor:
    """Weights as float32, on the device of another tensor."""
    return torch.from_numpy(weight.astype(np.float32)).to(like.device)


def _numpy(weight: Tensor) -> Array:
    return weight.double().cpu().numpy()
