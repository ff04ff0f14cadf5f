"""How many floating-point operations the products of each step need: 2 for a multiply and add."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from latentdims.models.architecture import Architecture


class Layer(NamedTuple):
    """A block of a chain by its numbers."""

    name: str
    channels: int
    fan_in: int
    positions: int


def layers(chain: Architecture) -> list[Layer]:
    """The blocks of a chain."""
    return [
        Layer(weight.name, site.channels, weight.fan_in, site.positions)
        for weight, site in zip(chain.weights, chain.sites, strict=True)
    ]


class Operations(NamedTuple):
    """By precision, since a processor does twice as many in float32 as in float64."""

    single: float = 0
    double: float = 0

    def __add__(self, other: "Operations") -> "Operations":  # type: ignore[override]
        return Operations(self.single + other.single, self.double + other.double)

    def seconds(self, peak: "Operations") -> float:
        """The least time at a peak in operations per second."""
        return self.single / peak.single + self.double / peak.double


def total(counted: Iterable[Operations]) -> Operations:
    """Of several jobs."""
    found = Operations()
    for each in counted:
        found += each
    return found


def forward(layers: Sequence[Layer]) -> float:
    """Of one sample through some layers."""
    return sum(2.0 * layer.fan_in * layer.channels * layer.positions for layer in layers)


def products(layers: Sequence[Layer]) -> float:
    """Of one sample: φ ψᵀ of every layer at every position."""
    return sum(2.0 * layer.channels**2 * layer.positions for layer in layers)


def descent(layers: Sequence[Layer], *, samples: int) -> Operations:
    """Forward, and the gradients of weights and of all inputs but the images."""
    return Operations(single=samples * (2 * forward(layers) + forward(layers[1:])))


def covariances(layers: Sequence[Layer], *, samples: int, partners: int) -> Operations:
    """Of a network, and with each partner."""
    return Operations(single=samples * (partners + 1) * (forward(layers) + products(layers)))


def unrelated(layers: Sequence[Layer], *, samples: int, partners: int, pairings: int) -> Operations:
    """With each partner: on the same images, whose folds no file holds, and on unrelated ones."""
    pair = 2 * forward(layers) + (1 + pairings) * products(layers)
    return Operations(single=samples * partners * pair)


def clipped_activations(layers: Sequence[Layer], *, samples: int) -> Operations:
    """All layers once; each but the last in another basis, the next one component by component, and
    all that follows anew for each rank."""
    total = forward(layers)
    for number, layer in enumerate(layers[:-1]):
        after = layer.channels * forward(layers[number + 2 :])
        total += products([layer]) + forward([layers[number + 1]]) + after
    return Operations(single=samples * total)


def clipped_weights(layers: Sequence[Layer], *, samples: int) -> Operations:
    """The same for the components of the weights of each layer."""
    total = forward(layers)
    for number, layer in enumerate(layers):
        rank = min(layer.fan_in, layer.channels)
        components = 2.0 * rank * (layer.fan_in + layer.channels) * layer.positions
        total += components + rank * forward(layers[number + 1 :])
    return Operations(single=samples * total)


def generation(
    layers: Sequence[Layer], *, train: int, test: int, draws: int, flattened: bool = False
) -> Operations:
    """Hidden layers of the reference, and of every draw with their rotations; a pass of each over
    test images; flattened: also of a classifier that is rotated in all its inputs."""
    hidden, classifier = layers[:-1], layers[-1]
    draw = train * (forward(hidden) + products(hidden)) + test * forward(layers)
    if flattened:
        draw += train * 2.0 * classifier.fan_in**2 + test * forward([classifier])
    reference = train * forward(hidden) + test * forward(layers)
    return Operations(single=reference + draws * draw)
