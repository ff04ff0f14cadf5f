"""Every row of summary.csv once more, from the files: without the package, by other formulas.

Pairs are all pairs of the networks. A row is named by its columns quantity, layer, split, centring,
epoch, null, at and seed; its numbers are value, low and high, n.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import intervals_by_hand as by_hand
import learned_components
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Key = tuple[str, ...]
Found = tuple[float, float, float, int]
Rows = Iterator[tuple[Key, Found]]
Files = Sequence[h5py.File]

PERCENT, SHARE, COSINE, POSITIVE = (0, 100), (0, 1), (-1, 1), (0, np.inf)
SPLITS = ("train", "test")
SCORES = {"accuracy": PERCENT, "loss": POSITIVE}


def key(quantity, layer="", split="", centring="", epoch=None, null="", at=None, seed="") -> Key:
    numbers = ("" if number is None else f"{number:g}" for number in (epoch, at))
    when, where = numbers
    return quantity, layer, split, centring, when, null, where, str(seed)


def alone(value: float, n: int = 1) -> Found:
    return value, np.nan, np.nan, n


def datasets(group: h5py.Group) -> list[str]:
    """Groups and datasets that are no axes."""
    return [name for name in group if not getattr(group[name], "is_scale", False)]


def stack(files: Files, name: str) -> Array:
    return np.array([file[name][()] for file in files], dtype=float)


def ends(file: h5py.File) -> list[tuple[int, float, str]]:
    """Index, epoch and null of untrained networks, if they are known, and of trained ones."""
    first, *_, last = [*file["epoch"][()], file["epoch"][-1]]
    return [(0, 0.0, "untrained")] * int(first == 0) + [(-1, float(last), "")]


def each_and_mean(named: Mapping, values: Array, within: tuple | None) -> Rows:
    """The mean over networks of values (S,) or (S, F), and the value of each."""
    yield key(**named), by_hand.networks(values, within)
    yield from each(named, values)


def each(named: Mapping, values: Array) -> Rows:
    for seed, value in enumerate(values.reshape(len(values), -1).mean(1)):
        yield key(**named, seed=seed), alone(value)


def of(paths: Mapping[str, Sequence[str]]) -> dict[Key, Found]:
    """The rows of one network, from its files by kind; those of `consensus` are one or none."""
    files = {kind: [h5py.File(Path(path)) for path in those] for kind, those in paths.items()}
    rows: list[tuple[Key, Found]] = []
    last = float(files["network"][0]["epoch"][-1])
    rows += training(files["network"], last)
    rows += similarities(files["alignment"], last)
    rows += consensus(files["consensus"], last)
    rows += spectra(files["alignment"], last)
    rows += overlaps(files["alignment"], last)
    rows += clipping(files["clipping"])
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def training(files: Files, last: float) -> Rows:
    epochs = files[0]["history/epoch"][()]
    for what, within in SCORES.items():
        for split in SPLITS:
            curve = stack(files, f"history/{split}_{what}")  # (S, epochs)
            by_fold = curve[:, None]
            if split == "test":
                folds = stack(files, f"history/folds/test_{what}")  # (S, F, epochs)
                by_fold = folds - folds.mean(1, keepdims=True) + curve[:, None]
            named = {"quantity": what, "split": split, "epoch": last}
            yield from each_and_mean(named, by_fold[..., -1], within)
            for at, found in zip(epochs, by_hand.curve(by_fold, within), strict=True):
                yield key(f"{what}_by_epoch", split=split, at=at), found


def pairs(files: Files, layer: str, name: str) -> dict[tuple[int, int], Array]:
    return {
        (r, s): files[s][f"seed{r}/{layer}/{name}"][()] for s in range(len(files)) for r in range(s)
    }


def with_a(files: Files, score: str) -> list[str]:
    """The layers that have a score of pairs."""
    return [layer for layer in datasets(files[1]["seed0"]) if score in files[1][f"seed0/{layer}"]]


def similarities(files: Files, last: float) -> Rows:
    if len(files) < 2:
        return
    centrings = [text.decode() for text in files[-1]["centring"]]
    for layer in with_a(files, "similarity"):
        for number, split in enumerate(SPLITS):
            for place, centring in enumerate(centrings):
                args = files, layer, "similarity", number, (place,)
                named = {"layer": layer, "split": split, "centring": centring}
                for quantity, power in (("similarity", 1), ("variance_explained", 2)):
                    told = {"quantity": quantity, **named}
                    yield from scores(*args, told, last, power, COSINE)
                yield key("similarity_p", **named, epoch=last), p_value(*args)
            for measure, within in (("cka", SHARE), ("cca", SHARE)):
                told = {"quantity": measure, "layer": layer, "split": split, "centring": "centred"}
                yield from scores(files, layer, measure, number, (), told, last, 1, within)
        if "mutual_neighbours" not in files[1][f"seed0/{layer}"]:
            continue
        told = {"quantity": "mutual_neighbours", "layer": layer, "split": "test"}
        told |= {"centring": "centred"}
        yield from scores(files, layer, "mutual_neighbours", None, (), told, last, 1, SHARE)


def scores(files, layer, name, split, place, told, last, power, within) -> Rows:
    """Trained, untrained, their difference, and unrelated images. split: None where a score is of
    test images alone."""
    at = (*(() if split is None else (split,)), *place)

    def signed(score: Array) -> Array:
        return np.sign(score) * np.abs(score) ** power

    found = {}
    for epoch, when, which in ends(files[0]):
        values = {}
        for pair, score in pairs(files, layer, name).items():
            value = np.atleast_1d(signed(score[(epoch, *at)]))
            if split in (1, None):
                score = pairs(files, layer, f"{name}_folds")[pair]
                by_fold = signed(score[(slice(None), epoch, *place)])
                value = by_fold + value - by_fold.mean()
            values[pair] = value
        found[when] = values
        null = [
            signed(each[(slice(None), epoch, *at)])
            for each in pairs(files, layer, f"{name}_null").values()
        ]
        yield key(**told, epoch=when, null="unrelated"), band(np.array(null), len(files))
        yield key(**told, epoch=when, null=which), by_hand.pairs(values, within)
    if name == "similarity" and 0.0 in found:
        gained = {pair: found[last][pair] - found[0.0][pair] for pair in found[last]}
        told = {**told, "quantity": f"{told['quantity']}_above_untrained"}
        yield key(**told, epoch=last), by_hand.pairs(gained, (-2, 2))


def band(null: Array, networks: int) -> Found:
    ordered = np.sort(null.reshape(-1))
    low, high = (
        np.interp(q * (len(ordered) - 1), range(len(ordered)), ordered) for q in (0.025, 0.975)
    )
    return ordered.mean(), low, high, networks


def p_value(files, layer, name, split, place) -> Found:
    observed = np.mean([each[(-1, split, *place)] for each in pairs(files, layer, name).values()])
    null = pairs(files, layer, f"{name}_null").values()
    by_pairing = sum(each[(slice(None), -1, split, *place)] for each in null) / len(null)
    at_least = 1 + sum(value >= observed for value in by_pairing)
    return alone(at_least / (len(by_pairing) + 1), len(files))


def consensus(files: Files, last: float) -> Rows:
    for file in files:
        for layer in (name for name in file if isinstance(file[name], h5py.Group)):
            for epoch, when, null in ends(file):
                for number, split in enumerate(SPLITS):
                    s = file[layer]["similarity"][epoch, number]
                    named = {"quantity": "variance_explained_by_mean", "layer": layer}
                    named |= {"split": split, "centring": "centred", "epoch": when, "null": null}
                    yield from each_and_mean(named, np.sign(s) * s**2, COSINE)


MOMENTS = {"uncentred": "second_moment", "centred": "covariance"}


def spectra(files: Files, last: float) -> Rows:
    for layer in datasets(files[0]["spectra"]):
        parts = files[0][f"spectra/{layer}"]
        if "weight" in parts:
            yield from weight_spectra(files, layer, last)
        if "covariance" in parts:
            yield from moment_spectra(files, layer, last)


def weight_spectra(files: Files, layer: str, last: float) -> Rows:
    place = f"spectra/{layer}"
    neurons, fan_in = (files[0][place].attrs[name] for name in ("neurons", "fan_in"))
    for epoch, when, null in ends(files[0]):
        weights = stack(files, f"{place}/weight")[:, epoch]
        for rank, found in enumerate(by_hand.curve(weights[:, None], POSITIVE), 1):
            yield key("weight_eigenvalue", layer=layer, epoch=when, null=null, at=rank), found
    initial, trained = stack(files, f"{place}/weight").transpose(1, 0, 2)[[0, -1]]
    unknown = [] if len(ends(files[0])) > 1 else ["initial"]
    edge = np.full(len(files), (1 + (fan_in / neurons) ** 0.5) ** 2 / 3 / fan_in)
    named = {"layer": layer, "epoch": last}
    yield from each_and_mean({"quantity": "marchenko_pastur_edge", **named}, edge, POSITIVE)
    for chance, counts in learned_components.counts(initial, trained, fan_in, neurons).items():
        if chance in unknown:
            continue
        told = {"quantity": f"learned_components_{chance}", **named}
        yield key(**told), alone(counts.mean(), len(files))
        yield from each(told, counts)


def moment_spectra(files: Files, layer: str, last: float) -> Rows:
    place = f"spectra/{layer}"
    for centring, moment in MOMENTS.items():
        for epoch, when, null in ends(files[0]):
            named = {"layer": layer, "epoch": when, "null": null}
            for split, end in (("train", ""), ("test", "_held_out")):
                values = stack(files, f"{place}/{moment}{end}")[:, epoch]
                for rank, found in enumerate(by_hand.curve(values[:, None], POSITIVE), 1):
                    told = {**named, "split": split, "centring": centring, "at": rank}
                    yield key("eigenvalue", **told), found
        told = {"layer": layer, "epoch": last, "split": "train", "centring": centring}
        alike = stack(files, f"{place}/{moment}_identified")[:, -1].sum(1)
        yield key("identified_eigenvectors", **told), alone(alike.mean(), len(files))
        yield from each({"quantity": "identified_eigenvectors", **told}, alike)
        values = stack(files, f"{place}/{moment}")[:, -1]
        without = stack(files, f"{place}/{moment}_without_fold")[:, :, -1]
        for name, function in DERIVED.items():
            channels = values.shape[1]
            within = (1, channels) if name in ("participation_ratio", "effective_rank") else None
            derived = np.array([function(spectrum) for spectrum in values])
            if name != "power_law_exponent_range":
                parts = np.array([[function(part) for part in folds] for folds in without])
                folds = parts.shape[1]
                derived = parts + folds * (derived[:, None] - parts)  # jackknife
            yield from each_and_mean({"quantity": name, **told}, derived, within or POSITIVE)


def participation_ratio(values: Array) -> float:
    return 1 / ((values / values.sum()) ** 2).sum()


def effective_rank(values: Array) -> float:
    shares = values[values > 0] / values.sum()
    return np.prod(shares**-shares)


def slope(values: Array, first: int, last: int) -> float:
    """The normal equations of a line through logarithms, weights 1 / rank."""
    ranks = np.arange(first, min(last, np.count_nonzero(values)) + 1)
    if len(ranks) == 0 or ranks[-1] < 10 * first:  # less than a decade
        return np.nan
    x, y, w = np.log(ranks), np.log(values[ranks - 1]), 1 / ranks
    x, y = x - (w * x).sum() / w.sum(), y - (w * y).sum() / w.sum()
    return -(w * x * y).sum() / (w * x * x).sum()


def slopes(values: Array) -> float:
    d = np.count_nonzero(values)
    found = [slope(values, a, b) for a in (5, 10, 20) for b in (d // 4, d // 2, d)]
    return np.nanmax(found) - np.nanmin(found) if np.isfinite(found).sum() > 1 else np.nan


DERIVED = {
    "participation_ratio": participation_ratio,
    "effective_rank": effective_rank,
    "power_law_exponent": lambda values: slope(values, 10, 500),
    "power_law_exponent_range": slopes,
}


def overlaps(files: Files, last: float) -> Rows:
    if len(files) < 2:
        return
    for kind in ("activation", "weight"):
        for layer in with_a(files, f"{kind}_subspace"):
            found = pairs(files, layer, f"{kind}_subspace")
            for epoch, when, null in ends(files[0]):
                curve = {pair: values[epoch][None] for pair, values in found.items()}
                for k, numbers in enumerate(by_hand.curve_of_pairs(curve, SHARE), 1):
                    told = {"layer": layer, "epoch": when, "null": null, "at": k}
                    yield key(f"subspace_overlap_{kind}", **told), numbers
            null_values = np.array([*pairs(files, layer, f"{kind}_subspace_null").values()])
            for k in range(null_values.shape[-1]):
                told = {"layer": layer, "epoch": last, "null": "unrelated", "at": k + 1}
                numbers = band(null_values[:, :, -1, k], len(files))
                yield key(f"subspace_overlap_{kind}", **told), numbers


def clipping(files: Files) -> Rows:
    for basis in (name for name in files[0] if isinstance(files[0][name], h5py.Group)):
        for layer in datasets(files[0][basis]):
            place = f"{basis}/{layer}"
            ranks = files[0][f"{place}/rank"][()]
            whole, folds = (
                stack(files, f"{place}/accuracy"),
                stack(files, f"{place}/accuracy_folds"),
            )
            by_fold = folds - folds.mean(1, keepdims=True) + whole[:, None]
            for rank, found in zip(ranks, by_hand.curve(by_fold, PERCENT), strict=True):
                told = {"layer": layer, "split": "test", "at": rank}
                yield key(f"clipped_accuracy_{basis}", **told), found
            goal = stack(files, "reference_accuracy") - 1
            first = [
                next((r for r, a in zip(ranks, curve, strict=True) if a >= least), np.nan)
                for curve, least in zip(whole, goal, strict=True)
            ]
            told = {"quantity": f"rank_within_1_point_{basis}", "layer": layer, "split": "test"}
            yield key(**told), alone(np.mean(first), len(files))
            yield from each(told, np.array(first, dtype=float))
