"""Wavelets and the phase collapse as one differentiable function, on maps whose batch is last.

Memory is (C, parts, H, W, N): matrix products then need no transposition. See `wavelets`.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from latentdims.models.scattering import wavelets
from latentdims.models.scattering.wavelets import Bank

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


class Separate(torch.autograd.Function):
    """A function of tensors whose axis 0 holds what is treated separately, to tensors alike.

    Networks that are trained together lie along that axis (`torch.func.vmap`).
    """

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], x: Tensor, *others: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        stacked = x.movedim(cast(int, in_dims[0]), 0)  # (S, A, ...), and others are no tensors
        found = cls.apply(stacked.flatten(0, 1), *others)
        return tuple(each.unflatten(0, (len(stacked), -1)) for each in found), (0,) * len(found)


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
    out = function.apply(batch_last(x).unsqueeze(0), bank)[0]
    return batch_first(out.squeeze(0))


class _WithSkip(Separate):
    """(S, C, parts, H, W, N) -> (S, 10C, 2, H', W', N)."""

    @staticmethod
    def forward(x: Tensor, bank: Bank) -> tuple[Tensor]:
        _, c, _, h, w, n = x.shape
        step = _operator(x, bank, low_parts=2)
        out = x.new_empty(len(x), 10 * c, 2, h // bank.stride, w // bank.stride, n)
        for one, made in zip(x, out, strict=True):
            low, band, modulus = made[:c], made[c : 5 * c], made[5 * c :]
            modulus[:, 1] = 0
            for some, angles in _chunks(c, made):
                step.apply(one[some], low[some], band[angles].unflatten(0, (-1, 4)))
                _modulus(low[some], out=modulus[:c, 0][some])
                _modulus(band[angles], out=modulus[c:, 0][angles])
        return (out,)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Bank], output: tuple[Tensor]) -> None:
        x, bank = inputs
        ctx.step, ctx.shape = _operator(x, bank, low_parts=2), x.shape
        ctx.save_for_backward(*output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        result = out.new_empty(ctx.shape)
        for each in zip(gradient.contiguous(), out, result, strict=True):
            _WithSkip._backward(ctx.step, *each)
        return result, None

    @staticmethod
    def _backward(step: Operator, gradient: Tensor, out: Tensor, result: Tensor) -> None:
        c = len(result)

        def through(part: slice) -> Tensor:
            of_modulus = slice(5 * c + part.start, 5 * c + part.stop)
            rate = _rate(gradient[of_modulus, 0], out[of_modulus, 0])
            return torch.addcmul(gradient[part], out[part], rate.unsqueeze(1))

        for some, angles in _chunks(c, out):
            band = through(slice(c + angles.start, c + angles.stop)).unflatten(0, (-1, 4))
            step.adjoint(through(some), band, result[some])


class _WithoutSkip(Separate):
    """(S, C, parts, H, W, N) -> (S, 5C, H', W', N), and u ⋆ ψ, (S, 4C, 2, H', W', N)."""

    @staticmethod
    def forward(x: Tensor, bank: Bank) -> tuple[Tensor, Tensor]:
        _, c, _, h, w, n = x.shape
        step = _operator(x, bank, low_parts=1)
        out = x.new_empty(len(x), 5 * c, h // bank.stride, w // bank.stride, n)
        waves = x.new_empty(len(x), 4 * c, 2, *out.shape[2:])
        for one, made, wave in zip(x, out, waves, strict=True):
            low, band = made[:c].unsqueeze(1), made[c:]
            for some, angles in _chunks(c, wave):
                step.apply(one[some], low[some], wave[angles].unflatten(0, (-1, 4)))
                _modulus(wave[angles], out=band[angles])
        return out, waves

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Bank], output: tuple[Tensor, Tensor]) -> None:
        x, bank = inputs
        ctx.step, ctx.shape = _operator(x, bank, low_parts=1), x.shape
        ctx.save_for_backward(*output)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
        out, waves = ctx.saved_tensors
        result = out.new_empty(ctx.shape)
        for each in zip(gradient.contiguous(), out, waves, result, strict=True):
            _WithoutSkip._backward(ctx.step, *each)
        return result, None

    @staticmethod
    def _backward(
        step: Operator, gradient: Tensor, out: Tensor, waves: Tensor, result: Tensor
    ) -> None:
        c = len(result)
        low, band = gradient[:c].unsqueeze(1), gradient[c:]
        for some, angles in _chunks(c, waves):
            rate = _rate(band[angles], out[c:][angles])
            through = waves[angles] * rate.unsqueeze(1)
            step.adjoint(low[some], through.unflatten(0, (-1, 4)), result[some])


def _operator(x: Tensor, bank: Bank, *, low_parts: int) -> Operator:
    """The step of a bank on maps x (S, C, parts, H, W, N)."""
    return operator(bank, x.shape[3], x.shape[2], low_parts, x.dtype, x.device)


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
