"""What networks are besides their weights: each block in float64, and the whole for PyTorch to
train. Slow, obvious, and without the package."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from references import scattering
from torch import Tensor, nn

Array = NDArray[np.float64]
Weights = dict[str, Array]
Statistics = dict[str, tuple[Array, ...]]  # mean and variance of each channel, …, by norm
Edits = Mapping[str, Callable[[Array], Array]]  # of the output of sites


class Form(Protocol):
    """A kind of network. statistics: of its norms, once they are known."""

    statistics: Statistics | None

    @property
    def norms(self) -> list[str]:
        """Names in a file, in order."""

    @property
    def kept(self) -> tuple[str, ...]:
        """What a file has of each norm, in the order of the statistics."""

    def forward(self, weights: Weights, x: Array, edits: Edits) -> dict[str, Array]:
        """The output of every site, some of them edited before they are read."""

    def module(self, weights: Weights) -> nn.Module:
        """The network in PyTorch's own words; its matrices are in the order of the weights."""

    def of(self, network: nn.Module) -> Self:
        """With the statistics of a network that was trained."""


class Chain(Form, Protocol):
    """Blocks in a row, each of which has a site."""

    def preactivation(self, name: str, weight: Array, x: Array) -> Array:
        """What comes out of the weights of a block."""

    def activated(self, name: str, x: Array) -> Array:
        """What a block makes of that."""

    def measured(self, name: str, x: Array) -> Self:
        """With the statistics that a block's pre-activation has."""


def in_a_row(form: Chain, weights: Weights, x: Array, edits: Edits) -> dict[str, Array]:
    outputs = {}
    for name, weight in weights.items():
        x = form.activated(name, form.preactivation(name, weight, x))
        x = outputs[name] = edits[name](x) if name in edits else x
    return outputs


class Rectifier(nn.Module):
    """ReLU, whose gradient is undecided where a number is near zero for float32.

    share: of the largest number of a tensor, above which it lets numbers pass.
    """

    share = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return x * (x > self.share * x.abs().max())


class Rectified(NamedTuple):
    """Convolutions, or full connections, each before a ReLU; normed: with batch norm between."""

    stride: int = 1
    padding: int = 0
    normed: tuple[str, ...] = ()
    statistics: Statistics | None = None

    @property
    def norms(self) -> list[str]:
        return [f"{name}.after.0" for name in self.normed]

    @property
    def kept(self) -> tuple[str, ...]:
        return "mean", "var"

    def forward(self, weights: Weights, x: Array, edits: Edits) -> dict[str, Array]:
        return in_a_row(self, weights, x, edits)

    def preactivation(self, name: str, weight: Array, x: Array) -> Array:
        """On (N, C, H, W) or (N, C): a dot product for each neuron and place."""
        if weight.ndim == 2:
            return x.reshape(len(x), -1) @ weight.T
        x = np.pad(x, [(0, 0), (0, 0), *[(self.padding, self.padding)] * 2])
        step = self.stride
        patches = sliding_window_view(x, weight.shape[2:], axis=(2, 3))[:, :, ::step, ::step]
        return np.einsum("nchwij,ocij->nohw", patches, weight)

    def activated(self, name: str, x: Array) -> Array:
        """Normalised, where there are statistics; then ReLU, but for the classifier."""
        if name in self.normed:
            mean, var = (each[:, None, None] for each in self.statistics[f"{name}.after.0"])
            x = (x - mean) / np.sqrt(var + 1e-5)
        return x if name == "classifier" else np.maximum(x, 0)

    def measured(self, name: str, x: Array) -> "Rectified":
        if name not in self.normed:
            return self
        found = x.mean((0, 2, 3)), x.var((0, 2, 3))
        return self._replace(statistics={**self.statistics, f"{name}.after.0": found})

    def module(self, weights: Weights) -> nn.Sequential:
        layers: list[nn.Module] = []
        for name, weight in weights.items():
            if weight.ndim == 4:
                out, channels, *kernel = weight.shape
                layer: nn.Module = nn.Conv2d(
                    channels, out, kernel, stride=self.stride, padding=self.padding, bias=False
                )
            else:
                layers.append(nn.Flatten())
                layer = nn.Linear(*weight.shape[::-1], bias=False)
            layer.weight = nn.Parameter(torch.from_numpy(weight.copy()))
            layers.append(layer)
            if name in self.normed:
                layers.append(nn.BatchNorm2d(len(weight), affine=False, dtype=torch.float64))
            if name != "classifier":
                layers.append(Rectifier())
        return nn.Sequential(*layers)

    def of(self, network: nn.Sequential) -> "Rectified":
        return self._replace(statistics=dict(zip(self.norms, running(network), strict=True)))


