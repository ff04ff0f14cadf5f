"""Architectures as chains of weight layers: shapes only, so that the workflow can check a
configuration without importing torch.

To add an architecture, write a dataclass here whose fields are its keys in the configuration, give
it a `layers` method, and name it in `ARCHITECTURES`: every later step works from the chain alone.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import h5py

from latentdims import storage
from latentdims.errors import InputError, nearest


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


class Architecture(Protocol):
    """What a class in `ARCHITECTURES` offers."""

    def layers(self, *, input_shape: tuple[int, int, int], classes: int) -> list[Layer]:
        """The chain of weight layers for images of a shape (C, H, W), the classifier last."""
        ...


@dataclass(frozen=True)
class MLP:
    """Fully connected layers on the flattened image."""

    widths: list[int]

    def layers(self, *, input_shape: tuple[int, int, int], classes: int) -> list[Layer]:
        layers: list[Layer] = []
        shape: tuple[int, ...] = input_shape
        for number, width in enumerate(self.widths, start=1):
            layers.append(Layer(f"layer{number}", (width, math.prod(shape)), shape, (width,)))
            shape = (width,)
        return [*layers, classifier(shape, classes)]


@dataclass(frozen=True)
class CNN:
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


ARCHITECTURES: dict[str, type[Architecture]] = {"mlp": MLP, "cnn": CNN}


def classifier(input_shape: tuple[int, ...], classes: int) -> Layer:
    """The last layer: linear, no non-linearity, one output per class."""
    weight_shape = (classes, math.prod(input_shape))
    return Layer("classifier", weight_shape, input_shape, (classes,), rectified=False)


def build(settings: Mapping[str, Any]) -> Architecture:
    """The architecture of a network's settings, such as {architecture: mlp, widths: [512, 256]}.

    Raises InputError for an unknown architecture, an unknown or missing key, or a wrong value.
    """
    name = settings.get("architecture")
    if name not in ARCHITECTURES:
        raise InputError(f"architecture: unknown '{name}'; {nearest(str(name), ARCHITECTURES)}")
    architecture = ARCHITECTURES[name]
    fields = {field.name: field for field in dataclasses.fields(architecture)}  # type: ignore[arg-type]
    given = {key: value for key, value in settings.items() if key != "architecture"}
    for key, value in given.items():
        if key not in fields:
            raise InputError(f"{key}: unknown key of architecture '{name}'; {nearest(key, fields)}")
        _check_value(key, value, expected=fields[key].type)
    for key, field in fields.items():
        if key not in given and field.default is dataclasses.MISSING:
            raise InputError(f"{key}: missing key of architecture '{name}'")
    return architecture(**given)


def layers(settings: Mapping[str, Any], *, input_shape: Sequence[int], classes: int) -> list[Layer]:
    """The chain of weight layers of a network's settings for images of a shape (C, H, W)."""
    channels, height, width = input_shape
    return build(settings).layers(
        input_shape=(int(channels), int(height), int(width)), classes=int(classes)
    )


def for_any_images(settings: Mapping[str, Any]) -> list[Layer]:
    """The layers of a network for images that nothing is known of: names and kinds alone count."""
    return build(settings).layers(input_shape=(1, 1 << 50, 1 << 50), classes=2)


def check_ranks(
    layers: Sequence[Layer], *, bases: Sequence[str], ranks: str | Sequence[int]
) -> None:
    """Raise InputError for a rank beyond the dimension of every layer that is clipped in `bases`.

    The basis `weight` has the rank of a layer's weights, the others the channels of its
    representation.
    """
    dimensions = [layer.channels for layer in layers[:-1]] if set(bases) - {"weight"} else []
    if "weight" in bases:
        dimensions += [min(layer.fan_in, layer.channels) for layer in layers]
    beyond = [rank for rank in ranks if isinstance(rank, int) and rank > max(dimensions)]
    if beyond:
        raise InputError(
            f"clipping.ranks: {beyond[0]} is beyond the dimension of every layer, at most "
            f"{max(dimensions)}; give smaller ranks, or 'all'"
        )


def check_sampled(layers: Sequence[Layer], options: Mapping[str, Any], *, key: str) -> None:
    """Raise InputError where a variant of generation samples a layer that is not there, or only
    ranks beyond the dimension of every layer.

    options: {layers, rank, ...} of the variant, under `key` in the configuration.
    """
    hidden = {layer.name: min(layer.fan_in, layer.channels) for layer in layers[:-1]}
    for name in options["layers"] if options["layers"] != "all" else ():
        if name not in hidden:
            raise InputError(f"{key}.layers: no hidden layer '{name}'; {nearest(name, hidden)}")
    if options["rank"] != "all" and options["rank"] > max(hidden.values()):
        raise InputError(
            f"{key}.rank: {options['rank']} is beyond the dimension of every layer, at most "
            f"{max(hidden.values())}; give a smaller rank, or 'all'"
        )


def from_file(file: h5py.File) -> list[Layer]:
    """The chain of weight layers of an open network file."""
    return layers(
        storage.settings(file)["network"],
        input_shape=json.loads(file.attrs["input_shape"]),
        classes=int(file.attrs["classes"]),
    )


def _check_value(key: str, value: Any, *, expected: Any) -> None:
    def positive(number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and number > 0

    if expected == int and not positive(value):  # noqa: E721
        raise InputError(f"{key}: {value!r} is not a whole number above 0")
    if expected == list[int] and not (
        isinstance(value, list) and value and all(map(positive, value))
    ):
        raise InputError(f"{key}: {value!r} is not a list of whole numbers above 0")
