"""Learned scattering networks once more: complex Fourier transforms in float64, and nothing else.

Source: Guth, Ménard, Rochette, Mallat, A Rainbow in Deep Network Black Boxes, JMLR 25(350), 2024.
Maps are (N, C, H, W), real or complex.
"""

import math
from functools import cache

import torch
from torch import Tensor, nn

ROOT = math.sqrt(2)
# Stride, σ and |ξ| of ψ, σ of φ.
BANKS = {
    "a": (1, 0.8, 3 * math.pi / 4, 0.8 / ROOT),
    "b": (2, 0.8 * math.sqrt(1.5), math.pi / ROOT, 0.8 / ROOT),
    "plain": (2, 0.8, 3 * math.pi / 4, 0.8),
}
STEPS = {3: ["plain"] * 4, 7: ["a", "b"] * 4}  # banks of P_0 … P_J by the number of scales J

Statistics = tuple[Tensor, Tensor]  # mean and variance of each channel (C,)


def gabor(n: int, sigma: float, xi: float, theta: float) -> Tensor:
    """Sampled at (row, column) >= 0, and summed over 5 x 5 tiles: (n, n)."""
    found = torch.zeros(n, n, dtype=torch.complex128)
    for down in range(-2, 3):
        for right in range(-2, 3):
            row = torch.arange(n, dtype=torch.float64)[:, None] + down * n
            column = torch.arange(n, dtype=torch.float64) + right * n
            along = xi * (row * math.cos(theta) + column * math.sin(theta))
            found += torch.exp(-(row**2 + column**2) / (2 * sigma**2) + 1j * along)
    return found / (2 * math.pi * sigma**2)


@cache
def filters(bank: str, n: int) -> Tensor:
    """Fourier transforms of φ and of ψ at four angles, real: (5, n, n)."""
    _, sigma, xi, low = BANKS[bank]
    found = [gabor(n, low, 0, 0)]
    blob = gabor(n, sigma, 0, 0)
    for k in range(4):
        wave = gabor(n, sigma, xi, (1 - k) * math.pi / 4)
        found.append(wave - wave.sum() / blob.sum() * blob)
    return torch.fft.fft2(torch.stack(found)).real


def collapse(u: Tensor, bank: str, *, skip: bool) -> Tensor:
    """(N, C, H, W) -> (N, 5C, ...) real, or with skip (N, 10C, ...) complex."""
    stride, size = BANKS[bank][0], u.shape[-1]
    n = size + 4
    reflected = [2, 1, *range(size), size - 2, size - 3]
    spectrum = torch.fft.fft2(u[..., reflected, :][..., reflected])
    bands = spectrum[:, :, None] * filters(bank, n)  # (N, C, 5, n, n)
    folded = bands.unflatten(-2, (stride, n // stride)).mean(-3)
    folded = folded.unflatten(-1, (stride, n // stride)).mean(-2)
    margin = 2 // stride
    z = torch.fft.ifft2(folded)[..., margin:-margin, margin:-margin]
    low, band = z[:, :, 0], z[:, :, 1:].flatten(1, 2)
    if skip:
        z = torch.cat([low, band], 1)
        return torch.cat([z, z.abs()], 1)
    return torch.cat([low.real, band.abs()], 1)


def statistics(x: Tensor) -> Statistics:
    """Of each channel; the mean of a complex one is complex, its variance E|z - m|²."""
    mean = x.mean((0, 2, 3))
    return mean, (x - mean[:, None, None]).abs().square().mean((0, 2, 3))


def standardised(x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return (x - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()


def normalised(x: Tensor) -> Tensor:
    """Each position over its ℓ² norm over channels."""
    return x / x.abs().square().sum(1, keepdim=True).sqrt()


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """A real weight (D, C) on each position of a map (N, C, H, W)."""
    return torch.einsum("dc,nchw->ndhw", weight.to(x.dtype), x)


def parts(x: Tensor) -> Tensor:
    """Complex (N, C, H, W) as real (N, C, 2, H, W)."""
    return torch.view_as_real(x).movedim(-1, 2)


def whole(x: Tensor) -> Tensor:
    """Real (N, C, 2, H, W) as complex (N, C, H, W)."""
    return torch.complex(x[:, :, 0], x[:, :, 1])


class Collapse(nn.Module):
    """`collapse` with the plain bank and skip."""

    def forward(self, x: Tensor) -> Tensor:
        return collapse(x, "plain", skip=True)


class Standardise(nn.Module):
    """`standardised` by the batch, with running averages as those of nn.BatchNorm2d."""

    running_mean: Tensor | float = 0.0
    running_var: Tensor | float = 1.0
    momentum = 0.1

    def forward(self, x: Tensor) -> Tensor:
        mean, var = statistics(x)
        samples = x.numel() / len(mean)
        unbiased = var.detach() * samples / (samples - 1)
        new, old = self.momentum, 1 - self.momentum
        self.running_mean = old * self.running_mean + new * mean.detach()
        self.running_var = old * self.running_var + new * unbiased
        return standardised(x, mean, var)


class Normalise(nn.Module):
    """`normalised`."""

    def forward(self, x: Tensor) -> Tensor:
        return normalised(x)


class Pointwise(nn.Module):
    """`pointwise` with a weight (D, C)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return pointwise(x, self.weight)


class Parts(nn.Module):
    """Real and imaginary parts as channels, interleaved: (N, C, H, W) -> (N, 2C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return parts(x).flatten(1, 2)
