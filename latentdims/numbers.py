"""Single numbers of the summary, from the files of one network for each seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import drawn, storage
from latentdims.alignment import pairs
from latentdims.intervals import (
    COSINE,
    PERCENT,
    POSITIVE,
    SHARE,
    Estimate,
    Range,
    counted,
    over_networks,
    over_pairs,
)
from latentdims.learned import count_learned
from latentdims.measures import permutation_p
from latentdims.quantities import Name
from latentdims.spectra import (
    effective_rank,
    jackknife,
    marchenko_pastur_edges,
    participation_ratio,
    power_law,
    power_law_range,
)
from latentdims.storage import SPLITS

Array = NDArray[np.float64]
Pairs = Mapping[tuple[int, int], Array]
Paths = Sequence[str | Path]

DIMENSIONS = ("participation_ratio", "effective_rank")  # from 1 to the number of channels
OF_SPECTRA: Mapping[str, Callable[[Array], float]] = {
    "participation_ratio": participation_ratio,
    "effective_rank": effective_rank,
    "power_law_exponent": lambda values: power_law(values).exponent,
}
COUNTS = ("learned_components", "identified_eigenvectors", "rank_within_1_point")


class Number(NamedTuple):
    """A mean over networks; with the value of each, and its single runs, where there are any: by
    network, draw and fold (S, D, F), or (S, F), or by pair. within: what each can be."""

    name: Name
    estimate: Estimate
    networks: Sequence[float] = ()
    runs: Array | Pairs | None = None
    within: Range = None

    @property
    def is_default(self) -> bool:
        """Whether it is what its columns other than the epoch name: at the last one that it has."""
        return not (self.name.null == "unrelated" and self.name.epoch == 0)


def of(paths: Mapping[str, Paths]) -> Iterator[Number]:
    """Every single number of one network, from its files by kind, one per seed."""
    yield from _training(paths["network"])
    if len(paths["alignment"]) > 1:
        yield from _similarities(paths["alignment"])
    yield from _consensus(paths["consensus"])
    yield from _spectra(paths["alignment"])
    yield from _clipping(paths["clipping"])
    last = last_epoch(paths["network"][0])
    for name, values, within in drawn.of(paths["generation"]):
        yield of_networks(name._replace(epoch=last), values, within)
    for name, estimate, networks in drawn.derived(paths["generation"]):
        yield Number(name._replace(epoch=last), estimate, networks)


def last_epoch(path: str | Path) -> float:
    """The last epoch of a file."""
    with storage.read(path, needs=["epoch"]) as file:
        return float(file["epoch"][-1])


def of_networks(name: Name, values: Array, within: Range) -> Number:
    """A number with one value for each network (S,), or more by fold (S, F), or by draw and fold
    (S, D, F)."""
    networks = values.reshape(len(values), -1).mean(1)
    by_fold = values.mean(1) if values.ndim == 3 else values
    runs = values if values.ndim > 1 else values[:, None]
    return Number(name, over_networks(by_fold, within=within), networks.tolist(), runs, within)


def crossed(whole: Array, folds: Array) -> Array:
    """Scores by fold (..., F), moved so that their mean is the score of the whole split (...)."""
    return folds + (whole - folds.mean(-1))[..., None]


def _training(paths: Paths) -> Iterator[Number]:
    last = last_epoch(paths[0])
    for split, (what, within) in product(SPLITS, (("accuracy", PERCENT), ("loss", POSITIVE))):
        values = storage.stacked(paths, f"history/{split}_{what}")[:, -1]
        if split == "test":
            folds = storage.stacked(paths, f"history/folds/test_{what}")[..., -1]
            values = crossed(values, folds)
        yield of_networks(Name(what, split=split, epoch=last), values, within)


@dataclass(frozen=True)
class Scores:
    """Scores of the pairs at each epoch (E,), on test images also by fold (F, E), and on unrelated
    images (pairings, E)."""

    name: Name
    whole: Pairs
    folds: Pairs
    null: Pairs
    within: Range = COSINE

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
            defined = np.isfinite(folds).all()
            found[pair] = crossed(scores[epoch], folds) if defined else scores[epoch]
        if len({np.ndim(each) for each in found.values()}) > 1:
            return {pair: scores[epoch] for pair, scores in self.whole.items()}
        return found

    def numbers(self, epochs: Array) -> Iterator[Number]:
        """The trained networks, and beside them untrained ones and unrelated images."""
        trained, untrained = self.at(-1), self.at(0)
        name, last = self.name, float(epochs[-1])
        estimate = over_pairs(trained, within=self.within)
        yield Number(name._replace(epoch=last), estimate, runs=trained, within=self.within)
        nothing = name._replace(epoch=0.0, null="untrained")
        yield Number(nothing, over_pairs(untrained, within=self.within))
        for epoch, when in ((-1, last), (0, 0.0)):
            unrelated = np.array([each[:, epoch] for each in self.null.values()])
            band = _band(unrelated, networks=estimate.n)
            yield Number(name._replace(epoch=when, null="unrelated"), band)

    def above_untrained(self, epochs: Array) -> Number:
        """The paired differences, trained less untrained."""
        trained, untrained = self.at(-1), self.at(0)
        same = {np.shape(each) for each in (*trained.values(), *untrained.values())}
        if len(same) > 1:
            trained, untrained = (
                {pair: scores[epoch] for pair, scores in self.whole.items()} for epoch in (-1, 0)
            )
        gained = {pair: trained[pair] - untrained[pair] for pair in trained}
        name = f"{self.name.quantity}_above_untrained"
        full = self.name._replace(quantity=name, epoch=float(epochs[-1]))
        return Number(full, over_pairs(gained, within=(-2, 2)))

    def p(self, epochs: Array) -> Number:
        """Of pairings of unrelated images (`permutation_p`); means over pairs are compared."""
        null = np.array([each[:, -1] for each in self.null.values()]).mean(0)
        p = permutation_p(float(np.mean([each[-1] for each in self.whole.values()])), null)
        networks = len({seed for pair in self.whole for seed in pair})
        name = self.name._replace(quantity="similarity_p", epoch=float(epochs[-1]))
        return Number(name, Estimate(p, None, None, networks))


def _band(null: Array, *, networks: int) -> Estimate:
    """Mean and the middle 95 % of a null, over pairs and pairings."""
    if not np.isfinite(null).all():
        return Estimate(np.nan, None, None, networks)
    low, high = np.quantile(null, [0.025, 0.975]).tolist()
    return Estimate(float(null.mean()), low, high, networks)


def _similarities(paths: Paths) -> Iterator[Number]:
    with storage.read(paths[-1], needs=["epoch", "centring"]) as file:
        epochs, centrings = file["epoch"][()], list(file["centring"].asstr()[()])
    for scores in _scores(paths, "similarity", centrings):
        explained = scores.squared("variance_explained")
        for each in (scores, explained):
            yield from each.numbers(epochs)
            yield each.above_untrained(epochs)
        yield scores.p(epochs)
    for measure, within in (("cka", COSINE), ("cca", SHARE)):
        for scores in _scores(paths, measure, [], within=within):
            yield from scores.numbers(epochs)


def _scores(
    paths: Paths, score: str, centrings: Sequence[str], *, within: Range = COSINE
) -> Iterator[Scores]:
    """A score of each layer, split and, if it has any, centring."""
    folds = pairs(paths, score=f"{score}_folds")
    nulls = pairs(paths, score=f"{score}_null")
    places: list[tuple[int, ...]] = [(number,) for number in range(len(centrings))] or [()]
    for layer, whole in pairs(paths, score=score).items():
        for (at, split), place in product(enumerate(SPLITS), places):

            def chosen(
                found: Pairs, *axes: int, place: tuple[int, ...] = place
            ) -> dict[tuple[int, int], Array]:
                key: Any = (Ellipsis, *axes, *place)
                return {pair: values[key] for pair, values in found.items()}

            centring = centrings[place[0]] if place else "centred"
            yield Scores(
                Name(score, layer, split, centring),
                chosen(whole, at),
                chosen(folds[layer]) if split == "test" else {},
                chosen(nulls[layer], at),
                within,
            )


def _consensus(paths: Paths) -> Iterator[Number]:
    for path in paths:
        with storage.read(path, needs=["epoch"]) as file:
            last = float(file["epoch"][-1])
            for layer in storage.layers(file):
                scores = file[layer]["similarity"][()]  # (epochs, splits, seeds)
                for (at, split), (epoch, when, null) in product(
                    enumerate(SPLITS), ((-1, last, ""), (0, 0.0, "untrained"))
                ):
                    explained = scores[epoch, at] * np.abs(scores[epoch, at])
                    quantity = "variance_explained_by_mean"
                    name = Name(quantity, layer, split, "centred", when, null)
                    yield of_networks(name, explained, COSINE)


def _spectra(paths: Paths) -> Iterator[Number]:
    found: dict[Name, list[float | Array]] = {}
    sizes: dict[str, int] = {}
    for path in paths:
        with storage.read(path, needs=["spectra", "epoch"]) as file:
            last = float(file["epoch"][-1])
            for layer in storage.layers(file["spectra"]):
                sizes[layer] = int(file["spectra"][layer].attrs["neurons"])
                for name, value in _of_spectrum(file["spectra"][layer], layer):
                    found.setdefault(name._replace(epoch=last), []).append(value)
    for name, values in found.items():
        dimensions = name.quantity in DIMENSIONS
        within = (1, sizes[name.layer]) if dimensions else POSITIVE
        yield _summed_up(name, values, within=within)


def _summed_up(name: Name, values: Sequence[float | Array], *, within: Range = POSITIVE) -> Number:
    """values: of each network, or its pseudo-values (F,) by fold of the training images."""
    found = np.array(values)
    if name.quantity.startswith(COUNTS):
        return Number(name, counted(found), found.tolist())
    return of_networks(name, found, within)


def _of_spectrum(group: h5py.Group, layer: str) -> Iterator[tuple[Name, float | Array]]:
    fan_in, neurons = int(group.attrs["fan_in"]), int(group.attrs["neurons"])
    initial, weights = group["weight"][0], group["weight"][-1]
    counts = count_learned(weights, initial=initial, dimension=fan_in, neurons=neurons)
    for chance, count in counts.items():
        yield Name(f"learned_components_{chance}", layer), count
    edge = marchenko_pastur_edges(variance=1 / (3 * fan_in), dimension=fan_in, neurons=neurons)[1]
    yield Name("marchenko_pastur_edge", layer), edge
    for moment, centring in (("second_moment", "uncentred"), ("covariance", "centred")):
        values, without = group[moment][-1], group[f"{moment}_without_fold"][:, -1]
        name = Name("", layer, "train", centring)
        identified = float(group[f"{moment}_identified"][-1].sum())
        yield name._replace(quantity="identified_eigenvectors"), identified
        yield name._replace(quantity="power_law_exponent_range"), power_law_range(values)
        for quantity, measure in OF_SPECTRA.items():
            yield name._replace(quantity=quantity), jackknife(measure, values, without)


def _clipping(paths: Paths) -> Iterator[Number]:
    found: dict[Name, list[float]] = {}
    for path in paths:
        with storage.read(path, needs=["reference_accuracy"]) as file:
            reference = float(file["reference_accuracy"][()])
            for basis in (name for name in file if isinstance(file[name], h5py.Group)):
                for layer in storage.layers(file[basis]):
                    group = file[basis][layer]
                    enough = group["accuracy"][()] >= reference - 1
                    rank = float(group["rank"][int(enough.argmax())]) if enough.any() else np.nan
                    name = Name(f"rank_within_1_point_{basis}", layer, "test")
                    found.setdefault(name, []).append(rank)
    yield from map(_summed_up, found, found.values())
