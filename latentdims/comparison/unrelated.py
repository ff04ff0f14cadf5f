"""The null of every comparison: what two networks seem to share on unrelated images.

The images of a fold have one fixed random order. Pairing p shows one network an image, and the
other network the image p places later, in a circle. So every pairing is a derangement, and no two
pairings share a pair of images. Pairing 0 shows both networks the same images.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdims import sizes
from latentdims.comparison.moments import rows
from latentdims.comparison.views import Matches, View, Walk, same_sites
from latentdims.models.architecture import Architecture
from latentdims.statistics import folds
from latentdims.workflow.job import progress


@dataclass(frozen=True)
class Paired:
    """Cross-covariances of one layer of two networks for several pairings of the same images.

    covariance: (1 + P, C, D) about the means over all images, for the same images and for P
    pairings. squared_norm: (1 + P,), float64, without bias, like `measures.squared_norm`, except
    that every image has the same weight if folds differ by one image. folds: (F, C, D), for the
    same images, about the means of each fold. Products and sums are in float32.
    """

    covariance: Tensor
    squared_norm: Tensor
    folds: Tensor


class _Sums:
    """What is added up for one layer: first the products of a fold, then the folds."""

    def __init__(self, theirs: Tensor, ours: Tensor, pairings: int) -> None:
        channels = theirs.shape[1], ours.shape[1]
        self._near = tuple(rows(x).mean(0) for x in (theirs, ours))  # near the means
        self._products = theirs.new_zeros(1 + pairings, *channels)  # of a fold, in float32
        self._totals = [theirs.new_zeros(width, dtype=torch.float64) for width in channels]
        self._rows = 0
        self._folds: list[tuple[int, Tensor, Tensor]] = []  # rows and means
        self._sums = torch.zeros_like(self._products)
        self._squares = torch.zeros(1 + pairings, dtype=torch.float64, device=theirs.device)
        self._same: list[Tensor] = []

    def add(self, theirs: Tensor, ours: Tensor) -> None:
        """Add the representations of a batch; `ours` goes on for as many images as pairings."""
        positions = theirs[0, 0].numel()
        x, y = (rows(each) - near for each, near in zip((theirs, ours), self._near, strict=True))
        shape = len(self._products), len(x), y.shape[1]
        shifted = y.as_strided(shape, (positions * y.shape[1], y.shape[1], 1))  # without a copy
        size = sizes.of(x.device).rows
        for start in range(0, len(x), size):
            block = x[start : start + size]
            left = block.T.expand(len(shifted), -1, -1)
            self._products.baddbmm_(left, shifted[:, start : start + size])
        for total, each in zip(self._totals, (x, y[: len(x)]), strict=True):
            total += each.sum(0)
        self._rows += len(x)

    def end_fold(self) -> None:
        """Add the fold, whose images are all there, to the others."""
        means = [total / self._rows for total in self._totals]
        self._folds.append((self._rows, means[0], means[1]))
        scatter = self._products.sub_(torch.outer(*means).float(), alpha=self._rows)
        self._sums += scatter
        self._squares += torch.linalg.vector_norm(scatter, dim=(1, 2)).double() ** 2
        self._same.append(scatter[0] / self._rows)
        self._products.zero_()
        self._rows = 0
        for total in self._totals:
            total.zero_()

    def paired(self) -> Paired:
        """Of all folds."""
        total = sum(count for count, _, _ in self._folds)
        square = torch.linalg.vector_norm(self._sums, dim=(1, 2)).double() ** 2
        number = len(self._folds)
        if number > 1:
            square = (square - self._squares) * number / (number - 1)
        counts = square.new_tensor([count / total for count, _, _ in self._folds])[:, None]
        theirs = torch.stack([mean for _, mean, _ in self._folds])
        ours = torch.stack([mean for _, _, mean in self._folds])
        between = (counts * (theirs - (counts * theirs).sum(0))).T @ ours
        covariance = self._sums.div_(total).add_(between.float())
        return Paired(covariance, square / total**2, torch.stack(self._same))


def pairings(images: int, wanted: int) -> int:
    """The number of different derangements within the folds of the images, at most the wanted
    number."""
    return min(wanted, int(np.bincount(folds.of(images)).min()) - 1)


def folds_of(images: int, *, seed: int = 0) -> list[Tensor]:
    """The images of each fold, in the order in which they are paired; seed: of that order."""
    fold = torch.from_numpy(folds.of(images))
    order = torch.randperm(images, generator=torch.Generator().manual_seed(1 + seed))
    return [order[fold[order] == number] for number in range(int(fold.max()) + 1)]


@torch.inference_mode()
def paired(
    partners: Sequence[View],
    own: View,
    *,
    pairings: int,
    matches: Sequence[Matches] | None = None,
    name: str = "images",
    seed: int = 0,
) -> list[dict[str, Paired]]:
    """Cross-covariances with each partner by layer, over all images, for the same images and some
    pairings; each network sees a batch once.

    matches: sites that are compared with each partner; each with the same one, where not given.
    name: what the log calls the images. seed: of the order in which they are paired.
    """
    if matches is None:
        matches = [same_sites(own.architecture)] * len(partners)
    shapes = [site.shape for view in (*partners, own) for site in view.architecture.sites]
    size = max(1, sizes.of(own.device).unrelated // max(map(math.prod, shapes)))
    sums: dict[tuple[int, str], _Sums] = {}
    for members in progress(folds_of(len(own), seed=seed), name=f"{name}, fold"):
        for start in range(0, len(members), size):
            shown = torch.arange(start, min(start + size, len(members)))
            further = torch.arange(start, start + len(shown) + pairings) % len(members)
            of_layers = (ours for pairs in matches for _, ours in pairs.values())
            ours = _walk(own, members[further], of_layers)
            walks = [
                _walk(partner, members[shown], (site for site, _ in pairs.values()))
                for partner, pairs in zip(partners, matches, strict=True)
            ]
            for key, (site, own_site) in _in_order(own.architecture, matches):
                both = walks[key[0]].take(site), ours.take(own_site)
                if key not in sums:
                    sums[key] = _Sums(*both, pairings)
                sums[key].add(*both)
        for each in sums.values():
            each.end_fold()
    return [
        {layer: sums[number, layer].paired() for layer in pairs}
        for number, pairs in enumerate(matches)
    ]


def _in_order(
    own: Architecture, matches: Sequence[Matches]
) -> Iterator[tuple[tuple[int, str], tuple[str, str]]]:
    """All that is compared, by partner and layer, in the order in which the own network makes it,
    so that what it made is not kept for long."""
    for site in own.sites:
        for number, pairs in enumerate(matches):
            for layer, both in pairs.items():
                if both[1] == site.name:
                    yield (number, layer), both


def _walk(view: View, images: Tensor, taken: Iterable[str]) -> Walk[Tensor]:
    return Walk(view.representations(images), lambda made: made, taken)
