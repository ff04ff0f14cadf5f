"""Wavelets of a learned scattering network, and the fixed step they take, as real matrices.

Source: Guth, Ménard, Rochette, Mallat, A Rainbow in Deep Network Black Boxes, JMLR 25(350), 2024.
One step pads a map by reflection, convolves it on the padded circle, subsamples and crops it. All
of that is linear and separable, so that one matrix for each axis, or one for both, does it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentdims.errors import InputError

PAD = 2  # pixels, by reflection, on each side
TINY = 1e-17  # smaller coefficients are dropped: their tails are subnormal in float32, and slow


@dataclass(frozen=True)
class Bank:
    """One low-pass filter φ and Morlet wavelets ψ at four angles.

    stride: of the subsampling. sigma, frequency: of ψ, in pixels and radians per pixel.
    low_sigma: of φ.
    """

    stride: int
    sigma: float
    frequency: float
    low_sigma: float


FINE = Bank(1, 0.8, 3 * math.pi / 4, 0.8 / math.sqrt(2))
COARSE = Bank(2, 0.8 * math.sqrt(1.5), math.pi / math.sqrt(2), 0.8 / math.sqrt(2))
PLAIN = Bank(2, 0.8, 3 * math.pi / 4, 0.8)
BANKS = {3: (PLAIN,) * 4, 7: (FINE, COARSE) * 4}  # P_0 … P_J, by the number of scales J


WIDTHS = {3: (64, 128, 256, 512), 7: (64, 128, 256, *(512,) * 5)}  # of the paper, by J


@dataclass(frozen=True)
class Part:
    """What one factor of the columns adds to the wavelets of some angles.

    matrix: (angles · 2 · H', parts · H), to be applied along the rows.
    """

    factor: int
    angles: slice
    matrix: np.ndarray


@dataclass(frozen=True)
class Step:
    """The matrices of one step on square maps.

    A map is (parts, H, W): its parts are real and imaginary, or real alone. Each matrix in
    `columns`, (factors · W', W), goes along W. Then `low`, (1 or 2 · H', parts · H), makes u ⋆ φ of
    factor 0, and the sum of what the parts of `band` make is u ⋆ ψ, (angles, 2, H', W'). Without
    columns, a map is read as (parts, H · W, 1).
    """

    columns: np.ndarray | None
    low: np.ndarray
    band: tuple[Part, ...]


def widths(scales: int, width: float, last: int | None = None) -> list[int]:
    """Channels of layer1 … layer{J+1}: the paper's times `width`, at least 1; `last` is that of the
    last one, whatever the width."""
    found = [max(1, round(channels * width)) for channels in WIDTHS[scales]]
    return found if last is None else [*found[:-1], last]


def sizes(image_shape: Sequence[int], scales: int) -> list[int]:
    """Side of the maps before P_0 … P_J and after P_J; image_shape: (C, H, W).

    Raises InputError for other numbers of scales, and for images that no such network can read.
    """
    if scales not in BANKS:
        raise InputError(f"scattering with {scales} scales: give 3 or 7")
    _, height, width = image_shape
    if height != width:
        raise InputError(f"scattering needs square images, found {height} x {width}")
    found = [height]
    for step, bank in enumerate(BANKS[scales]):
        size, layer = found[-1], f"layer{max(step, 1)}"
        if size <= PAD or size % bank.stride:
            raise InputError(
                f"scattering of images of {height} x {width}: the wavelets of {layer} would read "
                f"maps of {size} x {size}; give images whose side is a multiple of 16, from 32 on"
            )
        found.append(size // bank.stride)
    return found


def gabor(sigma: float, frequency: float, size: int) -> np.ndarray:
    """exp(-x²/2σ²) exp(iξx)/√(2πσ²) at x = 0, 1, …, summed over five periods: (size,) complex.

    The Gabor filter in two dimensions is a product of two of these.
    """
    x = np.arange(size) + size * np.arange(-2, 3)[:, None]  # (5, size)
    envelope = np.exp(-(x**2) / (2 * sigma**2)) / math.sqrt(2 * math.pi * sigma**2)
    return (envelope * np.exp(1j * frequency * x)).sum(0)


@dataclass(frozen=True)
class Axis:
    """What the filters of a bank are made of: functions of one coordinate, (n,) or (W', W).

    low: of φ. envelope: Gaussian of ψ. diagonal: Gabor of the oblique angles, whose product with
    itself less `excess` times that of the envelope has sum 0. wave: Morlet of the other angles.
    """

    low: np.ndarray
    envelope: np.ndarray
    diagonal: np.ndarray
    wave: np.ndarray
    excess: float


def axis(bank: Bank, size: int) -> Axis:
    """The filters of a bank on a circle of `size` pixels."""
    envelope = gabor(bank.sigma, 0, size).real
    diagonal = gabor(bank.sigma, bank.frequency / math.sqrt(2), size)
    wave = gabor(bank.sigma, bank.frequency, size)
    return Axis(
        low=gabor(bank.low_sigma, 0, size).real,
        envelope=envelope,
        diagonal=diagonal,
        wave=wave - (wave.sum() / envelope.sum()).real * envelope,
        excess=float((diagonal.sum() / envelope.sum()).real ** 2),
    )


def products(one: Axis) -> np.ndarray:
    """φ and ψ at the angles π/4, 0, -π/4, -π/2: (5, n, n) complex; of matrices, (5, n · n, m · m).

    ψ = g_ξ - β g_0, with ξ = |ξ| (cos θ, sin θ) on (row, column), and β such that its sum is 0.
    """
    blob = one.excess * np.kron(one.envelope, one.envelope)
    flat = np.stack(
        [
            np.kron(one.low, one.low),
            np.kron(one.diagonal, one.diagonal) - blob,
            np.kron(one.wave, one.envelope),
            np.kron(one.diagonal, one.diagonal.conj()) - blob,
            np.kron(one.envelope, one.wave.conj()),
        ]
    )
    side = len(one.low)
    return flat.reshape(5, side, side) if one.low.ndim == 1 else flat


def filters(bank: Bank, size: int) -> np.ndarray:
    """φ and ψ at the four angles on a torus of `size` pixels: (5, size, size), complex."""
    return products(axis(bank, size))


def step(bank: Bank, size: int, *, parts: int, low_parts: int) -> Step:
    """The matrices of a step on maps of size x size.

    parts: 2 of complex maps, 1 of real ones. low_parts: 2 where u ⋆ φ is wanted as a complex map.
    """
    whole = axis(bank, size + 2 * PAD)
    one = Axis(
        low=_padded(whole.low, size, bank.stride),
        envelope=_padded(whole.envelope, size, bank.stride),
        diagonal=_padded(whole.diagonal, size, bank.stride),
        wave=_padded(whole.wave, size, bank.stride),
        excess=whole.excess,
    )
    small = size <= 4 or (size <= 8 and bank.stride == 2)  # then one large product is faster
    return _dense(one, parts, low_parts) if small else _separable(one, parts, low_parts)


def _dense(one: Axis, parts: int, low_parts: int) -> Step:
    low, *band = products(one)
    rows = low_parts * len(low)
    whole = Part(0, slice(0, 4), _real(np.stack(band), parts))
    return Step(None, _real(low[None], parts)[:rows], (whole,))


def _separable(one: Axis, parts: int, low_parts: int) -> Step:
    """Each wavelet as a sum of products of a complex matrix along H and a real one along W."""
    blob, row, wave = -one.excess * one.envelope, one.diagonal, one.wave
    none = np.zeros_like(blob)
    columns = [one.low, wave.real, wave.imag, one.envelope, row.real, row.imag]
    three, vertical = slice(0, 3), slice(3, 4)  # angles: π/4, 0, -π/4 and -π/2

    def part(factor: int, angles: slice, *rows: np.ndarray) -> Part:
        return Part(factor, angles, _real(np.stack(rows), parts))

    return Step(
        _clean(np.concatenate(columns)),
        _real(one.low[None], parts)[: low_parts * len(blob)],
        (
            part(1, vertical, one.envelope),
            part(2, vertical, -1j * one.envelope),
            part(3, three, blob, wave, blob),
            part(4, three, row, none, row),
            part(5, three, 1j * row, none, -1j * row),
        ),
    )


def _padded(filter_: np.ndarray, size: int, stride: int) -> np.ndarray:
    """A circular filter with its padding, subsampling and crop: (n,) -> (size / stride, size)."""
    n = len(filter_)
    place = np.arange(n)
    circular = filter_[(place[:, None] - place) % n]  # (n, n)
    pad = np.pad(np.eye(size), ((PAD, PAD), (0, 0)), mode="reflect")  # (n, size)
    crop = PAD // stride
    return circular[::stride][crop:-crop] @ pad


def _real(matrices: np.ndarray, parts: int) -> np.ndarray:
    """Complex (k, n, m) as real (k · 2 · n, parts · m), on real and imaginary parts."""
    k, n, m = matrices.shape
    turned = (matrices, 1j * matrices)[:parts]
    columns = [np.stack([z.real, z.imag], axis=1).reshape(k * 2 * n, m) for z in turned]
    return _clean(np.concatenate(columns, axis=1))


def _clean(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.abs(matrix) < TINY, 0, matrix)
