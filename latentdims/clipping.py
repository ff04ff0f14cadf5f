"""Clipping: accuracy of a network of which one layer sees only k dimensions.

The basis of a representation acts on its channels, everywhere in space: φ_j becomes its projection
on the first k vectors. The basis of weights acts on flattened patches: W_j becomes W_j P_k.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from latentdims import data, networks, storage
from latentdims.architectures import Layer, check_ranks
from latentdims.data import Split
from latentdims.job import progress
from latentdims.networks import Network, activate, evaluate
from latentdims.spectra import eigh, weight_components

logger = logging.getLogger(__name__)

CLIP_BATCH = 500  # samples at once: the pre-activations of one rank then stay in the cache


@dataclass(frozen=True)
class Components:
    """A layer's pre-activation as a sum over R components: offset + Σ_k decode_k(encode_k(x)).

    number: of the layer in the chain. encode, decode: weights (R, C, ...) and (out, R, ...) with
    their strides; of the two, one is the layer's own map in rotated coordinates, the other acts at
    each position alone. mean: what is taken from the input before, (C,), with the pre-activation
    that it alone would give as offset.
    """

    number: int
    encode: Tensor
    decode: Tensor
    encode_stride: int = 1
    decode_stride: int = 1
    mean: Tensor | None = None


def of_representation(
    network: Network, number: int, vectors: Tensor, mean: Tensor | None = None
) -> Components:
    """Components of layer `number` in an orthonormal basis (C, C) of its input channels."""
    layer = network.layers[number]
    weight = network.weights[layer.name]
    channels, positions = layer.patch_shape
    rotated = torch.einsum("ocp,cr->orp", weight.reshape(-1, channels, positions), vectors)
    in_space = len(layer.input_shape) > 1
    return Components(
        number,
        encode=vectors.T[:, :, None, None] if in_space else vectors.T,
        decode=rotated.reshape(weight.shape) if weight.ndim == 4 else rotated,
        decode_stride=layer.stride,
        mean=mean,
    )


def of_weights(network: Network, number: int, vectors: Tensor) -> Components:
    """Components of layer `number` in orthonormal vectors (fan-in, R) of its flattened patches."""
    layer = network.layers[number]
    weight = network.weights[layer.name]
    decode = weight.flatten(1) @ vectors  # (out, R)
    return Components(
        number,
        encode=vectors.T.reshape(-1, *weight.shape[1:]),
        decode=decode[:, :, None, None] if weight.ndim == 4 else decode,
        encode_stride=layer.stride,
    )


@torch.inference_mode()
def accuracy_by_rank(
    network: Network, split: Split, components: Components, ranks: Sequence[int]
) -> NDArray[np.float64]:
    """Accuracy in percent when only the first k components are kept, for each k of `ranks`.

    ranks: ascending. Going from one rank to the next adds the components between them; only the
    layers that follow are run again.
    """
    correct = torch.zeros(len(ranks), dtype=torch.int64, device=split.labels.device)
    layer = network.layers[components.number]
    batches = zip(split.images.split(CLIP_BATCH), split.labels.split(CLIP_BATCH), strict=True)
    for images, labels in batches:
        x = images
        for before in network.layers[: components.number]:
            x = activate(before, networks.linear(before, x, network.weights[before.name]))
        preactivation, z = _encode(network, layer, components, x)
        done = 0
        for index, rank in enumerate(ranks):
            _add(preactivation, z[:, done:rank], components, slice(done, rank))
            logits = network.logits(activate(layer, preactivation), after=components.number + 1)
            correct[index] += (logits.argmax(1) == labels).sum()
            done = rank
    return 100 * correct.cpu().numpy() / len(split.labels)


def _encode(
    network: Network, layer: Layer, components: Components, x: Tensor
) -> tuple[Tensor, Tensor]:
    """The pre-activation with no component, and the components (N, R, ...) of an input."""
    shape = (len(x), *layer.output_shape)
    preactivation = x.new_zeros(shape)
    if len(shape) == 4:
        preactivation = preactivation.to(memory_format=torch.channels_last)
    if components.mean is not None:
        mean = components.mean.reshape(1, -1, *(1,) * (x.ndim - 2))
        preactivation += networks.linear(layer, mean.expand_as(x[:1]), network.weights[layer.name])
        x = x - mean
    return preactivation, _apply(x, components.encode, components.encode_stride).contiguous()


def _add(preactivation: Tensor, z: Tensor, components: Components, kept: slice) -> None:
    decode = components.decode[:, kept]
    if decode.ndim == 4:
        preactivation += functional.conv2d(z, decode, stride=components.decode_stride)
    else:
        preactivation.addmm_(z.flatten(1), decode.flatten(1).T)


def _apply(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    if weight.ndim == 4:
        return functional.conv2d(x, weight, stride=stride)
    return functional.linear(x.flatten(1), weight.flatten(1))


def clip(
    *,
    images: str | Path,
    network: str | Path,
    covariance: str | Path,
    output: str | Path,
    bases: Sequence[str],
    ranks: str | Sequence[int],
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write the test accuracy of a trained network against rank, for each basis and layer.

    bases: of `activation`, `activation_centred`, `random` (which clip the representation of a
    layer) and `weight` (which clips its weights). ranks: `all`, or a list of which each layer takes
    those within its dimension. Raises InputError for a rank beyond every layer's, and for files
    that do not belong to the settings.
    """
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as stored:
        test, sha256 = stored.split("test"), stored.sha256
    trained = networks.load(network, settings=settings, images=sha256).at(-1, device=device)
    check_ranks(trained.layers, bases=bases, ranks=ranks)
    with (
        storage.read(covariance, needs=["train"], made_with=settings) as moments,
        storage.create(output, settings=settings, device=device) as file,
    ):
        storage.write(
            file,
            "reference_accuracy",
            evaluate(trained, test)[1],
            units="percent",
            description="test accuracy of the network as it was trained",
        )
        for basis in bases:
            clipped = trained.layers if basis == "weight" else trained.layers[:-1]
            for number, layer in enumerate(progress(clipped, name=basis)):
                components = _components(trained, number, basis, moments, settings["seed"])
                dimension = min(components.decode.shape[1], components.encode.shape[0])
                kept = [k for k in range(1, dimension + 1) if ranks == "all" or k in ranks]
                accuracy = accuracy_by_rank(trained, test, components, kept)
                _save(file.create_group(f"{basis}/{layer.name}"), kept, accuracy)
                logger.info("%s, %s: %d ranks", basis, layer.name, len(kept))


