"""Multilayer perceptrons."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentdims.models.architecture import Architecture, chain
from latentdims.models.keys import Keys

if TYPE_CHECKING:  # shapes are known without torch
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Family(Keys):
    """Fully connected layers on the flattened image.

    widths: neurons in each hidden layer.
    """

    widths: list[int]

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        _, height, width = image_shape
        shapes = [(each,) for each in (*self.widths, classes)]
        taps = [height * width, *(1 for _ in self.widths)]
        return chain(image_shape, shapes, taps=taps, undrawn=self.undrawn)

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        from torch import nn

        from latentdims.models.blocks import Block, Dense

        blocks = OrderedDict[str, nn.Module]()
        inputs = math.prod(image_shape)
        for number, width in enumerate(self.widths, start=1):
            learned = Dense(inputs, width, bias=self.bias)
            blocks[f"layer{number}"] = Block(learned, after=self.after(width))
            inputs = width
        blocks["classifier"] = Block(Dense(inputs, classes, bias=self.bias))
        return nn.Sequential(blocks)
