"""Pairings of unrelated images: which images meet, and what is added up of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import integer_images, integer_network

from latentdims import sizes
from latentdims.comparison import measures, unrelated
from latentdims.comparison.moments import rows
from latentdims.comparison.views import NetworkView
from latentdims.models.architecture import chain
from latentdims.statistics import folds

IMAGES = 61
SINGLE = float(np.finfo(np.float32).eps)


class Named:
    """A network whose representation is one-hot: the number of the image that it saw."""

    architecture = chain((IMAGES, 1, 1), [(IMAGES,)], taps=[1])

    def representations(self, images):
        yield self.architecture.sites[0], torch.eye(IMAGES)[images[:, 0, 0, 0].long()]


def meetings(pairings: int, monkeypatch, *, size: int = 10**6) -> np.ndarray:
    """(1 + P, images, images): which image of the partner met which of the network's own."""
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, unrelated=size * IMAGES))
    images = torch.arange(IMAGES).float()[:, None, None, None]
    view = NetworkView(Named(), images)
    found = unrelated.paired([view], view, pairings=pairings)[0]["classifier"]
    # Each mean is 1 / images: what is added to the covariance is the share of a pair.
    return ((found.covariance.numpy() + IMAGES**-2) * IMAGES).round(4)


@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_pairings_are_derangements_of_all_images_without_a_common_pair(size, monkeypatch):
    number = unrelated.pairings(IMAGES, 20)
    assert number == IMAGES // folds.FOLDS - 1
    same, *others = meetings(number, monkeypatch, size=size)
    np.testing.assert_array_equal(same, np.eye(IMAGES))
    for met in others:
        np.testing.assert_array_equal(met.sum(0), 1)
        np.testing.assert_array_equal(met.sum(1), 1)
        assert not np.diagonal(met).any()
    assert sum(others).max() == 1  # no pair twice
    of = folds.of(IMAGES)
    partner, own = np.nonzero(sum(others))
    assert (of[partner] == of[own]).all()


@pytest.mark.parametrize(("images", "wanted", "found"), [(2, 3, 1), (40, 3, 3), (1, 3, 0)])
def test_there_are_as_many_pairings_as_folds_have_other_images(images, wanted, found):
    assert unrelated.pairings(images, wanted) == found


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize(("values", "size"), [(100, 2048), (1 << 21, 2048), (1 << 21, 7)])
def test_covariances_of_every_pairing(name, values, size, monkeypatch):
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, unrelated=values, rows=size))
    partner, own = (integer_network(name, seed=seed) for seed in (0, 1))
    images = integer_images(IMAGES, seed=3)
    views = NetworkView(partner, images), NetworkView(own, images)
    (found,) = unrelated.paired(views[:1], views[1], pairings=3)
    _, *others = meetings(3, monkeypatch)
    parts = [np.flatnonzero(folds.of(IMAGES) == number) for number in range(folds.FOLDS)]
    for number, site in enumerate(own.architecture.sites):
        for pairing, met in enumerate([np.eye(IMAGES), *others]):
            x, y = (
                list(network.representations(images[order]))[number][1].double()
                for network, order in ((partner, np.arange(IMAGES)), (own, met.argmax(1)))
            )
            whole, *within = (cross(x[part], y[part]) for part in (np.arange(IMAGES), *parts))
            paired = found[site.name]
            scale = float(x.std() * y.std())
            # Sums in float32, of some hundred rows of a few deviations.
            bound = {"rtol": 0, "atol": 1000 * SINGLE * scale}
            np.testing.assert_allclose(paired.covariance[pairing], whole, **bound)
            if pairing == 0:
                np.testing.assert_allclose(paired.folds, within, **bound)
            share = [len(part) * len(parts) / IMAGES for part in parts]
            expected = measures.squared_norm(np.array(within) * np.array(share)[:, None, None])
            bound = 1000 * SINGLE * float((np.array(within) ** 2).sum())
            assert float(paired.squared_norm[pairing]) == pytest.approx(expected, abs=bound)


def cross(x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    x, y = rows(x).numpy(), rows(y).numpy()
    return (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)


class Counted(NetworkView):
    """A network that counts the images which it has seen."""

    def representations(self, samples):
        SEEN[id(self)] = SEEN.get(id(self), 0) + len(samples)
        return super().representations(samples)


SEEN: dict[int, int] = {}


def test_partners_at_once_are_what_they_are_alone_and_each_network_sees_images_once(monkeypatch):
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, unrelated=10**6))  # a fold at once
    images, numbers = integer_images(IMAGES, seed=3), 3
    own, *others = (Counted(integer_network("mlp", seed=seed), images) for seed in range(4))
    first, *_, last = (site.name for site in own.architecture.sites)
    matches = [
        {first: (first, first)},
        {"up": (last, first), last: (last, last)},
        {"down": (first, last), "same": (last, last), "up": (last, first)},
    ]
    SEEN.clear()
    found = unrelated.paired(others, own, pairings=numbers, matches=matches)
    ahead = numbers * folds.FOLDS  # a fold goes on for as many images as there are pairings
    assert [SEEN[id(each)] for each in (own, *others)] == [IMAGES + ahead] + [IMAGES] * 3
    for partner, pairs, together in zip(others, matches, found, strict=True):
        (alone,) = unrelated.paired([partner], own, pairings=numbers, matches=[pairs])
        assert together.keys() == alone.keys() == pairs.keys()
        for layer, paired in alone.items():
            assert torch.equal(together[layer].covariance, paired.covariance)
            assert torch.equal(together[layer].folds, paired.folds)
            assert torch.equal(together[layer].squared_norm, paired.squared_norm)
