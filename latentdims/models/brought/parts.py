"""The parts of a user's module, as plain data; some are chosen as sites."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from latentdims.errors import InputError, nearest
from latentdims.models.architecture import IMAGES, Architecture, Site, Weight


@dataclass(frozen=True)
class Read:
    """A linear map reads the output of a part (its name), or `IMAGES`, with channels at an axis
    (counted from 0, the images)."""

    of: str
    axis: int
    channels: int


@dataclass(frozen=True)
class Map:
    """A learned linear map, with its numbers of channels and taps, and all outputs that it reads,
    in order."""

    name: str
    neurons: int
    channels: int
    taps: int
    reads: tuple[Read, ...]


@dataclass(frozen=True)
class Parts:
    """What runs in a forward pass, in the order of execution.

    shapes: of the outputs for one image, by the name of the part. unmeasured: why other parts
    cannot be sites. outputs: parts that produce the logits. parameters, values, widest: as in
    `Architecture`.
    """

    image_shape: tuple[int, int, int]
    classes: int
    shapes: Mapping[str, tuple[int, ...]]
    unmeasured: Mapping[str, str]
    outputs: tuple[str, ...]
    maps: tuple[Map, ...]
    parameters: int
    values: int
    widest: int

    def chosen(self, sites: Mapping[str, int | None], *, undrawn: str) -> Architecture:
        """Sites by name, each with the axis of its channels, or None for the default; and the maps
        that read one of them or the images. For training, without sites, all maps.

        Raises InputError for a part that cannot be a site.
        """
        found = [self.site(name, sites[name]) for name in self.shapes if name in sites]
        for name in sites:
            self._check(name)
        hidden = [site for site in found if site.name not in self.outputs]
        if sites and not hidden:
            raise InputError("sites: only the output of the network; name a hidden part of it, too")
        weights = [_weight(each, found) for each in self.maps]
        logits = [site.name for site in found if site.name in self.outputs]
        return Architecture(
            image_shape=self.image_shape,
            classes=self.classes,
            sites=tuple(found),
            weights=tuple(each for each in weights if each.reads or not sites),
            output=logits[-1] if logits else None,
            undrawn=undrawn,
            parameters=self.parameters,
            values=self.values,
            widest=self.widest,
        )

    def site(self, name: str, axis: int | None = None) -> Site:
        """A part that can be one. Raises InputError where it has no such axis."""
        shape = self.shapes[name]
        if axis is None:
            axis = -1 if len(shape) == 2 else 1  # (tokens, C), else channels first
        if not -len(shape) <= axis <= len(shape) or axis == 0:
            raise InputError(f"sites.{name}: no axis {axis} of channels in {('images', *shape)}")
        return Site(name, name, shape, axis)

    def _check(self, name: str) -> None:
        if name in self.unmeasured:
            raise InputError(f"sites.{name}: {self.unmeasured[name]}")
        if name not in self.shapes:
            raise InputError(f"sites: no part '{name}' runs; {nearest(name, self.shapes)}")

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)

    @classmethod
    def parsed(cls, found: Mapping[str, Any]) -> "Parts":
        """From what `plain` gave, and JSON kept."""
        maps = [
            Map(**{**each, "reads": tuple(Read(**read) for read in each["reads"])})
            for each in found["maps"]
        ]
        more = {
            "image_shape": tuple(found["image_shape"]),
            "shapes": {name: tuple(shape) for name, shape in found["shapes"].items()},
            "outputs": tuple(found["outputs"]),
            "maps": tuple(maps),
        }
        return cls(**{**found, **more})


def _weight(found: Map, sites: list[Site]) -> Weight:
    """As a map is seen from some sites: it reads the latest that it can, or the images."""
    by_name = {site.name: site for site in sites}
    reads: str | None = None
    channels = found.channels
    for read in found.reads:
        site = by_name.get(read.of)
        if read.of == IMAGES or (site and site.axis % (len(site.shape) + 1) == read.axis):
            reads, channels = read.of, read.channels
    writes = found.name if found.name in by_name else None
    size = found.neurons, channels, found.channels * found.taps // channels
    return Weight(found.name, size, reads, writes, f"{found.name}.weight")
