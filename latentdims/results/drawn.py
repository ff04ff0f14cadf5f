"""Numbers of networks drawn from covariances, beside their null, white covariances."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.models import architecture
from latentdims.results import quantities, scores
from latentdims.results.quantities import WHITE, Name
from latentdims.statistics.intervals import Estimate, over_networks, ratio_of_means

Array = NDArray[np.float64]
Paths = Sequence[str | Path]
ROUNDING = 1e-9  # of percents: what is not above it is nothing
MEASURES = ("accuracy", "loss", "calibration_error")


def ways(path: str | Path) -> dict[str, tuple[str, str]]:
    """Ways of drawing networks, by their folder in the file: the ending of the names of their
    quantities, and their null. None if no network can be drawn."""
    with storage.read(path) as file:
        if "undefined" in file.attrs:
            return {}
        found = {"": ("", "")}
        for name in sorted(file.get("variants", ()), key=lambda name: (len(name), name)):
            null = WHITE if name == WHITE or name.startswith(f"{WHITE}_") else ""
            way = name.removeprefix(WHITE) if null else f"_{name}"
            found[f"variants/{name}/"] = way, null
    return found


def of(paths: Paths) -> Iterator[tuple[Name, Array]]:
    """Numbers with a value for each network, (S,), or for each draw and fold, (S, D, F)."""
    calibration = storage.stacked(paths, "reference_calibration_error")
    yield Name("calibration_error", split="test"), calibration
    for folder, (way, null) in ways(paths[0]).items():
        for measure in MEASURES:
            values = scores.drawn(paths, f"{folder}{measure}")
            values = values if values.ndim == 3 else values[..., None]
            yield Name(f"generated_{measure}{way}", split="test", null=null), values
        for layer in _layers(paths[0], folder):
            values = storage.stacked(paths, f"{folder}similarity/{layer}")[..., None]
            name = Name(f"generated_similarity{way}", layer, "train", "uncentred", null=null)
            yield name, values


def derived(paths: Paths) -> Iterator[tuple[Name, Estimate, Sequence[float]]]:
    """Numbers computed from several others: estimates, and values of the single networks."""
    level = chance(paths[0])
    yield Name("chance_accuracy"), Estimate(level, None, None, len(paths)), ()
    trained = scores.drawn(paths, "reference_accuracy")
    found = ways(paths[0])
    white = {way: folder for folder, (way, null) in found.items() if null}
    for folder, (way, null) in found.items():
        yield from _deviations(paths, folder, way, null)
        if null:
            continue
        accuracy = scores.drawn(paths, f"{folder}accuracy").mean(1)
        yield _retention("chance", way, accuracy - level, trained - level)
        if way in white:
            floor = scores.drawn(paths, f"{white[way]}accuracy").mean(1)
            yield _retention("white", way, accuracy - floor, trained - floor)
            name = Name(f"generated_accuracy_above_white{way}", split="test")
            above = accuracy - floor
            estimate = over_networks(above, within=quantities.within(name.quantity))
            yield name, estimate, above.mean(1).tolist()


def _retention(
    null: str, way: str, above: Array, gained: Array
) -> tuple[Name, Estimate, Sequence[float]]:
    """A ratio of means over networks; undefined where one is not above its null."""
    gained = np.where(gained.mean(1, keepdims=True) > ROUNDING, gained, 0)
    mean = gained.mean(1)
    each = above.mean(1) / np.where(mean > 0, mean, np.nan)
    name = Name(f"retention_above_{null}{way}", split="test")
    return name, ratio_of_means(above, gained), each.tolist()


def _deviations(
    paths: Paths, folder: str, way: str, null: str
) -> Iterator[tuple[Name, Estimate, Sequence[float]]]:
    """Standard deviations over the draws of one network, pooled over networks."""
    names = {f"generated_{each}{way}": ("", each, "test", "") for each in MEASURES}
    if _layers(paths[0], folder):
        names |= {
            f"generated_similarity{way}/{layer}": (
                layer,
                f"similarity/{layer}",
                "train",
                "uncentred",
            )
            for layer in _layers(paths[0], folder)
        }
    for quantity, (layer, dataset, split, centring) in names.items():
        draws = storage.stacked(paths, folder + dataset)
        if draws.shape[1] > 1:
            within = float(np.sqrt(draws.var(axis=1, ddof=1).mean()))
            full = f"{quantity.partition('/')[0]}_deviation_over_draws"
            name = Name(full, layer, split, centring, null=null)
            yield name, Estimate(within, None, None, draws.size), ()


def _layers(path: str | Path, folder: str) -> list[str]:
    with storage.read(path) as file:
        return architecture.layers(file, f"{folder}similarity")


def chance(path: str | Path) -> float:
    """Accuracy of guessing, in percent; NaN if the accuracy of the network is undefined."""
    with storage.read(path, needs=["reference_accuracy"]) as file:
        unscored = "undefined" in file.attrs and np.isnan(file["reference_accuracy"][()])
        return float("nan") if unscored else 100 / architecture.read(file).classes


def not_above(paths: Paths) -> Iterator[str]:
    """Networks that are not above a null, so that no retention is defined."""
    level = chance(paths[0])
    trained = storage.stacked(paths, "reference_accuracy")
    found = ways(paths[0])
    nulls = {"chance": np.full(len(paths), level)} if found else {}
    for folder, (way, null) in found.items():
        if null:
            of = f"drawn{way.replace('_', ', ')}, white"
            nulls[of] = storage.stacked(paths, f"{folder}accuracy").mean(1)
    for name, floors in nulls.items():
        for seed, (accuracy, floor) in enumerate(zip(trained, floors, strict=True)):
            if not accuracy > floor:
                yield (
                    f"retention: the trained network of seed {seed} is not above {name}, "
                    f"{floor:.1f} %"
                )
