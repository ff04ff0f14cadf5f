"""Multilayer perceptrons."""

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentdims.architecture import Architecture, chain

if TYPE_CHECKING:  # shapes are known without torch
    from torch import nn


@dataclass(frozen=True)
class Family:
    """Fully connected layers on the flattened image."""

    widths: list[int]

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        _, height, width = image_shape
        shapes = [(each,) for each in (*self.widths, classes)]
        return chain(image_shape, shapes, taps=[height * width, *(1 for _ in self.widths)])

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        from torch import nn

        from latentdims.blocks import Block, Dense

        blocks = OrderedDict[str, nn.Module]()
        inputs = math.prod(image_shape)
        for number, width in enumerate(self.widths, start=1):
            blocks[f"layer{number}"] = Block(Dense(inputs, width), after=nn.ReLU(inplace=True))
            inputs = width
        blocks["classifier"] = Block(Dense(inputs, classes))
        return nn.Sequential(blocks)
