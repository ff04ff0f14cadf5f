"""A network as plain data: the sites where it is read, and the weights between them.

It is known while the workflow is planned, and written into every file of a network.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py

from latentdims import storage

IMAGES = "images"  # what the first weights read


@dataclass(frozen=True)
class Site:
    """Where a representation is read: the output of a module.

    module: its dotted name. shape: of one sample, without the axis of the batch. axis: of the
    channels in a batch. All other axes are positions, and positions are further samples.
    """

    name: str
    module: str
    shape: tuple[int, ...]
    axis: int = 1

    @property
    def channels(self) -> int:
        """The dimension of its covariance."""
        return self.shape[self.axis - 1 if self.axis > 0 else self.axis]

    @property
    def positions(self) -> int:
        """Number of positions in one sample."""
        return math.prod(self.shape) // self.channels


@dataclass(frozen=True)
class Weight:
    """A learned linear map: shape (neurons, channels read, taps).

    reads: the site of its columns, `IMAGES`, or None if unknown. writes: the site of its rows; None
    if they are added to others. tensor: its dotted name in the module.
    """

    name: str
    shape: tuple[int, int, int]
    reads: str | None
    writes: str | None
    tensor: str

    @property
    def neurons(self) -> int:
        """Its rows."""
        return self.shape[0]

    @property
    def fan_in(self) -> int:
        """Number of inputs of one neuron."""
        return self.shape[1] * self.shape[2]

    @property
    def rank(self) -> int:
        """Its largest possible rank."""
        return min(self.neurons, self.fan_in)


@dataclass(frozen=True)
class Architecture:
    """Sites and weights in the order of execution.

    image_shape: (C, H, W) of the images that the network sees. output: the site of the logits, if
    it is one; the others are hidden. undrawn: why networks cannot be drawn from its covariances;
    empty if they can. For a user's module, which computes more than its sites: parameters, their
    number; values, the number of values that all its parts compute for one image; widest, the
    number for one part.
    """

    image_shape: tuple[int, int, int]
    classes: int
    sites: tuple[Site, ...]
    weights: tuple[Weight, ...]
    output: str | None
    undrawn: str = ""
    parameters: int = 0
    values: int = 0
    widest: int = 0

    @property
    def hidden(self) -> list[Site]:
        """All sites but the logits."""
        return [site for site in self.sites if site.name != self.output]

    @property
    def largest(self) -> int:
        """Number of values in the largest tensor for one image."""
        return max([self.widest, *(math.prod(site.shape) for site in self.sites)])

    @property
    def is_chain(self) -> bool:
        """Whether there is one weight from each site to the next."""
        names = [IMAGES, *(site.name for site in self.sites)]
        steps = [(weight.reads, weight.writes) for weight in self.weights]
        return steps == list(pairwise(names))

    @property
    def names(self) -> list[str]:
        """Of sites and weights: the layers of files, figures and the table."""
        names = []
        for read in [IMAGES, *(site.name for site in self.sites)]:
            names += [read, *(weight.name for weight in self.weights if weight.reads == read)]
        names += [weight.name for weight in self.weights if weight.reads is None]
        return list(dict.fromkeys(names[1:]))

    def site(self, name: str) -> Site:
        """The site with a name. Raises KeyError if there is none."""
        return {site.name: site for site in self.sites}[name]

    def weight(self, name: str) -> Weight:
        """The weight with a name. Raises KeyError if there is none."""
        return {weight.name: weight for weight in self.weights}[name]

    def text(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def parsed(cls, text: str) -> "Architecture":
        """From what `text` gave."""
        found: dict[str, Any] = json.loads(text)
        return cls(
            tuple(found["image_shape"]),
            found["classes"],
            tuple(Site(**{**site, "shape": tuple(site["shape"])}) for site in found["sites"]),
            tuple(Weight(**{**each, "shape": tuple(each["shape"])}) for each in found["weights"]),
            found["output"],
            *(found[name] for name in ("undrawn", "parameters", "values", "widest")),
        )


def chain(
    image_shape: tuple[int, int, int],
    shapes: Sequence[tuple[int, ...]],
    *,
    taps: Sequence[int],
    neurons: Sequence[int] | None = None,
    undrawn: str = "",
) -> Architecture:
    """Blocks in a row (`blocks.Block`), named layer1, layer2, and so on; the last is `classifier`.

    shapes: of their outputs. taps, neurons: of their weights; neurons are channels by default.
    undrawn: as in `Architecture`.
    """
    names = [*(f"layer{number}" for number in range(1, len(shapes))), "classifier"]
    inputs = [image_shape, *shapes]
    rows = neurons or [shape[0] for shape in shapes]
    return Architecture(
        image_shape=image_shape,
        classes=shapes[-1][0],
        sites=tuple(Site(name, name, shape) for name, shape in zip(names, shapes, strict=True)),
        weights=tuple(
            Weight(name, (rows[at], inputs[at][0], taps[at]), reads, name, f"{name}.map.weight")
            for at, (name, reads) in enumerate(zip(names, [IMAGES, *names], strict=False))
        ),
        output="classifier",
        undrawn=undrawn,
    )


def write(file: h5py.File, architecture: Architecture) -> None:
    """Write to the root attributes of a file, for `read`."""
    file.attrs["architecture"] = architecture.text()


def read(file: h5py.File) -> Architecture:
    """The architecture of the network of an open file."""
    return Architecture.parsed(file.attrs["architecture"])


def of(path: str | Path) -> Architecture:
    """The architecture of the network of a file. Raises InputError like `storage.read`."""
    with storage.read(path) as file:
        return read(file)


def layers(file: h5py.File, place: str) -> list[str]:
    """Names in a group of a file, in the order of the network (HDF5 sorts them by letters); none if
    there is no such group."""
    return [name for name in read(file).names if name in file.get(place, ())]
