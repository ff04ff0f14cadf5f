"""One weight layer: shapes only, so that the workflow can check them without importing torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from latentdims.architecture import IMAGES, Architecture, Site, Weight


@dataclass(frozen=True)
class Layer:
    """One weight layer and the representation that comes out of its non-linearity.

    weight_shape: (out, in) for a linear layer, (out, in, kh, kw) for a convolution.
    input_shape, output_shape: of one sample, (channels,) or (channels, height, width). A linear
    layer reads its input flattened, so that `in` is channels · height · width.
    """

    name: str
    weight_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    stride: int = 1
    rectified: bool = True

    @property
    def fan_in(self) -> int:
        """Number of inputs of one neuron."""
        return math.prod(self.weight_shape[1:])

    @property
    def channels(self) -> int:
        """Number of neurons, which is the dimension of the covariance of the representation."""
        return self.weight_shape[0]

    @property
    def patch_shape(self) -> tuple[int, int]:
        """The inputs of one neuron as (channels, positions); their product is `fan_in`.

        An alignment acts on channels and leaves positions alone: a convolution sees kh · kw of
        them, a linear layer on a (C, H, W) representation sees all H · W.
        """
        channels = self.input_shape[0]
        return channels, self.fan_in // channels

    @property
    def positions(self) -> int:
        """Number of positions in space of the representation of one sample."""
        return math.prod(self.output_shape[1:])


def describe(layers: Sequence[Layer]) -> Architecture:
    """The sites and weights of a chain."""
    channels, height, width = layers[0].input_shape
    names = [IMAGES, *(layer.name for layer in layers)]
    return Architecture(
        image_shape=(channels, height, width),
        classes=layers[-1].channels,
        sites=tuple(Site(layer.name, layer.name, layer.output_shape) for layer in layers),
        weights=tuple(
            Weight(layer.name, (layer.channels, *layer.patch_shape), reads, layer.name)
            for reads, layer in zip(names, layers, strict=False)
        ),
        output=layers[-1].name,
    )


def classifier(input_shape: tuple[int, ...], classes: int) -> Layer:
    """The last layer: linear, no non-linearity, one output per class."""
    weight_shape = (classes, math.prod(input_shape))
    return Layer("classifier", weight_shape, input_shape, (classes,), rectified=False)
