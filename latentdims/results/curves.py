"""Curves of the figures, point by point, with simultaneous intervals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import h5py
import numpy as np

from latentdims import storage
from latentdims.models import architecture
from latentdims.models.epochs import ends
from latentdims.results import along, scores
from latentdims.results.quantities import Name, within
from latentdims.results.scores import Compared
from latentdims.statistics.intervals import Estimate, curve_over_networks, curve_over_pairs
from latentdims.storage import SPLITS

Paths = Sequence[str | Path]
MOMENTS = {"uncentred": "second_moment", "centred": "covariance"}


@dataclass(frozen=True)
class Curve:
    """A quantity against rank, k or epoch: at (points,), and an estimate for each."""

    name: Name
    at: Sequence[float]
    estimates: Sequence[Estimate]


def of(paths: Mapping[str, Paths]) -> Iterator[Curve]:
    """Every curve of one network, from its files by kind, one per seed."""
    yield from _training(paths["network"])
    yield from _spectra(paths["alignment"])
    if len(paths["alignment"]) > 1:
        yield from of_pairs(scores.of_seeds(paths["alignment"]), kinds=("activation", "weight"))
    yield from _clipping(paths["clipping"])
    if along.is_measured(paths["alignment"][0]):
        at = along.epochs(paths["alignment"])
        for points in along.of(paths["alignment"]):
            yield Curve(points.name, at, points.estimates)


def _training(paths: Paths) -> Iterator[Curve]:
    epochs = storage.stacked(paths[:1], "history/epoch")[0]
    for split, what in product(SPLITS, ("accuracy", "loss")):
        name = Name(f"{what}_by_epoch", split=split)
        yield _of_networks(name, epochs.tolist(), scores.history(paths, split, what))


def _epochs(path: str | Path) -> np.ndarray:
    with storage.read(path, needs=["epoch"]) as file:
        return file["epoch"][()]


def _spectra(paths: Paths) -> Iterator[Curve]:
    epochs = _epochs(paths[0])
    with storage.read(paths[0], needs=["spectra"]) as file:
        parts = {
            layer: set(file["spectra"][layer]) for layer in architecture.layers(file, "spectra")
        }
    for layer, (null, epoch) in product(parts, ends(epochs).items()):
        when = float(epochs[epoch])
        moments = {centring: each for centring, each in MOMENTS.items() if each in parts[layer]}
        for split, (centring, moment) in product(SPLITS, moments.items()):
            kind = moment if split == "train" else f"{moment}_held_out"
            spectra = storage.stacked(paths, f"spectra/{layer}/{kind}")[:, epoch]
            name = Name("eigenvalue", layer, split, centring, when, null)
            yield _of_networks(name, _ranks(spectra), spectra)
        if "weight" in parts[layer]:
            weights = storage.stacked(paths, f"spectra/{layer}/weight")[:, epoch]
            name = Name("weight_eigenvalue", layer, epoch=when, null=null)
            yield _of_networks(name, _ranks(weights), weights)


def of_pairs(pairs: Compared, *, kinds: Sequence[str]) -> Iterator[Curve]:
    """Overlaps of the eigenvectors of pairs of networks."""
    epochs = _epochs(pairs.file)
    for kind in kinds:
        quantity = f"subspace_overlap_{kind}"
        nulls = scores.pairs(pairs, score=f"{kind}_subspace_null")
        for layer, found in scores.pairs(pairs, score=f"{kind}_subspace").items():
            for null, epoch in ends(epochs).items():
                chosen = {pair: each[epoch] for pair, each in found.items()}
                name = Name(quantity, layer, epoch=float(epochs[epoch]), null=null)
                estimates = curve_over_pairs(chosen, within=within(quantity))
                yield Curve(name, range(1, len(estimates) + 1), estimates)
            networks = len({seed for pair in found for seed in pair})
            unrelated = np.concatenate([null[:, -1] for null in nulls[layer].values()])
            name = Name(quantity, layer, epoch=float(epochs[-1]), null="unrelated")
            band = scores.of_null(unrelated, networks=networks)
            yield Curve(name, range(1, len(band) + 1), band)


def _clipping(paths: Paths) -> Iterator[Curve]:
    with storage.read(paths[0]) as file:
        places = [
            (basis, layer)
            for basis in file
            if isinstance(file[basis], h5py.Group)
            for layer in architecture.layers(file, basis)
        ]
    for basis, layer in places:
        ranks = storage.stacked(paths[:1], f"{basis}/{layer}/rank")[0].tolist()
        name = Name(f"clipped_accuracy_{basis}", layer, "test")
        yield _of_networks(name, ranks, scores.clipped(paths, basis, layer))


def _ranks(curves: np.ndarray) -> Sequence[float]:
    return range(1, curves.shape[-1] + 1)


def _of_networks(name: Name, at: Sequence[float], values: np.ndarray) -> Curve:
    """values: (S, points), or by fold of the test images (S, F, points)."""
    return Curve(name, at, curve_over_networks(values, within=within(name.quantity)))
