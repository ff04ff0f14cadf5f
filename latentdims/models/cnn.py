"""Convolutional networks."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentdims.architecture import Architecture, chain
from latentdims.errors import InputError

if TYPE_CHECKING:  # shapes are known without torch
    from torch import nn


@dataclass(frozen=True)
class Family:
    """Convolutions without padding, then a linear classifier on all their outputs."""

    channels: list[int]
    kernel_size: int = 5
    stride: int = 2

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        shapes = self._shapes(image_shape)
        taps = [self.kernel_size**2 for _ in shapes] + [math.prod(shapes[-1][1:])]
        return chain(image_shape, [*shapes, (classes,)], taps=taps)

    def _shapes(self, image_shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
        """Of the output of each convolution."""
        found: list[tuple[int, ...]] = []
        _, height, width = image_shape
        for number, channels in enumerate(self.channels, start=1):
            if self.kernel_size > min(height, width):
                raise InputError(
                    f"kernel_size: {self.kernel_size} is larger than the {height} x {width} input "
                    f"of layer{number}; give a smaller kernel_size or stride, or fewer channels"
                )
            height, width = (
                (length - self.kernel_size) // self.stride + 1 for length in (height, width)
            )
            found.append((channels, height, width))
        return found

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        from torch import nn

        from latentdims.blocks import Block, Convolution, Dense

        blocks = OrderedDict[str, nn.Module]()
        inputs = image_shape[0]
        for number, channels in enumerate(self.channels, start=1):
            learned = Convolution(inputs, channels, size=self.kernel_size, stride=self.stride)
            blocks[f"layer{number}"] = Block(learned, after=nn.ReLU(inplace=True))
            inputs = channels
        features = math.prod(self._shapes(image_shape)[-1])
        blocks["classifier"] = Block(Dense(features, classes))
        return nn.Sequential(blocks)
