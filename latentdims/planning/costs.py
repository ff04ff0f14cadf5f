"""Costs of parts of jobs: seconds of one image through a network, and operations for the rest.

Passes of images through a network are timed with a few images (`pace`). Products, decompositions
and other kernels are counted in operations and divided by the rate of large products on this
machine; each kind has its own weight. docs/planning.md compares the estimates with measured times.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from latentdims.models.architecture import IMAGES, Architecture, Site
from latentdims.planning import pace
from latentdims.workflow.memory import Shapes

# Operations that each is worth, from one thread of docs/performance.md at 95·10⁹ a second:
DECOMPOSITION = 90  # of C³, eigenvectors or singular values of (C, C) in float64
SINGLE = 50  # the same in float32
VALUE = 150  # a number that is centred, shifted or compared: memory bounds it
COMPONENT = 40  # a number to which one component is added
LEAST = 100  # channels, below which a decomposition takes as long as of so many
SMALL = 64  # channels of which products run at half of the rate
SWEEPS = 6  # of the iteration of a consensus
WEIGHT = 300  # a weight in a step of the optimiser, and of its gradient


@dataclass(frozen=True)
class Network:
    """A network on a data set: its shapes, and its pace here."""

    shapes: Shapes
    pace: pace.Pace

    @property
    def described(self) -> Architecture:
        return self.shapes.network

    @property
    def samples(self) -> int:
        """Images of both splits."""
        return sum(self.shapes.samples.values())


def took(number: float) -> float:
    """Seconds for a number of operations, at the rate of large products."""
    return number / pace.products()


def product(theirs: Site, ours: Site) -> float:
    """Of one image, φ ψᵀ at every position; few channels run at less than the rate."""
    least = min(theirs.channels, ours.channels)
    return 2.0 * ours.positions * theirs.channels * ours.channels * (1 + SMALL / least)


def products(sites: Sequence[Site]) -> float:
    return sum(product(site, site) for site in sites)


def moved(sites: Sequence[Site]) -> float:
    """Of one image, values that are centred or copied."""
    return VALUE * sum(math.prod(site.shape) for site in sites)


def matched(
    partner: Network, own: Network, matches: Mapping[str, Sequence[str]]
) -> list[tuple[Site, Site]]:
    return [
        (partner.described.site(theirs), own.described.site(ours))
        for theirs, ours in matches.values()
    ]


def pair(
    partner: Network,
    own: Network,
    pairs: Sequence[tuple[Site, Site]],
    *,
    options: Mapping[str, Any],
) -> float:
    """Of two networks at one epoch: all pairings of all images, and the rotations of each."""
    pairings, centrings = options["pairings"], len(options["centrings"])
    largest = max(each.described.largest for each in (partner, own))
    further = 1 + pairings / max(1, (1 << 21) // largest)  # images of the own, for one
    one = sum((1 + pairings) * product(*pair) for pair in pairs)
    one += moved([site for pair in pairs for site in pair])
    images = partner.pace.forward + further * own.pace.forward + took(one)
    cubes = sum(cubed(max(a.channels, b.channels)) for a, b in pairs)
    rotations = pairings * (centrings * SINGLE + 12) + DECOMPOSITION * (centrings + 8)
    return own.samples * images + took(rotations * cubes)


def of_weights(described: Architecture, pairings: int) -> float:
    """Eigenvectors of weights, and their overlaps for all pairings."""
    found = 0.0
    for weight in described.weights:
        found += DECOMPOSITION * thin(weight.shape)
        if weight.reads not in (None, IMAGES):
            found += 2 * pairings * weight.rank * weight.fan_in * (weight.rank + weight.shape[1])
    return found


def thin(shape: Sequence[int]) -> float:
    """Cubed numbers that a decomposition of weights goes by."""
    neurons, *more = shape
    fan_in = math.prod(more)
    return min(neurons, fan_in) ** 2 * max(neurons, fan_in) + LEAST**3


def cubed(channels: int) -> float:
    """Numbers that a decomposition of (C, C) goes by; few channels take longer than they should."""
    return float(channels**3 + LEAST**3)


def spectra(sites: Sequence[Site]) -> float:
    """Seconds of eigenvalues of a network at one epoch, also without each fold."""
    return took(4 * DECOMPOSITION * sum(cubed(site.channels) for site in sites))


def ranks_of(dimension: int, ranks: str | Sequence[int], most: int | None) -> int:
    """How many a curve has."""
    if ranks != "all":
        return len([rank for rank in ranks if int(rank) <= dimension])
    return min(dimension, most or dimension)


def clipped(network: Network, ranks: Sequence[int], *, first: int) -> float:
    """Of one image of a chain: components that are added one by one, and all that follows."""
    sites = network.described.sites
    costs = [
        2.0 * w.neurons * w.fan_in * s.positions
        for w, s in zip(network.described.weights, sites, strict=True)
    ]
    seconds = 0.0
    for number, of_curve in enumerate(ranks):
        block = number + first
        after = network.pace.forward * sum(costs[block + 1 :]) / sum(costs)
        seconds += of_curve * (after + took(COMPONENT * math.prod(sites[block].shape)))
    return seconds


def drawn(network: Network, shown: int) -> float:
    """One draw, on so many training images: a pass, products and decompositions by layer."""
    hidden = network.described.hidden
    one = network.pace.forward + took(products(hidden) + moved(hidden))
    sizes = sum(cubed(site.channels) for site in hidden)
    sampled = sum(2.0 * w.neurons * w.fan_in**2 for w in network.described.weights[:-1])
    return shown * one + took(DECOMPOSITION * sizes + 4 * sampled)


def classifiers(network: Network, shown: int, names: Sequence[str]) -> float:
    """One that is aligned over all features of a convolution."""
    features = network.described.weights[-1].fan_in
    if "flattened" not in names or network.described.hidden[-1].positions == 1:
        return 0.0
    return shown * 2.0 * features**2 + DECOMPOSITION * cubed(features)
