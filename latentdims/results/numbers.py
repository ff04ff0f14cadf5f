"""Single numbers of the summary, from the files of one network for each seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.comparison.measures import permutation_p
from latentdims.models import architecture
from latentdims.models.epochs import UNTRAINED, ends
from latentdims.results import drawn, quantities, scores
from latentdims.results.quantities import Name
from latentdims.results.scores import Compared, Scores
from latentdims.statistics.intervals import Estimate, counted, over_networks, over_pairs
from latentdims.statistics.learned import count_learned
from latentdims.statistics.scales import Range
from latentdims.statistics.spectra import (
    effective_rank,
    initial_variance,
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

OF_SPECTRA: Mapping[str, Callable[[Array], float]] = {
    "participation_ratio": participation_ratio,
    "effective_rank": effective_rank,
    "power_law_exponent": lambda values: power_law(values).exponent,
}
COUNTS = ("learned_components", "identified_eigenvectors", "rank_within_1_point")


class Number(NamedTuple):
    """A mean over networks, with the value of each, and single runs, if any: by network, draw and
    fold (S, D, F), or (S, F), or by pair. neurons: of its layer, if the number counts them."""

    name: Name
    estimate: Estimate
    networks: Sequence[float] = ()
    runs: Array | Pairs | None = None
    neurons: int | None = None

    @property
    def within(self) -> Range:
        """The range of each value."""
        return quantities.within(self.name.quantity, neurons=self.neurons)

    @property
    def is_default(self) -> bool:
        """Whether a published number without an epoch refers to it: it is at the last epoch."""
        return not (self.name.null == "unrelated" and self.name.epoch == 0)


def of(paths: Mapping[str, Paths]) -> Iterator[Number]:
    """Every single number of one network, from its files by kind, one per seed."""
    yield from _training(paths["network"])
    if len(paths["alignment"]) > 1:
        yield from of_pairs(scores.of_seeds(paths["alignment"]))
    yield from _consensus(paths["consensus"])
    yield from _spectra(paths["alignment"])
    yield from _clipping(paths["clipping"])
    last = last_epoch(paths["network"][0])
    for name, values in drawn.of(paths["generation"]):
        yield of_networks(name._replace(epoch=last), values)
    for name, estimate, networks in drawn.derived(paths["generation"]):
        yield Number(name._replace(epoch=last), estimate, networks)


def last_epoch(path: str | Path) -> float:
    """The last epoch of a file."""
    with storage.read(path, needs=["epoch"]) as file:
        return float(file["epoch"][-1])


def of_networks(name: Name, values: Array, *, neurons: int | None = None) -> Number:
    """A number with one value for each network (S,), or by fold (S, F), or by draw and fold (S, D,
    F)."""
    networks = values.reshape(len(values), -1).mean(1)
    by_fold = values.mean(1) if values.ndim == 3 else values
    runs = values if values.ndim > 1 else values[:, None]
    within = quantities.within(name.quantity, neurons=neurons)
    estimate = over_networks(by_fold, within=within)
    return Number(name, estimate, networks.tolist(), runs, neurons)


def _training(paths: Paths) -> Iterator[Number]:
    last = last_epoch(paths[0])
    for split, what in product(SPLITS, ("accuracy", "loss")):
        values = scores.history(paths, split, what)[..., -1]
        yield of_networks(Name(what, split=split, epoch=last), values)


def _compared(found: Scores, epochs: Array) -> Iterator[Number]:
    """The trained networks, and beside them untrained ones, if there are any, and unrelated
    images."""
    name, limit = found.name, quantities.within(found.name.quantity)
    for null, end in ends(epochs).items():
        runs, when = found.at(end), float(epochs[end])
        estimate = over_pairs(runs, within=limit)
        yield Number(name._replace(epoch=when, null=null), estimate, runs=None if null else runs)
    for end in ends(epochs).values():
        (band,) = scores.of_null(found.unrelated(end)[:, None], networks=estimate.n)
        yield Number(name._replace(epoch=float(epochs[end]), null="unrelated"), band)


def _above_untrained(found: Scores, epochs: Array) -> Number:
    """The paired differences, trained less untrained."""
    trained, untrained = found.at(-1), found.at(0)
    same = {np.shape(each) for each in (*trained.values(), *untrained.values())}
    if len(same) > 1:
        trained, untrained = (
            {pair: each[epoch] for pair, each in found.whole.items()} for epoch in (-1, 0)
        )
    gained = {pair: trained[pair] - untrained[pair] for pair in trained}
    quantity = f"{found.name.quantity}_above_untrained"
    name = found.name._replace(quantity=quantity, epoch=float(epochs[-1]))
    return Number(name, over_pairs(gained, within=quantities.within(quantity)))


def _p(found: Scores, epochs: Array) -> Number:
    """Of pairings of unrelated images (`permutation_p`); means over pairs are compared."""
    null = np.array([each[:, -1] for each in found.null.values()]).mean(0)
    p = permutation_p(float(np.mean([each[-1] for each in found.whole.values()])), null)
    networks = len({seed for pair in found.whole for seed in pair})
    name = found.name._replace(quantity="similarity_p", epoch=float(epochs[-1]))
    return Number(name, Estimate(p, None, None, networks))


def of_pairs(pairs: Compared) -> Iterator[Number]:
    """Every single number of pairs of networks."""
    with storage.read(pairs.file, needs=["epoch", "centring"]) as file:
        epochs, centrings = file["epoch"][()], list(file["centring"].asstr()[()])
    for found in scores.of_pairs(pairs, "similarity", centrings):
        for each in (found, found.squared("variance_explained")):
            yield from _compared(each, epochs)
            if UNTRAINED in ends(epochs):
                yield _above_untrained(each, epochs)
        yield _p(found, epochs)
    for measure in scores.measures(pairs):
        for found in scores.of_pairs(pairs, measure):
            yield from _compared(found, epochs)


def _consensus(paths: Paths) -> Iterator[Number]:
    for path in paths:
        with storage.read(path, needs=["epoch"]) as file:
            epochs = file["epoch"][()]
            for layer in architecture.layers(file, "/"):
                found = file[layer]["similarity"][()]  # (epochs, splits, seeds)
                for (at, split), (null, end) in product(enumerate(SPLITS), ends(epochs).items()):
                    explained = found[end, at] * np.abs(found[end, at])
                    quantity, when = "variance_explained_by_mean", float(epochs[end])
                    name = Name(quantity, layer, split, "centred", when, null)
                    yield of_networks(name, explained)


def _spectra(paths: Paths) -> Iterator[Number]:
    found: dict[Name, list[float | Array]] = {}
    sizes: dict[str, int] = {}
    for path in paths:
        with storage.read(path, needs=["spectra", "epoch"]) as file:
            epochs = file["epoch"][()]
            for layer in architecture.layers(file, "spectra"):
                group = file["spectra"][layer]
                if "covariance" in group:
                    sizes[layer] = group["covariance"].shape[-1]
                for name, value in _of_spectra(group, layer, ends(epochs)):
                    when = float(epochs[-1])
                    found.setdefault(name._replace(epoch=when), []).append(value)
    for name, values in found.items():
        yield _summed_up(name, values, neurons=sizes.get(name.layer))


def _summed_up(
    name: Name, values: Sequence[float | Array], *, neurons: int | None = None
) -> Number:
    """values: of each network, or its pseudo-values (F,) by fold of the training images."""
    found = np.array(values)
    if name.quantity.startswith(COUNTS):
        return Number(name, counted(found), found.tolist())
    return of_networks(name, found, neurons=neurons)


def _of_spectra(
    group: h5py.Group, layer: str, places: Mapping[str, int]
) -> Iterator[tuple[Name, float | Array]]:
    """places: on the axis of epochs, as `epochs.ends` gives them."""
    if "weight" in group:
        yield from _of_weights(group, layer, places)
    for moment, centring in (("second_moment", "uncentred"), ("covariance", "centred")):
        if moment in group:
            yield from _of_moment(group, moment, Name("", layer, "train", centring))


def _of_weights(
    group: h5py.Group, layer: str, places: Mapping[str, int]
) -> Iterator[tuple[Name, float]]:
    fan_in, neurons = int(group.attrs["fan_in"]), int(group.attrs["neurons"])
    weights = group["weight"][-1]
    initial = group["weight"][places[UNTRAINED]] if UNTRAINED in places else None
    counts = count_learned(weights, initial=initial, dimension=fan_in, neurons=neurons)
    for chance, count in counts.items():
        yield Name(f"learned_components_{chance}", layer), count
    variance = initial_variance(fan_in)
    edge = marchenko_pastur_edges(variance=variance, dimension=fan_in, neurons=neurons)[1]
    yield Name("marchenko_pastur_edge", layer), edge


def _of_moment(group: h5py.Group, moment: str, name: Name) -> Iterator[tuple[Name, float | Array]]:
    values, without = group[moment][-1], group[f"{moment}_without_fold"][:, -1]
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
                for layer in architecture.layers(file, basis):
                    group = file[basis][layer]
                    enough = group["accuracy"][()] >= reference - 1
                    rank = float(group["rank"][int(enough.argmax())]) if enough.any() else np.nan
                    name = Name(f"rank_within_1_point_{basis}", layer, "test")
                    found.setdefault(name, []).append(rank)
    yield from map(_summed_up, found, found.values())
