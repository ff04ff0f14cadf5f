"""The settings of a user's module, and what is known about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentdims.errors import InputError
from latentdims.models.architecture import Architecture, Site
from latentdims.models.brought import makers
from latentdims.models.brought.parts import Parts

if TYPE_CHECKING:  # the workflow is planned without torch
    from torch import nn

UNDRAWN = "it is not a chain of blocks"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A function that makes a module, its keys, and the sites of the module.

    sites: dotted names of submodules, each with the axis of its channels in a batch, or None for
    the default: the last axis of (N, tokens, C), else the second. small_images: for a model of
    torchvision, whether its stem keeps the size of images.
    """

    architecture: str
    sites: Mapping[str, int | None]
    keys: Mapping[str, Any]
    small_images: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Family":
        """Read the settings. Raises InputError for an unknown function, and for sites that are not
        names; training needs no sites."""
        given = dict(settings)
        architecture = given.pop("architecture")
        makers.check(architecture)
        sites = _sites(given.pop("sites", {}))
        own = makers.file(architecture) is not None
        small = False if own else given.pop("small_images", False)
        makers.check_keys(architecture, given)
        if not isinstance(small, bool):
            raise InputError(f"small_images: {small!r} is neither true nor false")
        return cls(architecture=architecture, sites=sites, keys=given, small_images=small)

    @property
    def files(self) -> list[str]:
        """The user's file; none for a model of torchvision."""
        own = makers.file(self.architecture)
        return [str(own)] if own else []

    def outline(self) -> Architecture:
        """What is known without the module: names of sites, without shapes."""
        return Architecture(
            image_shape=(1, 1, 1),
            classes=2,
            sites=tuple(Site(name, name, (1,)) for name in self.sites),
            weights=(),
            output=None,
            undrawn=UNDRAWN,
        )

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        """The sites, found by a forward pass. Raises InputError if they, or the module, cannot be
        measured."""
        parts = self.parts(image_shape=image_shape, classes=classes)
        return parts.chosen(self.sites, undrawn=UNDRAWN)

    def chosen(self, path: str | Path) -> Architecture:
        """The same, from the file that a forward pass has written."""
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return Parts.parsed(found["parts"]).chosen(self.sites, undrawn=UNDRAWN)

    def parts(self, *, image_shape: tuple[int, int, int], classes: int) -> Parts:
        """All parts, by a forward pass. Raises InputError if the module cannot be measured."""
        from latentdims.models.brought import description

        module = self._drawn(0, image_shape=image_shape, classes=classes)
        return description.describe(module, image_shape=image_shape, classes=classes)

    def check_made(
        self, *, image_shape: tuple[int, int, int], classes: int, trained: bool = True
    ) -> None:
        """Raise InputError if the tensors do not determine the module; or, for training, if its
        seed does not determine the initial weights, or if it cannot be trained."""
        from latentdims.models.brought import description

        first, again, other = (
            self._drawn(seed, image_shape=image_shape, classes=classes) for seed in (0, 0, 1)
        )
        if trained:
            description.check_drawn(first, again, other)
            description.check_trained(first, image_shape=image_shape, classes=classes)
        description.check_stored(first, other, image_shape=image_shape)

    def _drawn(self, seed: int, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        """The module with weights of a seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build(image_shape=image_shape, classes=classes)

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        """The module, with weights from torch's generator."""
        module = makers.made(self.architecture, self.keys, image_shape=image_shape, classes=classes)
        keep_outputs(module)
        if not self.files:
            from latentdims.models.brought import stem

            stem.check_size(module, image_shape=image_shape)
            stem.fit(module, channels=image_shape[0], small_images=self.small_images)
        return module


def keep_outputs(module: "nn.Module") -> None:
    """Have no part overwrite what it reads: a site may have seen it."""
    for part in module.modules():
        if getattr(part, "inplace", False) is True:
            part.inplace = False  # type: ignore[assignment]


def _sites(given: Any) -> dict[str, int | None]:
    """Names of submodules, from a list of them, or with the axis of channels of each."""
    names = [str(each) for each in given] if isinstance(given, list | Mapping) else [""] * 2
    if len(set(names)) != len(names):
        raise InputError(f"sites: found {given!r}, expected a list of names, each once")
    axes = given if isinstance(given, Mapping) else dict.fromkeys(names)
    for name, axis in axes.items():
        if axis is not None and (type(axis) is not int or axis == 0):
            raise InputError(
                f"sites.{name}: found {axis!r}, expected the axis of channels, such as 1 or -1"
            )
    return dict(zip(names, axes.values(), strict=True))
