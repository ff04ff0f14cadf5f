"""Architectures as chains of weight layers, from their settings in the configuration.

To add one, write a module in latentdims/models/ with a dataclass `Architecture`: its fields are its
keys in the configuration, and its method `layers` gives the chain that every later step works from.
"""

import dataclasses
import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import h5py

from latentdims import architecture, layer, models, storage
from latentdims.errors import InputError, nearest
from latentdims.layer import Layer


class Architecture(Protocol):
    """What a module in latentdims/models/ offers."""

    def layers(self, *, input_shape: tuple[int, int, int], classes: int) -> list[Layer]:
        """The chain of weight layers for images of a shape (C, H, W), the classifier last."""
        ...


def build(settings: Mapping[str, Any]) -> Architecture:
    """The architecture of a network's settings, such as {architecture: mlp, widths: [512, 256]}.

    Raises InputError for an unknown architecture, an unknown or missing key, or a wrong value.
    """
    name = settings.get("architecture")
    known = [module.name for module in pkgutil.iter_modules(models.__path__)]
    if name not in known:
        raise InputError(f"architecture: unknown '{name}'; {nearest(str(name), known)}")
    # By name: what imported every family would run again where any of them was edited.
    family = import_module(f"{models.__name__}.{name}").Architecture
    fields = {field.name: field for field in dataclasses.fields(family)}
    given = {key: value for key, value in settings.items() if key != "architecture"}
    for key, value in given.items():
        if key not in fields:
            raise InputError(f"{key}: unknown key of architecture '{name}'; {nearest(key, fields)}")
        _check_value(key, value, expected=fields[key].type)
    for key, field in fields.items():
        if key not in given and field.default is dataclasses.MISSING:
            raise InputError(f"{key}: missing key of architecture '{name}'")
    return family(**given)


def layers(settings: Mapping[str, Any], *, input_shape: Sequence[int], classes: int) -> list[Layer]:
    """The chain of weight layers of a network's settings for images of a shape (C, H, W)."""
    channels, height, width = input_shape
    return build(settings).layers(
        input_shape=(int(channels), int(height), int(width)), classes=int(classes)
    )


def described(
    settings: Mapping[str, Any], *, image_shape: Sequence[int], classes: int
) -> architecture.Architecture:
    """The sites and weights of a network's settings for images of a shape (C, H, W)."""
    return layer.describe(layers(settings, input_shape=image_shape, classes=classes))


def from_file(file: h5py.File) -> list[Layer]:
    """The chain of weight layers of an open network file."""
    found = architecture.read(file)
    return layers(
        storage.settings(file)["network"], input_shape=found.image_shape, classes=found.classes
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
