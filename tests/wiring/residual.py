"""A residual network of three basic blocks, in float64: first by hand, then for PyTorch."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from forms import Array, Rectified, Rectifier, Statistics, Weights
from torch import Tensor, nn

STRIDES = (1, 2, 2)
# Of each block: its two maps, and that of what is added.
BLOCKS = (
    ("layer2", "layer3", None),
    ("layer4", "layer5", "layer5_shortcut"),
    ("layer6", "layer7", "layer7_shortcut"),
)
READS = {
    "layer1": None,
    **{"layer2": "layer1", "layer3": "layer2", "layer4": "layer3", "layer5": "layer4"},
    **{"layer5_shortcut": "layer3", "layer6": "layer5", "layer7": "layer6"},
    **{"layer7_shortcut": "layer5", "classifier": "layer7"},
}
NORMS = {
    "layer1": "layer1.after.0",
    **{"layer2": "block1.first.after.0", "layer3": "block1.second.after"},
    **{"layer4": "block2.first.after.0", "layer5": "block2.second.after"},
    "layer5_shortcut": "block2.shortcut.after",
    **{"layer6": "block3.first.after.0", "layer7": "block3.second.after"},
    "layer7_shortcut": "block3.shortcut.after",
}


class Residual(NamedTuple):
    """statistics: mean, variance, scale and shift of each channel, by norm."""

    statistics: Statistics | None = None

    @property
    def norms(self) -> list[str]:
        return list(NORMS.values())

    @property
    def kept(self) -> tuple[str, ...]:
        return "mean", "var", "weight", "bias"

    def forward(
        self, weights: Weights, x: Array, edits: Mapping[str, Callable[[Array], Array]]
    ) -> dict[str, Array]:
        outputs: dict[str, Array] = {}

        def seen(site: str, output: Array) -> Array:
            outputs[site] = edits[site](output) if site in edits else output
            return outputs[site]

        x = seen("layer1", np.maximum(self._normed("layer1", weights, x), 0))
        for stride, (first, second, shortcut) in zip(STRIDES, BLOCKS, strict=True):
            inner = seen(first, np.maximum(self._normed(first, weights, x, stride), 0))
            added = self._normed(shortcut, weights, x, stride) if shortcut else x
            x = seen(second, np.maximum(self._normed(second, weights, inner) + added, 0))
        seen("classifier", x.mean((2, 3)) @ weights["classifier"].T)
        return outputs

    def _normed(self, name: str, weights: Weights, x: Array, stride: int = 1) -> Array:
        weight = weights[name]
        convolution = Rectified(stride=stride, padding=weight.shape[2] // 2)
        x = convolution.preactivation(name, weight, x)
        mean, var, scale, shift = (each[:, None, None] for each in self.statistics[NORMS[name]])
        return (x - mean) / np.sqrt(var + 1e-5) * scale + shift

    def module(self, weights: Weights) -> nn.Module:
        return Module(weights)

    def of(self, network: nn.Module) -> "Residual":
        found = {}
        for name, norm in NORMS.items():
            own = network.norms[name]
            parts = own.running_mean, own.running_var, own.weight, own.bias
            found[norm] = tuple(each.detach().numpy().copy() for each in parts)
        return self._replace(statistics=found)


class Module(nn.Module):
    """The same of PyTorch's own modules."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.maps, self.norms, self.rectified = nn.ModuleDict(), nn.ModuleDict(), Rectifier()
        strides = {
            name: stride
            for stride, (first, _, shortcut) in zip(STRIDES, BLOCKS, strict=True)
            for name in (first, shortcut)
        }
        for name, weight in weights.items():
            if name == "classifier":
                layer: nn.Module = nn.Linear(*weight.shape[::-1], bias=False)
            else:
                out, channels, *size = weight.shape
                layer = nn.Conv2d(
                    channels, out, size, strides.get(name, 1), size[0] // 2, bias=False
                )
                self.norms[name] = nn.BatchNorm2d(out, dtype=torch.float64)
            layer.weight = nn.Parameter(torch.from_numpy(weight.copy()))
            self.maps[name] = layer

    def forward(self, x: Tensor) -> Tensor:
        def normed(name: str, x: Tensor) -> Tensor:
            return self.norms[name](self.maps[name](x))

        x = self.rectified(normed("layer1", x))
        for first, second, shortcut in BLOCKS:
            added = normed(shortcut, x) if shortcut else x
            inner = self.rectified(normed(first, x))
            x = self.rectified(normed(second, inner) + added)
        return self.maps["classifier"](x.mean((2, 3)))
