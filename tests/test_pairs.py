"""What is held for a pair of networks while it is compared together with others."""

from types import SimpleNamespace

from latentdims.comparison.pairs import Member, Pair
from latentdims.models.architecture import chain


def member(*, widths, epochs):
    network = chain((3, 5, 4), [(width,) for width in widths], taps=[20, *[1] * (len(widths) - 1)])
    measurements = SimpleNamespace(architecture=network, epochs=epochs)
    return Member("some", measurements, view=None)


def test_bytes_that_are_held():
    """Of each split, 4 pairings and the same images, as they are added up, and as their
    covariances; of each epoch of the partner four moments (C, C) of two numbers each."""
    partner = member(widths=(7, 11, 2), epochs=[0.0, 0.5, 1.0])
    own = member(widths=(13, 5), epochs=[0.0, 1.0])
    matches = {"layer1": ("layer1", "layer1"), "last": ("layer2", "classifier")}
    pair = Pair(partner, own, "seed0", matches, {}, {}, options=None)
    numbers = 2 * 2 * 5 * (7 * 13 + 11 * 5) + 3 * 4 * 2 * (7**2 + 11**2 + 2**2)
    assert pair.held(4) == 4 * numbers
