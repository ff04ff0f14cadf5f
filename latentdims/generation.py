"""Generation: new networks from the weight covariances of a trained one, aligned layer by layer."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims import data, networks, storage
from latentdims.architectures import Layer
from latentdims.covariance import rows
from latentdims.data import Split
from latentdims.job import progress
from latentdims.networks import BATCH, Network, activate, calibration_error, evaluate, linear
from latentdims.procrustes import rotation, similarity

logger = logging.getLogger(__name__)

ALIGN_BATCH = 1000  # samples whose products are added up at once

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Generated:
    """One draw: the network, and its similarity with the reference after each layer.

    flattened: the same draw with a classifier that is aligned over all flattened features, as the
    published code does it, where that differs from channels.
    """

    network: Network
    similarity: dict[str, float]
    flattened: Network | None = None


def sample_rows(weight: NDArray, *, neurons: int, generator: np.random.Generator) -> Array:
    """Gaussian rows whose covariance is WᵀW / n.

    weight: W, (n, ...), of the n neurons of the reference. Returns G S Vᵀ / √n for G white of
    shape (neurons, R) and the thin singular value decomposition W = U S Vᵀ, as (neurons, ...)
    (Guth et al. 2024, section 3; without the factor √n their code scales every layer up).
    """
    matrix = np.asarray(weight, dtype=np.float64).reshape(len(weight), -1)
    _, singular, transposed = np.linalg.svd(matrix, full_matrices=False)
    white = generator.standard_normal((neurons, len(singular)))
    return (white * (singular / np.sqrt(len(matrix))) @ transposed).reshape(
        neurons, *weight.shape[1:]
    )


def contract(weight: Array, rotation: Array) -> Array:
    """Read another network's channels: weight (out, C·positions) or (out, C, kh, kw) for the
    channels of the reference, rotation (C, D) from the reference to the other -> (out, D·…)."""
    channels, width = rotation.shape
    patches = weight.reshape(len(weight), channels, -1)
    contracted = np.einsum("ocp,cd->odp", patches, rotation)
    shape = (width, *weight.shape[2:]) if weight.ndim == 4 else (-1,)
    return contracted.reshape(len(weight), *shape)


@dataclass(frozen=True)
class Reference:
    """A trained network, with its representations of the training images kept for every draw.

    drawn: room for the representations of one draw, by layer, which the next overwrites: to be
    given such large memory anew for every draw costs as much as what is computed in it.
    """

    network: Network
    images: Tensor
    representations: Mapping[str, Tensor]
    drawn: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: Network, images: Tensor) -> "Reference":
        """Propagate the images (N, C, H, W) through every layer but the classifier, once."""
        representations: dict[str, Tensor] = {}
        x = images
        for layer in network.layers[:-1]:
            representations[layer.name] = _room(layer, x)
            x = propagate(layer, x, network.weights[layer.name], representations[layer.name])
        drawn = {layer: torch.empty_like(kept) for layer, kept in representations.items()}
        return cls(network, images, representations, drawn)

    def weight(self, layer: Layer) -> Array:
        """The trained weights of a layer."""
        return self.network.weights[layer.name].double().cpu().numpy()

    def tensor(self, weight: Array) -> Tensor:
        """Weights as float32 on the device of the reference."""
        return torch.from_numpy(weight.astype(np.float32)).to(self.images.device)


def draw(reference: Reference, *, seed: int, number: int, flattened: bool = False) -> Generated:
    """Sample a network layer by layer, each in coordinates aligned with the reference.

    seed, number: name the draw; a draw does not change when others are added. flattened: also
    align the classifier over all flattened features.
    """
    *hidden, classifier = reference.network.layers
    weights: dict[str, Tensor] = {}
    scores: dict[str, float] = {}
    x, aligned = reference.images, np.eye(reference.images.shape[1])  # both see the same images
    for level, layer in enumerate(hidden):
        sampled = sample_rows(
            reference.weight(layer),
            neurons=layer.channels,
            generator=np.random.default_rng([seed, number, level]),
        )
        weights[layer.name] = reference.tensor(contract(sampled, aligned))
        x = propagate(layer, x, weights[layer.name], reference.drawn[layer.name])
        aligned, scores[layer.name] = align(reference.representations[layer.name], x)

    def complete(rotation: Array) -> Network:
        head = reference.tensor(contract(reference.weight(classifier), rotation))
        return Network(reference.network.layers, {**weights, classifier.name: head})

    network = complete(aligned)
    if not flattened or x.ndim == 2:
        return Generated(network, scores)
    over_features, _ = align(reference.representations[hidden[-1].name], x, flattened=True)
    return Generated(network, scores, complete(over_features))


def _room(layer: Layer, x: Tensor) -> Tensor:
    memory_format = torch.channels_last if len(layer.output_shape) > 1 else torch.contiguous_format
    return torch.empty((len(x), *layer.output_shape), device=x.device, memory_format=memory_format)


@torch.inference_mode()
def propagate(layer: Layer, x: Tensor, weight: Tensor, output: Tensor) -> Tensor:
    """One layer on all samples, in batches: (N, *input_shape) -> output (N, *output_shape)."""
    for batch, place in zip(x.split(BATCH), output.split(BATCH), strict=True):
        place.copy_(activate(layer, linear(layer, batch, weight)))
    return output


@torch.inference_mode()
def align(reference: Tensor, drawn: Tensor, *, flattened: bool = False) -> tuple[Array, float]:
    """Rotation (C, D) from the reference's channels to the drawn ones, and its similarity.

    reference: (N, C, ...) and drawn: (N, D, ...) representations of the same images. flattened:
    take every feature of an image for a channel, instead of every position for a sample.
    """
    cross, power, partner_power = torch.zeros(3, dtype=torch.float64, device=drawn.device)
    for x, y in zip(reference.split(ALIGN_BATCH), drawn.split(ALIGN_BATCH), strict=True):
        x, y = (x.flatten(1), y.flatten(1)) if flattened else (rows(x), rows(y))
        cross = cross + (x.T @ y).double()
        power = power + torch.linalg.vector_norm(x, dtype=torch.float64).square()
        partner_power = partner_power + torch.linalg.vector_norm(y, dtype=torch.float64).square()
    moment = cross.cpu().numpy()
    aligned = rotation(moment)
    return aligned, similarity(
        moment, aligned, power=power.item(), partner_power=partner_power.item()
    )


def generate(
    *,
    images: str | Path,
    network: str | Path,
    output: str | Path,
    draws: int,
    flattened_classifier: bool,
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write the test accuracy of networks drawn from the weight covariances of a trained one.

    flattened_classifier: also measure the published code's variant, where it differs.
    """
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)
    trained = networks.load(network, settings=settings, images=loaded.sha256).at(-1, device=device)
    reference = Reference.of(trained, loaded.train.images)
    scores: dict[str, list[float]] = {}
    for number in progress(range(draws), name="draws"):
        drawn = draw(
            reference, seed=settings["seed"], number=number, flattened=flattened_classifier
        )
        found = measures(drawn.network, loaded.test)
        found |= {f"similarity/{layer}": value for layer, value in drawn.similarity.items()}
        if drawn.flattened:
            found |= measures(drawn.flattened, loaded.test, prefix="flattened_classifier/")
        for name, value in found.items():
            scores.setdefault(name, []).append(value)
        logger.info("draw %d of %d: accuracy %.2f %%", number + 1, draws, scores["accuracy"][-1])
    with storage.create(output, settings=settings, device=device) as file:
        file.attrs["classes"] = len(loaded.classes)
        for name, value in measures(trained, loaded.test, prefix="reference_").items():
            _write(file, name, value)
        for name, values in scores.items():
            _write(file, name, np.array(values), dimensions=("draw",))


def measures(network: Network, split: Split, *, prefix: str = "") -> dict[str, float]:
    """Accuracy, loss and calibration error of a network; the last two tell a wrong scale."""
    loss, accuracy = evaluate(network, split)
    found = {"accuracy": accuracy, "loss": loss}
    found["calibration_error"] = calibration_error(network, split)
    return {prefix + name: value for name, value in found.items()}


def _write(file: h5py.File, name: str, values: Any, *, dimensions: tuple[str, ...] = ()) -> None:
    if name.startswith("similarity"):
        units, description = "1", "cosine with the reference, uncentred, on training images"
    elif name.endswith("loss"):
        units, description = "nats", "test cross-entropy"
    elif name.endswith("error"):
        units, description = "percent", "expected calibration error on test images, 15 bins"
    else:
        units, description = "percent", "test accuracy"
    storage.write(file, name, values, units=units, description=description, dimensions=dimensions)
