"""Families of networks, from their settings in the configuration.

To add one, write a module in latentdims/models/families/ with a dataclass `Family`: its fields are
its keys in the configuration. `describe` returns the architecture without torch; `build` makes the
module. An architecture `torchvision:NAME` or `FILE.py:FUNCTION` has the family `brought.family`,
whose architecture comes from a forward pass. docs/design.md has all steps.
"""

import dataclasses
import math
import pkgutil
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, get_origin

from latentdims.errors import InputError, nearest
from latentdims.models import responses
from latentdims.models.architecture import Architecture

if TYPE_CHECKING:  # the workflow is planned without torch
    from torch import nn

BROUGHT = "latentdims.models.brought.family"


class Family(Protocol):
    """The interface of a module in latentdims/models/families/."""

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        """The architecture for images of a shape (C, H, W). Raises InputError if none fits."""
        ...

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        """The module; for a chain, a Sequential of blocks with the names of its sites."""
        ...


def is_brought(settings: Mapping[str, Any]) -> bool:
    """Whether it is a user's module or one of torchvision, described by a forward pass."""
    return ":" in str(settings.get("architecture"))


def of(settings: Mapping[str, Any]) -> Family:
    """The family of a network's settings, such as {architecture: mlp, widths: [512, 256]}.

    Raises InputError for an unknown architecture, an unknown or missing key, or a wrong value.
    """
    name = settings.get("architecture")
    if responses.are_given(settings):
        return responses.Family.of(settings)
    if name is None:
        if close := get_close_matches("architecture", map(str, settings), n=1):
            raise InputError(f"{close[0]}: unknown key; did you mean 'architecture'?")
        raise InputError("architecture: missing key; name a family or a module, or give responses")
    if is_brought(settings):
        brought: Family = import_module(BROUGHT).Family.of(settings)
        return brought
    known = [module.name for module in pkgutil.iter_modules(__path__)]
    if name not in known:
        raise InputError(f"architecture: unknown '{name}'; {nearest(str(name), known)}")
    # By name: what imported every family would run again where any of them was edited.
    family = import_module(f"{__name__}.{name}").Family
    fields = {field.name: field for field in dataclasses.fields(family)}
    given = {key: value for key, value in settings.items() if key != "architecture"}
    for key, value in given.items():
        if key not in fields:
            raise InputError(f"{key}: unknown key of architecture '{name}'; {nearest(key, fields)}")
        _check_value(key, value, fields[key])
    for key, field in fields.items():
        if key not in given and field.default is dataclasses.MISSING:
            raise InputError(f"{key}: missing key of architecture '{name}'")
    found: Family = family(**given)
    return found


def as_trained(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that training depends on, without sites."""
    left_out = ("sites",) if is_brought(settings) else ()
    return {key: value for key, value in settings.items() if key not in left_out}


def modules(settings: Mapping[str, Any]) -> list[str]:
    """The code of a network, for fingerprints: the dotted name of its family, and the user's file
    if it has one."""
    if responses.are_given(settings):
        return [responses.__name__]
    name = settings["architecture"]
    if not is_brought(settings):
        return [f"{__name__}.{name}"]
    files: list[str] = import_module(BROUGHT).Family.of(settings).files
    return [BROUGHT, *files]


def described(
    settings: Mapping[str, Any], *, image_shape: Sequence[int], classes: int
) -> Architecture:
    """The sites and weights of a network's settings for images of a shape (C, H, W)."""
    channels, height, width = map(int, image_shape)
    return of(settings).describe(image_shape=(channels, height, width), classes=int(classes))


def chosen(settings: Mapping[str, Any], path: str | Path) -> Architecture:
    """The sites of a network of others, and the weights that read them, by its architecture.json.

    Raises InputError for a site that is not there, and KeyError, TypeError or ValueError for
    anything else in its place.
    """
    family = import_module(BROUGHT).Family.of(settings)
    found: Architecture = family.chosen(path)
    return found


def outline(settings: Mapping[str, Any]) -> Architecture:
    """The same for images of any size: names, and what reads and writes what, but no shapes. Of a
    network that a forward pass describes, the names of its sites."""
    if responses.are_given(settings):
        return responses.Family.of(settings).outline()
    if is_brought(settings):
        sites: Architecture = import_module(BROUGHT).Family.of(settings).outline()
        return sites
    return described(settings, image_shape=(1, 1 << 50, 1 << 50), classes=2)


def _check_value(key: str, value: Any, field: dataclasses.Field[Any]) -> None:
    """Raise InputError for what is not of the type of a field; `least` of a number is 1 where its
    metadata does not say."""
    least, kind = field.metadata.get("least", 1), field.type
    if isinstance(kind, UnionType):  # with None, which stands for a key that is not given
        kind = get_args(kind)[0]

    def whole(number: Any) -> bool:
        return isinstance(number, int) and not isinstance(number, bool) and number >= least

    if get_origin(kind) is Literal and value not in get_args(kind):
        raise InputError(f"{key}: unknown value {value!r}; {nearest(str(value), get_args(kind))}")
    if kind is bool and not isinstance(value, bool):
        raise InputError(f"{key}: {value!r} is neither true nor false")
    if kind is float and (isinstance(value, bool | str) or not 0 < value < math.inf):
        raise InputError(f"{key}: {value!r} is not a number above 0")
    if kind is int and not whole(value):
        raise InputError(f"{key}: {value!r} is not a whole number above {least - 1}")
    if kind == list[int] and not (isinstance(value, list) and value and all(map(whole, value))):
        raise InputError(f"{key}: {value!r} is not a list of whole numbers above {least - 1}")
