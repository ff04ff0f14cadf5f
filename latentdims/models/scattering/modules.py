"""Learned scattering networks: fixed wavelets and phase collapses, learned 1 x 1 matrices.

Source: Guth, Ménard, Rochette, Mallat, A Rainbow in Deep Network Black Boxes, JMLR 25(350), 2024. A
map is (N, C, H, W), or (N, C, 2, H, W) if it is complex, with real and imaginary parts along axis
2. The batch is the last axis in memory, which is fastest on a CPU.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from latentdims.models.blocks import Block, Dense, Map, Normalisation
from latentdims.models.scattering.collapse import (
    Separate,
    batch_first,
    batch_last,
    collapse,
    pieces,
)
from latentdims.models.scattering.wavelets import BANKS, Bank, sizes, widths

EPSILON, SMALLEST = 1e-5, 1e-12


def network(
    *,
    image_shape: Sequence[int],
    classes: int,
    scales: int,
    width: float,
    skip: bool,
    norm: bool,
    last: int | None = None,
) -> nn.Sequential:
    """θ · L_{J+1} · σ P_J · L_J ⋯ σ P_1 · L_1 · σ P_0, as blocks layer1 … layer{J+1}, classifier.

    image_shape: (C, H, W). scales: J, 3 or 7. width: factor of the paper's widths. skip: z and |z|
    are handed on, not |z| alone. norm: each position is divided by its norm over channels.
    last: channels of the last layer, whatever the width. Block j <= J gives what L_{j+1} reads:
    (N, 5C, H, W) without skip, (N, 10C, 2, H, W) with it. Raises InputError.
    """
    side = sizes(image_shape, scales)[-1]
    read = image_shape[0]

    def transform(bank: Bank) -> tuple[nn.Module, int]:
        channels = (10 if skip else 5) * read
        parts: dict[str, nn.Module] = {
            "wavelets": Wavelets(bank, skip=skip),
            "standardise": Standardise(channels, form="complex" if skip else "real"),
        }
        if norm:
            parts["normalise"] = Normalise()
        return nn.Sequential(OrderedDict(parts)), channels

    before, read = transform(BANKS[scales][0])
    blocks: dict[str, nn.Module] = {}
    for number, channels in enumerate(widths(scales, width, last), start=1):
        learned, read = Pointwise(read, channels), channels
        if number <= scales:
            after, read = transform(BANKS[scales][number])
        else:
            after = Standardise(channels, form="parts" if skip else "real")
        blocks[f"layer{number}"] = Block(learned, before=before, after=after)
        before = nn.Identity()
    blocks["classifier"] = Block(Dense(read * (2 if skip else 1) * side**2, classes))
    return nn.Sequential(OrderedDict(blocks))


class Pointwise(Map):
    """A 1 x 1 convolution without bias; real, it acts alike on real and imaginary parts.

    weight: (channels, read). (N, read, ...) -> (N, channels, ...).
    """

    def __init__(self, read: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, read))
        self.bias = None

    def applied(self, x: Tensor, weight: Tensor) -> Tensor:
        x = batch_last(x)
        return batch_first((weight @ x.flatten(1)).view(-1, *x.shape[1:]))

    def columns(self, x: Tensor) -> Tensor:
        return x.movedim(1, 0).flatten(1)

    def output_size(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[2:])


class Wavelets(nn.Module):
    """Wavelets, then the phase collapse; see `collapse.collapse`. No weights, no buffers."""

    def __init__(self, bank: Bank, *, skip: bool) -> None:
        super().__init__()
        self.bank, self.skip = bank, skip

    def forward(self, x: Tensor) -> Tensor:
        return collapse(x, self.bank, skip=self.skip)

    def extra_repr(self) -> str:
        return f"{self.bank}, skip={self.skip}"


class Standardise(Normalisation):
    """Mean 0 and variance 1 of each channel: batch norm without affine part.

    form: "real", maps (N, C, H, W), buffers mean and var (C,); "complex", maps (N, C, 2, H, W),
    mean (C, 2), var (C,) = E|z - m|²; "parts", complex maps whose real and imaginary parts are
    channels of their own, mean and var (C, 2). In training mode the statistics are those of the
    batch, and the buffers move by a tenth towards them (the variance with Bessel's correction, as
    in PyTorch); in evaluation mode they are the buffers.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int, *, form: Literal["real", "complex", "parts"]) -> None:
        super().__init__(channels)
        self.form = form
        of_parts = (channels, 2)
        self.mean = torch.zeros(channels if form == "real" else of_parts)
        self.var = torch.ones(of_parts if form == "parts" else channels)

    def forward(self, x: Tensor) -> Tensor:
        x = batch_last(x)
        # (groups, parts, positions): statistics are of a group, but for the mean, also of a part.
        parts = 2 if self.form == "complex" else 1
        flat = x.view(self.var.numel(), parts, -1)
        if self.training:
            flat, mean, var = _Standardised.apply(flat)
            samples = flat.shape[-1]
            var = var * (samples / max(1, samples - 1))
            # Not in place, for which PyTorch has no rule where networks are trained together.
            for kept, own in ((self.mean, mean), (self.var, var)):
                kept.copy_(kept.lerp(own.view_as(kept), self.momentum))
        else:
            mean, var = self.mean.view(-1, parts, 1), self.var.view(-1, 1, 1)
            flat = (flat - mean) * (var + EPSILON).rsqrt()
        return batch_first(flat.view_as(x))

    def rows(self, x: Tensor) -> Tensor:
        """(C, parts, samples)."""
        parts = x.movedim(0, -1).flatten(-3)
        return parts.unsqueeze(1) if self.form == "real" else parts

    def statistics(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        if self.form == "real":
            return mean[:, 0], variance[:, 0]
        return mean, variance if self.form == "parts" else variance.sum(1)

    def extra_repr(self) -> str:
        return f"{len(self.mean)}, form={self.form}"


class _Standardised(Separate):
    """x (G, P, L) -> (x - m)/√(v + ε), m (G, P) and v (G,) = Σ_p E(x - m)²."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, power = torch.empty_like(x), x.new_empty(x.shape[:2]), x.new_empty(len(x))
        for some in pieces(len(x), x):
            torch.mean(x[some], 2, out=mean[some])
            torch.sub(x[some], mean[some, :, None], out=y[some])
            torch.linalg.vector_norm(y[some], dim=(1, 2), out=power[some])
            var = power[some].square_().div_(x.shape[2])
            y[some].mul_((var + EPSILON).rsqrt_()[:, None, None])
        return y, mean, power

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, Tensor, Tensor]) -> None:
        y, mean, power = output
        ctx.save_for_backward(y, (power + EPSILON).rsqrt_())
        ctx.mark_non_differentiable(mean, power)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> Tensor:
        y, scale = ctx.saved_tensors
        result = torch.empty_like(y)
        for some in pieces(len(y), y):
            g, part = gradient[some], result[some]
            along = torch.mul(g, y[some], out=part).sum((1, 2)) / y.shape[2]
            torch.sub(g, g.mean(2, keepdim=True), out=part)
            part.addcmul_(y[some], along[:, None, None], value=-1)
            part *= scale[some, None, None]
        return result


class Normalise(nn.Module):
    """Each position divided by its ℓ² norm over channels, at least 1e-12.

    The gradient of a position whose norm is less is 0: it has no direction.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = batch_last(x)
        positions = math.prod(x.shape[-3:])
        y = _Normalised.apply(x.view(1, -1, positions))[0]
        return batch_first(y.view_as(x))


class _Normalised(Separate):
    """x (S, D, L) -> x / ‖x‖ of each column, and 1 / ‖x‖ (S, L)."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        y, power = torch.empty_like(x), x.new_zeros(len(x), x.shape[2])
        for some in pieces(x.shape[1], x):
            power += x[:, some].square().sum(1)
        inverse = power.sqrt_().clamp_(min=SMALLEST).reciprocal_()
        for some in pieces(x.shape[1], x):
            torch.mul(x[:, some], inverse[:, None], out=y[:, some])
        return y, inverse

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> Tensor:
        y, inverse = ctx.saved_tensors
        result, along = torch.empty_like(y), torch.zeros_like(inverse)
        for some in pieces(y.shape[1], y):
            along += torch.mul(gradient[:, some], y[:, some], out=result[:, some]).sum(1)
        rate, along = torch.where(inverse < 1 / SMALLEST, inverse, 0)[:, None], along[:, None]
        for some in pieces(y.shape[1], y):
            part = result[:, some]
            torch.addcmul(gradient[:, some], y[:, some], along, value=-1, out=part)
            part *= rate
        return result
