"""One weight layer: shapes only, so that the workflow can check them without importing torch."""

import math
from dataclasses import dataclass


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


def classifier(input_shape: tuple[int, ...], classes: int) -> Layer:
    """The last layer: linear, no non-linearity, one output per class."""
    weight_shape = (classes, math.prod(input_shape))
    return Layer("classifier", weight_shape, input_shape, (classes,), rectified=False)
