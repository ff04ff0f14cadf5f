"""Curves along training: similarities, dimensions and weights at each kept epoch."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.models import architecture
from latentdims.models.epochs import UNTRAINED, ends
from latentdims.results import scores
from latentdims.results.quantities import LEADING, Name, within
from latentdims.results.scores import FINAL, Scores
from latentdims.statistics.intervals import (
    Estimate,
    counted,
    curve_over_networks,
    curve_over_pairs,
)
from latentdims.statistics.learned import count_learned
from latentdims.statistics.scales import Range
from latentdims.statistics.spectra import jackknife, participation_ratio

Array = NDArray[np.float64]
Paths = Sequence[str | Path]
MOMENTS = {"uncentred": "second_moment", "centred": "covariance"}


class Points(NamedTuple):
    """A curve: an estimate at each kept epoch, and its values for networks, pairs of networks, or
    pairings of unrelated images, (…, E)."""

    name: Name
    estimates: Sequence[Estimate]
    each: Array


def is_measured(path: str | Path) -> bool:
    """Whether an alignment file has all kept epochs."""
    with storage.read(path) as file:
        return FINAL in file


def epochs(paths: Paths) -> list[float]:
    """The epochs of all curves, (E,)."""
    with storage.read(paths[0], needs=["epoch"]) as file:
        return file["epoch"][()].tolist()


def of(paths: Paths) -> Iterator[Points]:
    """Every curve, from the alignment files of seeds 0, 1, and so on."""
    yield from similarities(paths)
    yield from participation_ratios(paths)
    yield from learned_components(paths)
    yield from weights(paths)


def similarities(paths: Paths) -> Iterator[Points]:
    """To other seeds, if there are any, and to the network itself at its last epoch."""
    with storage.read(paths[0], needs=["centring"]) as file:
        centrings = list(file["centring"].asstr()[()])
    if len(paths) > 1:
        for found in scores.of_pairs(paths, "similarity", centrings):
            yield from _compared(found, "similarity_by_epoch", networks=len(paths))
    for found in scores.of_pairs(scores.of_finals(paths), "similarity", centrings):
        yield from _compared(found, "similarity_to_final_by_epoch", networks=len(paths))


def _compared(found: Scores, quantity: str, *, networks: int) -> Iterator[Points]:
    """A curve, and the same on unrelated images."""
    name = found.name._replace(quantity=quantity)
    curves, limit = found.curves(), within(quantity)
    if found.of_networks:
        yield _of_networks(name, np.array([*curves.values()]), limit=limit)
    else:
        known = np.all([_defined(each) for each in curves.values()], axis=0)
        some = {pair: each[..., known] for pair, each in curves.items()}
        compared = len({seed for pair in curves for seed in pair})
        estimates = curve_over_pairs(some, within=limit) if known.any() else []
        estimates = _placed(known, estimates, networks=compared)
        yield Points(name, estimates, np.array([*found.whole.values()]))
    null = np.concatenate([*found.null.values()])  # (pairings, E)
    unrelated = scores.of_null(null, networks=networks)
    yield Points(name._replace(null="unrelated"), unrelated, null)


def participation_ratios(paths: Paths) -> Iterator[Points]:
    """Of representations of training images, as the number is at the last epoch."""
    for layer, (centring, moment) in product(_layers(paths, "covariance"), MOMENTS.items()):
        place = f"spectra/{layer}/{moment}"
        whole = storage.stacked(paths, place)  # (S, E, C)
        without = storage.stacked(paths, f"{place}_without_fold")  # (S, F, E, C)
        values = [
            [
                jackknife(participation_ratio, spectrum, folds)
                for spectrum, folds in zip(network, rest.swapaxes(0, 1), strict=True)
            ]
            for network, rest in zip(whole, without, strict=True)
        ]
        quantity = "participation_ratio_by_epoch"
        limit = within(quantity, neurons=whole.shape[-1])
        curves = np.array(values).swapaxes(1, 2)  # (S, F, E)
        yield _of_networks(Name(quantity, layer, "train", centring), curves, limit=limit)


def learned_components(paths: Paths) -> Iterator[Points]:
    """Of weights; counts of networks have no interval."""
    untrained = UNTRAINED in ends(epochs(paths))
    for layer in _layers(paths, "weight"):
        spectra = storage.stacked(paths, f"spectra/{layer}/weight")  # (S, E, R)
        with storage.read(paths[0]) as file:
            sizes = file[f"spectra/{layer}"].attrs
            shape = {"dimension": int(sizes["fan_in"]), "neurons": int(sizes["neurons"])}
        counts = [
            [
                count_learned(values, initial=network[0] if untrained else None, **shape)
                for values in network
            ]
            for network in spectra
        ]
        for chance in counts[0][0]:
            found = np.array([[each[chance] for each in network] for network in counts])
            name = Name(f"learned_components_{chance}_by_epoch", layer)
            yield Points(name, [counted(values) for values in found.T], found)


def weights(paths: Paths) -> Iterator[Points]:
    """Amplification of the leading eigenvectors of the last weights, and their rotation."""
    for layer in _layers(paths, "weight"):
        for what, values in along_weights(paths, layer).items():
            for rank in range(min(LEADING, values.shape[-1])):
                quantity = f"{what}_{rank + 1}_by_epoch"
                name = Name(quantity, layer)
                yield _of_networks(name, values[..., rank], limit=within(quantity))


def along_weights(paths: Paths, layer: str) -> dict[str, Array]:
    """Of each network at each epoch and rank, (S, E, R): the amplification ‖W v‖ / ‖W₀ v‖ of each
    last eigenvector v, where untrained weights are known, `weight_cosine` and `weight_span`."""
    place = f"{FINAL}/{layer}"
    found = {
        name: storage.stacked(paths, f"{place}/{name}") for name in ("weight_cosine", "weight_span")
    }
    if UNTRAINED not in ends(epochs(paths)):
        return found
    variances = storage.stacked(paths, f"{place}/weight_variance")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(variances / variances[:, :1])
    return {"weight_amplification": np.where(np.isfinite(ratio), ratio, np.nan), **found}


def _layers(paths: Paths, kind: str) -> list[str]:
    """Those whose spectra have a kind, in the order of the network."""
    with storage.read(paths[0], needs=["spectra"]) as file:
        layers = architecture.layers(file, "spectra")
        return [layer for layer in layers if kind in file["spectra"][layer]]


def _of_networks(name: Name, values: Array, *, limit: Range) -> Points:
    """values: (S, E), or by fold (S, F, E)."""
    known = _defined(values)
    some = values[..., known]
    estimates = curve_over_networks(some, within=limit) if known.any() else []
    estimates = _placed(known, estimates, networks=len(values))
    return Points(name, estimates, values.mean(1) if values.ndim == 3 else values)


def _defined(values: Array) -> NDArray[np.bool_]:
    """The epochs at which all of (..., E) are defined."""
    return np.array([np.isfinite(each).all() for each in np.moveaxis(values, -1, 0)])


def _placed(
    known: NDArray[np.bool_], estimates: Sequence[Estimate], *, networks: int
) -> list[Estimate]:
    """Estimates at the epochs where they are defined."""
    rest, unknown = iter(estimates), Estimate(np.nan, None, None, networks)
    return [next(rest) if defined else unknown for defined in known]
