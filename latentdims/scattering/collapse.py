"""Wavelets and the phase collapse as one differentiable function, on maps whose batch is last.

Memory is (C, parts, H, W, N): matrix products then need no transposition. See `wavelets`.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from latentdims.scattering import wavelets
from latentdims.scattering.wavelets import Bank

CHUNK = 2**17  # numbers that are made at once on a CPU, so that they stay in its cache


def batch_last(x: Tensor) -> Tensor:
    """(N, ...) -> (..., N), contiguous; copies only what does not lie so in memory."""
    return x.movedim(0, -1).contiguous()


def batch_first(x: Tensor) -> Tensor:
    """(..., N) -> (N, ...), a view."""
    return x.movedim(-1, 0)


def pieces(length: int, made: Tensor) -> Iterator[slice]:
    """Slices of an axis of this length along which `made` is made, small ones on a CPU."""
    size = length
    if made.device.type == "cpu":
        size = max(1, CHUNK * length // max(1, made.numel()))
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


class Operator:
    """One step of wavelets on a device: `apply` for maps, `adjoint` for their gradients.

    Of c channels, contiguous: x (c, parts, H, W, N), low (c, low_parts, H', W', N) and
    band (c, angles, 2, H', W', N).
    """

    def __init__(self, step: wavelets.Step, *, dtype: torch.dtype, device: torch.device) -> None:
        def tensor(matrix: np.ndarray) -> Tensor:
            return torch.from_numpy(matrix).to(device, dtype)

        self._columns = None if step.columns is None else tensor(step.columns)
        self._low = tensor(step.low)
        self._band = [(part.factor, part.angles, tensor(part.matrix)) for part in step.band]
        self._factors = 1 + max(part.factor for part in step.band)

    def apply(self, x: Tensor, low: Tensor, band: Tensor) -> None:
        """Fill low with u ⋆ φ and band with u ⋆ ψ, of the channels u in x."""
        mixed = x
        if self._columns is not None:
            rows = x.flatten(0, 2)  # (c · parts · H, W, N)
            mixed = torch.bmm(_each(self._columns, len(rows)), rows)
        factors = self._by_factor(mixed, x, low)
        _product(self._low, factors[0], out=low.view(len(x), len(self._low), -1))
        begun = set()
        for factor, angles, matrix in self._band:
            out = band[:, angles].view(len(x), len(matrix), -1)
            _product(matrix, factors[factor], out=out, add=angles.start in begun)
            begun.add(angles.start)

    def adjoint(self, low: Tensor, band: Tensor, x: Tensor) -> None:
        """Fill x with its gradient, given those of low and band."""
        mixed, rows = x, x.flatten(0, 2)
        if self._columns is not None:
            mixed = x.new_empty(len(rows), len(self._columns), x.shape[-1])
        factors = self._by_factor(mixed, x, low)
        _product(self._low.T, low.view(len(x), len(self._low), -1), out=factors[0])
        for factor, angles, matrix in self._band:
            gradient = band[:, angles].view(len(x), len(matrix), -1)
            _product(matrix.T, gradient, out=factors[factor], add=factor == 0)
        if self._columns is not None:
            torch.bmm(_each(self._columns.T, len(rows)), mixed, out=rows)

    def _by_factor(self, mixed: Tensor, x: Tensor, low: Tensor) -> tuple[Tensor, ...]:
        """Views of what the columns make of x, for each factor (c, parts · H, W' · N)."""
        if self._columns is None:
            return (mixed.view(len(x), -1, x.shape[-1]),)
        return mixed.view(len(x), -1, self._factors, low.shape[-2] * x.shape[-1]).unbind(2)


@lru_cache
def operator(
    bank: Bank, size: int, parts: int, low_parts: int, dtype: torch.dtype, device: torch.device
) -> Operator:
    """The step of a bank on maps of size x size, kept for all layers; see `wavelets.step`."""
    step = wavelets.step(bank, size, parts=parts, low_parts=low_parts)
    return Operator(step, dtype=dtype, device=device)


def collapse(x: Tensor, bank: Bank, *, skip: bool) -> Tensor:
    """Wavelets P, then the phase collapse σ.

    x: (N, C, H, W) real or (N, C, 2, H, W) complex. Without skip: [u ⋆ φ, |u ⋆ ψ|], real,
    (N, 5C, H', W'). With skip: z = [u ⋆ φ, u ⋆ ψ] and |z|, complex, (N, 10C, 2, H', W'). All C
    low-pass channels come first, then 4C band-pass channels, the angle varying fastest. The
    gradient of a modulus at 0 is 0.
    """
    if x.ndim == 4:
        x = x.unsqueeze(2)
    function = _WithSkip if skip else _WithoutSkip
    return batch_first(function.apply(batch_last(x), bank))


class _WithSkip(torch.autograd.Function):
    """(C, parts, H, W, N) -> (10C, 2, H', W', N)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bank: Bank) -> Tensor:
        c, parts, h, w, n = x.shape
        step = operator(bank, h, parts, 2, x.dtype, x.device)
        out = x.new_empty(10 * c, 2, h // bank.stride, w // bank.stride, n)
        low, band, modulus = out[:c], out[c : 5 * c], out[5 * c :]
        modulus[:, 1] = 0
        for some, angles in _chunks(c, out):
            step.apply(x[some], low[some], band[angles].unflatten(0, (-1, 4)))
            _modulus(low[some], out=modulus[:c, 0][some])
            _modulus(band[angles], out=modulus[c:, 0][angles])
        ctx.step, ctx.shape = step, x.shape
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        c = len(out) // 10
        gradient = gradient.contiguous()
        result = out.new_empty(ctx.shape)

        def through(part: slice) -> Tensor:
            of_modulus = slice(5 * c + part.start, 5 * c + part.stop)
            rate = _rate(gradient[of_modulus, 0], out[of_modulus, 0])
            return torch.addcmul(gradient[part], out[part], rate.unsqueeze(1))

        for some, angles in _chunks(c, out):
            band = through(slice(c + angles.start, c + angles.stop)).unflatten(0, (-1, 4))
            ctx.step.adjoint(through(some), band, result[some])
        return result, None


class _WithoutSkip(torch.autograd.Function):
    """(C, parts, H, W, N) -> (5C, H', W', N)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bank: Bank) -> Tensor:
        c, parts, h, w, n = x.shape
        step = operator(bank, h, parts, 1, x.dtype, x.device)
        out = x.new_empty(5 * c, h // bank.stride, w // bank.stride, n)
        waves = x.new_empty(4 * c, 2, *out.shape[1:])
        low, band = out[:c].unsqueeze(1), out[c:]
        for some, angles in _chunks(c, waves):
            step.apply(x[some], low[some], waves[angles].unflatten(0, (-1, 4)))
            _modulus(waves[angles], out=band[angles])
        ctx.step, ctx.shape = step, x.shape
        ctx.save_for_backward(out, waves)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        out, waves = ctx.saved_tensors
        c = len(out) // 5
        gradient = gradient.contiguous()
        result = out.new_empty(ctx.shape)
        low, band = gradient[:c].unsqueeze(1), gradient[c:]
        for some, angles in _chunks(c, waves):
            rate = _rate(band[angles], out[c:][angles])
            through = waves[angles] * rate.unsqueeze(1)
            ctx.step.adjoint(low[some], through.unflatten(0, (-1, 4)), result[some])
        return result, None


def _chunks(channels: int, made: Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of channels, with those of their band-pass channels."""
    for some in pieces(channels, made):
        yield some, slice(4 * some.start, 4 * some.stop)


def _modulus(z: Tensor, *, out: Tensor) -> None:
    """(c, 2, ...) -> (c, ...)."""
    torch.mul(z[:, 0], z[:, 0], out=out)
    out.addcmul_(z[:, 1], z[:, 1]).sqrt_()


def _rate(gradient: Tensor, modulus: Tensor) -> Tensor:
    """Gradient of a modulus over the modulus; finite where that is 0, as z is 0 there."""
    return gradient / modulus.clamp(min=torch.finfo(modulus.dtype).tiny ** 0.5)


def _each(matrix: Tensor, batch: int) -> Tensor:
    return matrix.expand(batch, *matrix.shape)


def _product(matrix: Tensor, x: Tensor, *, out: Tensor, add: bool = False) -> None:
    """matrix (k, m) times each of x (c, m, l), into or added to out (c, k, l)."""
    torch.baddbmm(out, _each(matrix, len(x)), x, beta=int(add), out=out)
