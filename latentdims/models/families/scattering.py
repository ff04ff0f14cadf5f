"""Learned scattering networks (Guth et al., JMLR 2024): fixed wavelets, learned 1 x 1 matrices."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentdims.errors import InputError
from latentdims.models.architecture import Architecture, chain
from latentdims.models.scattering.wavelets import BANKS, sizes, widths

if TYPE_CHECKING:  # shapes are known without torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Family:
    """Blocks of a learned matrix of channels, wavelets, the modulus and standardisation.

    scales: number of blocks, 3 or 7. width: multiple of the paper's widths. skip: whether wavelet
    coefficients are passed on beside their moduli, which makes maps complex. norm: whether each
    position is divided by its norm over channels. last: channels of the last matrix, whatever the
    width.
    """

    scales: int
    width: float = 1.0
    skip: bool = True
    norm: bool = True
    last: int | None = None

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        if self.scales not in BANKS:
            raise InputError(f"scales: found {self.scales}; give 3 or 7")
        _, *sides = sizes(image_shape, self.scales)
        factor, parts = (10, (2,)) if self.skip else (5, ())
        neurons = widths(self.scales, self.width, self.last)
        shapes: list[tuple[int, ...]] = [
            (factor * channels, *parts, side, side)
            for channels, side in zip(neurons, sides[1:], strict=False)
        ]
        shapes.append((neurons[-1], *parts, sides[-1], sides[-1]))
        flat = 2 * sides[-1] ** 2 if self.skip else sides[-1] ** 2
        taps = [factor, *(1 for _ in neurons[1:]), flat]
        return chain(image_shape, [*shapes, (classes,)], taps=taps, neurons=[*neurons, classes])

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        from latentdims.models.scattering.modules import network

        return network(
            image_shape=image_shape,
            classes=classes,
            scales=self.scales,
            width=self.width,
            skip=self.skip,
            norm=self.norm,
            last=self.last,
        )