class Scattering(NamedTuple):
    """Three scales, with skip and norm; maps are (N, C, 2, H, W), real and imaginary parts."""

    statistics: Statistics | None = None

    @property
    def norms(self) -> list[str]:
        hidden = [f"layer{number}.after.standardise" for number in (1, 2, 3)]
        return ["layer1.before.standardise", *hidden, "layer4.after"]

    @property
    def kept(self) -> tuple[str, ...]:
        return "mean", "var"

    def forward(self, weights: Weights, x: Array, edits: Edits) -> dict[str, Array]:
        return in_a_row(self, weights, x, edits)

    def preactivation(self, name: str, weight: Array, x: Array) -> Array:
        if name == "classifier":
            return x.reshape(len(x), -1) @ weight.T
        if name == "layer1":
            x = self._normalised("layer1.before.standardise", scattered(torch.from_numpy(x)))
        return np.einsum("dc,ncphw->ndphw", weight, x)

    def activated(self, name: str, x: Array) -> Array:
        if name == "classifier":
            return x
        if name == "layer4":
            mean, var = (each[..., None, None] for each in self.statistics["layer4.after"])
            return (x - mean) / np.sqrt(var + 1e-5)
        z = scattered(scattering.whole(torch.from_numpy(x)))
        return self._normalised(f"{name}.after.standardise", z)

    def _normalised(self, norm: str, z: Tensor) -> Array:
        """Standardised, then divided by the norm over channels."""
        mean, var = (torch.from_numpy(each) for each in self.statistics[norm])
        z = scattering.standardised(z, torch.complex(*mean.T), var)
        return scattering.parts(scattering.normalised(z)).numpy()

    def measured(self, name: str, x: Array) -> "Scattering":
        if name == "layer4":
            found = {"layer4.after": (x.mean((0, 3, 4)), x.var((0, 3, 4)))}
        else:
            mean, var = scattering.statistics(scattered(scattering.whole(torch.from_numpy(x))))
            both = torch.view_as_real(mean).numpy(), var.numpy()
            found = {f"{name}.after.standardise": both}
        return self._replace(statistics={**self.statistics, **found})

    def module(self, weights: Weights) -> nn.Sequential:
        layers: list[nn.Module] = []
        for weight in map(torch.from_numpy, list(weights.values())[:-1]):
            layers += [scattering.Collapse(), scattering.Standardise(), scattering.Normalise()]
            layers.append(scattering.Pointwise(weight.clone()))
        norm = nn.BatchNorm2d(2 * len(weight), affine=False, dtype=torch.float64)
        last = torch.from_numpy(weights["classifier"].copy())
        linear = nn.Linear(*last.shape[::-1], bias=False)
        linear.weight = nn.Parameter(last)
        return nn.Sequential(*layers, scattering.Parts(), norm, nn.Flatten(), linear)

    def of(self, network: nn.Sequential) -> "Scattering":
        *complex_, last = running(network)
        kept = [(mean.view(float).reshape(-1, 2), var) for mean, var in complex_]
        kept.append(tuple(each.reshape(-1, 2) for each in last))  # parts are interleaved
        return self._replace(statistics=dict(zip(self.norms, kept, strict=True)))


def scattered(z: Tensor) -> Tensor:
    return scattering.collapse(z, "plain", skip=True)


def running(network: nn.Sequential) -> list[tuple[Array, Array]]:
    """Mean and variance that each norm of a network keeps, in order."""
    norms = [layer for layer in network if hasattr(layer, "running_mean")]
    return [
        tuple(x.numpy().copy() for x in (norm.running_mean, norm.running_var)) for norm in norms
    ]
