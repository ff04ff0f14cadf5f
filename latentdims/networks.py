"""Networks: weights on a device, what their layers compute, and their files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latentdims import architecture, architectures, broken, storage
from latentdims.architecture import Architecture
from latentdims.data import Split
from latentdims.layer import Layer

BATCH = 250  # samples that are propagated at once where no gradient is needed


@dataclass(frozen=True)
class Network:
    """A chain of weight layers and one weight tensor for each, by name."""

    layers: Sequence[Layer]
    weights: Mapping[str, Tensor]

    def representations(self, images: Tensor) -> Iterator[tuple[Layer, Tensor]]:
        """Each layer with its representation: what comes out of its non-linearity.

        images: (N, C, H, W). A representation is (N, channels) or (N, channels, height, width);
        that of the classifier is the logits, (N, classes).
        """
        x = images
        for layer in self.layers:
            x = activate(layer, linear(layer, x, self.weights[layer.name]))
            yield layer, x

    def logits(self, x: Tensor, *, after: int = 0) -> Tensor:
        """Output of the classifier, (N, classes), given the input of layer number `after`."""
        for layer in self.layers[after:]:
            x = activate(layer, linear(layer, x, self.weights[layer.name]))
        return x


def linear(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """Pre-activation of a layer: (N, *input_shape) -> (N, *output_shape)."""
    if weight.ndim == 4:
        # Channels last, for which CPUs and GPUs have their fast kernels, forwards and backwards.
        x = x.to(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, stride=layer.stride)
    return functional.linear(x.flatten(1), weight)


def activate(layer: Layer, preactivation: Tensor) -> Tensor:
    """The non-linearity of a layer: ReLU, or none for the classifier."""
    return functional.relu(preactivation) if layer.rectified else preactivation


def initial_weights(layers: Sequence[Layer], *, seed: int, device: str) -> dict[str, Tensor]:
    """PyTorch's default initialisation, uniform in ±1/√fan-in, of variance 1/(3 fan-in).

    Drawn on the CPU, so that a seed names the same network on every device.
    """
    generator = torch_generator(seed, stream=0)
    weights = {}
    for layer in layers:
        bound = 1 / math.sqrt(layer.fan_in)
        weight = torch.empty(layer.weight_shape).uniform_(-bound, bound, generator=generator)
        if weight.ndim == 4:
            weight = weight.contiguous(memory_format=torch.channels_last)
        weights[layer.name] = weight.to(device)
    return weights


def torch_generator(seed: int, *, stream: int) -> torch.Generator:
    """A CPU generator for one of the independent random streams of a seed."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))


def evaluate(network: Network, split: Split) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy (percent) of a network on a split."""
    loss, accuracy = by_image(network, split).mean(1).tolist()
    return loss, accuracy


@torch.inference_mode()
def by_image(network: Network, split: Split) -> Tensor:
    """Cross-entropy (nats) of each image, and 100 where its class is right, else 0: (2, N)."""
    batches = zip(split.images.split(BATCH), split.labels.split(BATCH), strict=True)
    return torch.cat([scores(network.logits(batch), target) for batch, target in batches], dim=1)


def scores(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy (nats) and percent correct of logits (N, classes), (2, N) float64."""
    losses = functional.cross_entropy(logits, labels, reduction="none")
    return torch.stack([losses.double(), 100 * (logits.argmax(1) == labels).double()])


def score(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Accuracy (percent), mean cross-entropy (nats) and calibration error (percent) of logits
    (N, classes) for labels (N,); NaN where a logit is not finite."""
    if not logits.isfinite().all():
        return dict.fromkeys(("accuracy", "loss", "calibration_error"), math.nan)
    right = (logits.argmax(1) == labels).sum()
    return {
        "accuracy": 100 * right.item() / len(labels),
        "loss": functional.cross_entropy(logits.double(), labels).item(),
        "calibration_error": calibration_error(logits, labels),
    }


def calibration_error(logits: Tensor, labels: Tensor, *, bins: int = 15) -> float:
    """Expected calibration error, in percent: how far confidence is from accuracy on average.

    Samples are binned by the probability of the predicted class; the error is the mean over bins,
    weighted by their samples, of |accuracy - mean confidence| (Guo et al. 2017, equation 3).
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    gap = (predicted == labels).double() - confidence
    place = (confidence * bins).long().clamp(max=bins - 1)
    sums = torch.zeros(bins, dtype=gap.dtype, device=gap.device).index_put((place,), gap, True)
    return 100 * sums.abs().sum().item() / len(labels)


@dataclass(frozen=True)
class Trained:
    """A network file in memory: its layers, and its weights at every epoch that was kept.

    architecture: as the file has it. weights: float32 arrays (E, *weight_shape) by layer. epochs:
    (E,), 0 first, the last last.
    """

    architecture: Architecture
    layers: list[Layer]
    epochs: np.ndarray
    weights: dict[str, np.ndarray]

    def at(self, epoch: int, *, device: str) -> Network:
        """The network at one index of the axis of epochs: 0 is initial, -1 is trained."""
        weights = {}
        for layer in self.layers:
            weight = torch.from_numpy(self.weights[layer.name][epoch])
            if weight.ndim == 4:
                weight = weight.contiguous(memory_format=torch.channels_last)
            weights[layer.name] = weight.to(device)
        return Network(self.layers, weights)


def load(path: str | Path, *, settings: Mapping[str, Any], images: str) -> Trained:
    """Read a network file, and check that it is the one that was asked for.

    settings: what must have made it; images: the sha256 of the data set it must have seen.
    Raises InputError naming the file and what differs.
    """
    with storage.read(path, needs=["epochs", "weights", "history"], made_with=settings) as file:
        if file.attrs["images_sha256"] != images:
            broken.refuse(
                Path(path),
                f"was trained on other images (sha256 {file.attrs['images_sha256'][:12]}…) than "
                f"the data set of today ({images[:12]}…)",
            )
        layers = architectures.from_file(file)
        weights = {layer.name: file["weights"][layer.name][()] for layer in layers}
        return Trained(architecture.read(file), layers, file["epochs"][()], weights)