def _components(
    network: Network, number: int, basis: str, moments: h5py.File, seed: int
) -> Components:
    """Components that clip layer `number`: its weights, or its representation at the next layer."""
    layer = network.layers[number]
    weight = network.weights[layer.name]

    def tensor(array: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(weight)

    if basis == "weight":
        vectors = weight_components(weight.detach().cpu().numpy())[1]
        return of_weights(network, number, tensor(vectors))
    covariance = moments[f"train/{layer.name}/covariance"][-1]
    mean = moments[f"train/{layer.name}/mean"][-1]
    if basis == "random":
        random = np.random.default_rng([seed, number]).standard_normal(covariance.shape)
        return of_representation(network, number + 1, tensor(np.linalg.qr(random)[0]))
    if basis == "activation_centred":
        vectors = eigh(covariance)[1]
        return of_representation(network, number + 1, tensor(vectors), tensor(mean))
    vectors = eigh(covariance + np.outer(mean, mean))[1]
    return of_representation(network, number + 1, tensor(vectors))


def _save(group: h5py.Group, ranks: Sequence[int], accuracy: NDArray[np.float64]) -> None:
    storage.write(
        group, "rank", np.array(ranks), units="1", description="number of dimensions kept"
    )
    storage.write(
        group,
        "accuracy",
        accuracy,
        units="percent",
        description="test accuracy with this many dimensions",
        dimensions=("rank",),
    )
