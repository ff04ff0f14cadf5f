"""Convolutional networks."""

from dataclasses import dataclass

from latentdims.errors import InputError
from latentdims.layer import Layer, classifier


@dataclass(frozen=True)
class Architecture:
    """Convolutions without padding, then a linear classifier on all their outputs."""

    channels: list[int]
    kernel_size: int = 5
    stride: int = 2

    def layers(self, *, input_shape: tuple[int, int, int], classes: int) -> list[Layer]:
        layers: list[Layer] = []
        shape: tuple[int, ...] = input_shape
        for number, channels in enumerate(self.channels, start=1):
            height, width = shape[1:]
            if self.kernel_size > min(height, width):
                raise InputError(
                    f"kernel_size: {self.kernel_size} is larger than the {height} x {width} input "
                    f"of layer{number}; give a smaller kernel_size or stride, or fewer channels"
                )
            output = (
                channels,
                (height - self.kernel_size) // self.stride + 1,
                (width - self.kernel_size) // self.stride + 1,
            )
            kernel = (channels, shape[0], self.kernel_size, self.kernel_size)
            layers.append(Layer(f"layer{number}", kernel, shape, output, stride=self.stride))
            shape = output
        return [*layers, classifier(shape, classes)]
