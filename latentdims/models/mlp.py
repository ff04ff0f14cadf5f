"""Multilayer perceptrons."""

import math
from dataclasses import dataclass

from latentdims.layer import Layer, classifier


@dataclass(frozen=True)
class Architecture:
    """Fully connected layers on the flattened image."""

    widths: list[int]

    def layers(self, *, input_shape: tuple[int, int, int], classes: int) -> list[Layer]:
        layers: list[Layer] = []
        shape: tuple[int, ...] = input_shape
        for number, width in enumerate(self.widths, start=1):
            layers.append(Layer(f"layer{number}", (width, math.prod(shape)), shape, (width,)))
            shape = (width,)
        return [*layers, classifier(shape, classes)]
