"""Scores by fold of the test images, of networks and of pairs, for the intervals of tables and
figures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.errors import InputError
from latentdims.models import architecture
from latentdims.results.quantities import Name
from latentdims.statistics.intervals import Estimate
from latentdims.storage import SPLITS

Array = NDArray[np.float64]
Pairs = Mapping[tuple[int, int], Array]
Paths = Sequence[str | Path]

MEASURES = ("cka", "cca", "mutual_neighbours")  # beside the similarity, centred
FINAL = "final"  # the group of a network itself at its last epoch
OF_TEST = ("mutual_neighbours",)  # of test images alone


def crossed(whole: Array, folds: Array, *, axis: int = -1) -> Array:
    """Scores by fold, shifted so that their mean over that axis is the score of the whole split."""
    return folds + np.expand_dims(whole - folds.mean(axis), axis)


def history(paths: Paths, split: str, what: str) -> Array:
    """Accuracy or loss of each network after each epoch, (S, E); on test images (S, F, E)."""
    whole = storage.stacked(paths, f"history/{split}_{what}")
    if split != "test":
        return whole
    return crossed(whole, storage.stacked(paths, f"history/folds/test_{what}"), axis=1)


def clipped(paths: Paths, basis: str, layer: str) -> Array:
    """Test accuracy of each network at each rank in a basis, (S, F, ranks)."""
    place = f"{basis}/{layer}/accuracy"
    folds = storage.stacked(paths, f"{place}_folds")
    return crossed(storage.stacked(paths, place), folds, axis=1)


def drawn(paths: Paths, name: str) -> Array:
    """Scores of drawn networks: (S, F), or (S, D, F) for D draws; for the whole split, (S, D), if
    there are no folds."""
    whole = storage.stacked(paths, name)
    with storage.read(paths[0]) as file:
        if f"{name}_folds" not in file:
            return whole
    return crossed(whole, storage.stacked(paths, f"{name}_folds"))


@dataclass(frozen=True)
class Scores:
    """Scores of pairs at each epoch (E,), on test images also by fold (F, E), and on unrelated
    images (pairings, E). A network with itself is also a pair."""

    name: Name
    whole: Pairs
    folds: Pairs
    null: Pairs

    def squared(self, quantity: str) -> "Scores":
        """Their squares, with the signs of the scores."""

        def square(scores: Pairs) -> Pairs:
            return {pair: each * np.abs(each) for pair, each in scores.items()}

        name = self.name._replace(quantity=quantity)
        return Scores(name, square(self.whole), square(self.folds), square(self.null))

    def at(self, epoch: int) -> dict[tuple[int, int], Array]:
        """By pair: the score at one index of the axis of epochs, and by fold (F,) if it can be."""
        found = {}
        for pair, scores in self.whole.items():
            folds = self.folds[pair][:, epoch] if pair in self.folds else np.array([np.nan])
            defined = np.isfinite(folds).all() or (
                pair in self.folds and not np.isfinite(scores[epoch])
            )
            found[pair] = crossed(scores[epoch], folds) if defined else scores[epoch]
        if len({np.ndim(each) for each in found.values()}) > 1:
            return {pair: scores[epoch] for pair, scores in self.whole.items()}
        return found

    @property
    def of_networks(self) -> bool:
        """Whether each is of a network and itself."""
        return all(one == other for one, other in self.whole)

    def curves(self) -> dict[tuple[int, int], Array]:
        """By pair: the scores at all epochs (E,), or by fold (F, E) if they are defined."""
        by_fold = self.whole.keys() == self.folds.keys() and all(
            np.isfinite(self.folds[pair][:, np.isfinite(scores)]).all()
            for pair, scores in self.whole.items()
        )
        return {
            pair: crossed(scores, self.folds[pair], axis=0) if by_fold else scores
            for pair, scores in self.whole.items()
        }

    def unrelated(self, epoch: int) -> Array:
        """On unrelated images, of every pair and pairing, (pairs · pairings,)."""
        return np.concatenate([each[:, epoch] for each in self.null.values()])


@dataclass(frozen=True)
class Compared:
    """Pairs of compared networks: the alignment file of each, and its group there.

    layers: of the groups, in order; by default the layers of the network.
    """

    places: Mapping[tuple[int, int], tuple[str | Path, str]]
    layers: Sequence[str] | None = None

    @property
    def file(self) -> str | Path:
        """One of the files, which have the same epochs, splits and centrings."""
        return list(self.places.values())[-1][0]


def of_seeds(paths: Paths) -> Compared:
    """All pairs that were compared among seeds 0, 1, and so on, whose alignment files these are.

    Raises InputError for a single file, which holds no pair.
    """
    if len(paths) < 2:
        raise InputError(f"{paths[0]}: a single network has no pairs; give seeds: 2 or more")
    places: dict[tuple[int, int], tuple[str | Path, str]] = {}
    for seed, path in enumerate(paths):
        with storage.read(path, needs=["spectra"]) as file:
            found = [partner for partner in range(seed) if f"seed{partner}" in file]
        places |= {(partner, seed): (path, f"seed{partner}") for partner in found}
    return Compared(places)


def of_finals(paths: Paths) -> Compared:
    """Each network with itself at its last epoch, as the pair of a seed with itself."""
    return Compared({(seed, seed): (path, FINAL) for seed, path in enumerate(paths)})


def pairs(
    source: Paths | Compared, *, score: str = "similarity"
) -> dict[str, dict[tuple[int, int], Array]]:
    """Similarities (epochs, splits, centrings) by layer and pair of networks, if there are any.

    source: pairs, or the files of seeds as for `of_seeds`. score: `similarity`, or another dataset.
    """
    compared = source if isinstance(source, Compared) else of_seeds(source)
    scores: dict[str, dict[tuple[int, int], Array]] = {}
    for path, found in groupby(compared.places.items(), key=lambda item: item[1][0]):
        with storage.read(path, needs=["spectra"]) as file:
            for pair, (_, group) in found:
                for layer in compared.layers or architecture.layers(file, group):
                    place = f"{group}/{layer}/{score}"
                    if place in file:
                        scores.setdefault(layer, {})[pair] = file[place][()]
    return scores


def measures(source: Paths | Compared) -> list[str]:
    """Those of `MEASURES` that are in the files."""
    compared = source if isinstance(source, Compared) else of_seeds(source)
    path, place = next(iter(compared.places.values()))
    with storage.read(path, needs=["spectra", place]) as file:
        groups = file[place].values()
        return [name for name in MEASURES if any(name in group for group in groups)]


def of_pairs(
    source: Paths | Compared, score: str, centrings: Sequence[str] = ()
) -> Iterator[Scores]:
    """A score of each layer, split and centring; without centrings, a centred one, and without an
    axis of splits, one of test images."""
    folds = pairs(source, score=f"{score}_folds")
    nulls = pairs(source, score=f"{score}_null")
    places: list[tuple[int, ...]] = [(number,) for number in range(len(centrings))] or [()]
    splits = (
        [((), "test")] if score in OF_TEST else [((at,), each) for at, each in enumerate(SPLITS)]
    )
    for layer, whole in pairs(source, score=score).items():
        for (at, split), place in product(splits, places):

            def chosen(
                found: Pairs, *axes: int, place: tuple[int, ...] = place
            ) -> dict[tuple[int, int], Array]:
                key: Any = (Ellipsis, *axes, *place)
                return {pair: values[key] for pair, values in found.items()}

            centring = centrings[place[0]] if place else "centred"
            yield Scores(
                Name(score, layer, split, centring),
                chosen(whole, *at),
                chosen(folds[layer]) if split == "test" else {},
                chosen(nulls[layer], *at),
            )


def of_null(null: Array, *, networks: int) -> list[Estimate]:
    """Mean and the middle 95 % of a null (pairs · pairings, points), at each point."""
    ends = np.quantile(null, [0.025, 0.975], axis=0)  # NaN where one of them is
    return [
        Estimate(mean, low, high, networks)
        if np.isfinite(mean)
        else Estimate(np.nan, None, None, networks)
        for mean, low, high in zip(null.mean(0).tolist(), *ends.tolist(), strict=True)
    ]
