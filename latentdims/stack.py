"""Networks of several seeds as one: a step of all takes as many kernels as a step of one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from latentdims.data import Split
from latentdims.layer import Layer
from latentdims.networks import BATCH, Network, activate, by_image, scores


@dataclass(frozen=True)
class Stack:
    """S networks of the same layers, with one tensor of weights for each, (S, *weight_shape)."""

    layers: Sequence[Layer]
    weights: dict[str, Tensor]

    @classmethod
    def of(cls, networks: Sequence[Network]) -> "Stack":
        """A copy of the weights of networks, in their order."""
        weights = {}
        for name in networks[0].weights:
            # Convolutions lie in memory with their channels last, and do so in the stack.
            each = [network.weights[name].movedim(1, -1) for network in networks]
            weights[name] = torch.stack(each).movedim(-1, 2)
        return cls(networks[0].layers, weights)

    def __len__(self) -> int:
        return len(next(iter(self.weights.values())))

    def network(self, index: int) -> Network:
        """One of them, whose weights share their memory with the stack."""
        return Network(self.layers, {name: w.detach()[index] for name, w in self.weights.items()})

    def logits(self, images: Tensor) -> Tensor:
        """Output of each network for images of its own: (S, N, C, H, W) -> (S, N, classes)."""
        x = images
        for layer in self.layers:
            x = activate(layer, linear(layer, x, self.weights[layer.name]))
        return x

    def losses(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of each for images of its own: (S, N, C, H, W) and (S, N) -> (S,)."""
        if len(self) == 1:  # the very bits of a network alone, and no kernel more
            lone = Network(self.layers, {name: w.squeeze(0) for name, w in self.weights.items()})
            return functional.cross_entropy(lone.logits(images[0]), labels[0]).unsqueeze(0)
        return mean_losses(self.logits(images), labels)

    @torch.inference_mode()
    def by_image(self, split: Split) -> Tensor:
        """`networks.by_image` of each network on the same split, (S, 2, N)."""
        if len(self) == 1:
            return by_image(self.network(0), split).unsqueeze(0)
        found = []
        for batch, target in zip(split.images.split(BATCH), split.labels.split(BATCH), strict=True):
            logits = self.logits(batch.expand(len(self), *batch.shape))  # (S, N, classes)
            each = scores(logits.flatten(0, 1), target.repeat(len(self)))
            found.append(each.unflatten(1, (len(self), -1)).movedim(1, 0))
        return torch.cat(found, dim=2)


def linear(layer: Layer, x: Tensor, weight: Tensor) -> Tensor:
    """Pre-activation of a layer in each network: (S, N, *input_shape) -> (S, N, *output_shape)."""
    if weight.ndim == 5:
        # One convolution in which the channels of each network are a group of their own.
        grouped = x.movedim(0, 1).flatten(1, 2).to(memory_format=torch.channels_last)
        out = functional.conv2d(
            grouped, weight.flatten(0, 1), stride=layer.stride, groups=len(weight)
        )  # (N, S · in, H, W) -> (N, S · out, H', W')
        return out.unflatten(1, weight.shape[:2]).movedim(1, 0)
    return torch.bmm(x.flatten(2), weight.mT)


def mean_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each network: (S, N, classes) and (S, N) -> (S,)."""
    each = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(1)
