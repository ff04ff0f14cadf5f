"""Convolutional networks."""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from latentdims.errors import InputError
from latentdims.models.architecture import Architecture, chain
from latentdims.models.keys import Keys

if TYPE_CHECKING:  # shapes are known without torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Family(Keys):
    """Convolutions, then a linear classifier on all their outputs.

    channels: output channels of each convolution. kernel_size: side of the kernels in pixels.
    stride: step between windows in pixels. padding: zeros at each border. pooling: how the output
    of each convolution is pooled, over windows of 2 × 2.
    """

    channels: list[int]
    kernel_size: int = 5
    stride: int = 2
    padding: int = field(default=0, metadata={"least": 0})
    pooling: Literal["none", "max", "average"] = "none"

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        shapes = self._shapes(image_shape)
        taps = [self.kernel_size**2 for _ in shapes] + [math.prod(shapes[-1][1:])]
        return chain(image_shape, [*shapes, (classes,)], taps=taps, undrawn=self.undrawn)

    def _shapes(self, image_shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
        """Of the output of each convolution, pooled."""
        found: list[tuple[int, ...]] = []
        _, height, width = image_shape
        for number, channels in enumerate(self.channels, start=1):
            sizes = [self._size(length) for length in (height, width)]
            if min(sizes) < 1:
                what = "kernel_size: " if self.pooling == "none" else "pooling: with kernel_size "
                raise InputError(
                    f"{what}{self.kernel_size} is larger than the {height} x {width} input of "
                    f"layer{number}, padded by {self.padding}; give a smaller kernel_size or "
                    "stride, more padding, or fewer channels"
                )
            height, width = sizes
            found.append((channels, height, width))
        return found

    def _size(self, length: int) -> int:
        """Of the output along one axis; 0 where nothing is left."""
        padded = length + 2 * self.padding - self.kernel_size
        size = padded // self.stride + 1 if padded >= 0 else 0
        return size if self.pooling == "none" else size // 2

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        from torch import nn

        from latentdims.models.blocks import Block, Convolution, Dense

        blocks = OrderedDict[str, nn.Module]()
        inputs = image_shape[0]
        for number, channels in enumerate(self.channels, start=1):
            learned = Convolution(
                inputs,
                channels,
                size=self.kernel_size,
                stride=self.stride,
                padding=self.padding,
                bias=self.bias,
            )
            after = self.after(channels, pooling=self.pooling)
            blocks[f"layer{number}"] = Block(learned, after=after)
            inputs = channels
        features = math.prod(self._shapes(image_shape)[-1])
        blocks["classifier"] = Block(Dense(features, classes, bias=self.bias))
        return nn.Sequential(blocks)
