"""One tidy table: every number with its unit, its interval, and over how many networks."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from latentdims import curves, quantities, record, storage
from latentdims.alignment import pairs
from latentdims.intervals import Estimate, over_pairs, over_seeds
from latentdims.learned import count_learned
from latentdims.measured import CENTRINGS
from latentdims.spectra import (
    effective_rank,
    marchenko_pastur_edges,
    participation_ratio,
    power_law,
    power_law_range,
)
from latentdims.storage import SPLITS, STAGES
from latentdims.table import Row, markdown, write_csv

logger = logging.getLogger(__name__)

KINDS = ("network", "alignment", "clipping", "generation")


def summarise(
    *,
    inputs: Mapping[str, Sequence[str]],
    runs: Sequence[tuple[str, str, int]],
    networks: Sequence[tuple[str, str]],
    table: str | Path,
    comparison: str | Path,
    published: Mapping[str, Any],
) -> None:
    """Write the table of every number (CSV), and that of the headline numbers (Markdown).

    runs: (dataset, network, seed); networks: (dataset, network). inputs: for each of `KINDS`, one
    file per run; for `consensus` one per network, or none. published: numbers of others by dataset,
    network, and quantity or quantity/layer. Curves come after all single numbers. A mean is
    undefined, and its value empty, where that of one of its networks is. The Markdown ends with a
    comment, the parameters of the job that runs.
    """
    files: dict[tuple[str, str], dict[str, list[str]]] = {
        (dataset, network): {kind: [] for kind in (*KINDS, "consensus")}
        for dataset, network in networks
    }
    for number, (dataset, network, _) in enumerate(runs):
        for kind in KINDS:
            files[dataset, network][kind].append(inputs[kind][number])
    for (dataset, network), path in zip(networks, inputs["consensus"], strict=False):
        files[dataset, network]["consensus"].append(path)

    def row(of: tuple[str, str], layer: str, quantity: str, found: Estimate, **more: Any) -> Row:
        dataset, network = of
        unit = quantities.unit(quantity)
        return Row(dataset, network, layer, quantity, *found, unit=unit, **more)

    rows = [
        row(of, layer, quantity, estimate, published=_published(published, of, layer, quantity))
        for of, paths in files.items()
        for layer, quantity, estimate in _quantities(paths)
    ]
    points = [
        row(of, curve.layer, curve.quantity, estimate, at=at)
        for of, paths in files.items()
        for curve in curves.of(paths)
        for at, estimate in zip(curve.at, curve.estimates, strict=True)
    ]
    reasons = {network: _reasons(paths) for network, paths in files.items()}
    _log_undefined(rows, reasons)
    write_csv(table, rows + points)
    made_by = f"\n<!-- {record.statement()} -->\n"
    Path(comparison).write_text(markdown(rows, reasons) + made_by, encoding="utf-8")


def _reasons(paths: Mapping[str, Sequence[str]]) -> list[str]:
    """Why numbers in the files of a network are undefined, each reason once."""
    found = [reason for each in paths.values() for path in each for reason in storage.reasons(path)]
    found += _no_retention(paths["generation"])
    return list(dict.fromkeys(part for reason in found for part in reason.split("; ")))


def _no_retention(paths: Sequence[str | Path]) -> Iterator[str]:
    """Which networks are at chance, so that nothing can be retained."""
    for seed, (gained, chance) in enumerate(map(_gained, paths)):
        if gained == 0:
            yield f"retention: the trained network of seed {seed} is at chance, {chance:.1f} %"


def _gained(path: str | Path) -> tuple[float, float]:
    """How far the accuracy of a trained network is above chance, and chance, in percent."""
    with storage.read(path, needs=["reference_accuracy"]) as file:
        chance = 100 / int(file.attrs["classes"])
        return float(file["reference_accuracy"][()]) - chance, chance


def _log_undefined(rows: Sequence[Row], reasons: Mapping[tuple[str, str], Sequence[str]]) -> None:
    for (dataset, network), told in reasons.items():
        own = [row for row in rows if row[:2] == (dataset, network) and math.isnan(row.value)]
        names = [f"{row.quantity}/{row.layer}" if row.layer else row.quantity for row in own]
        if names:
            logger.info("%s, %s: undefined, so empty: %s", dataset, network, ", ".join(names))
        for reason in told:
            logger.warning("%s, %s: %s", dataset, network, reason)


def _published(published: Mapping[str, Any], of: tuple[str, str], layer: str, quantity: str) -> str:
    dataset, network = of
    theirs = published.get(dataset, {}).get(network, {})
    return ";".join(map(str, theirs.get(f"{quantity}/{layer}" if layer else quantity, [])))


Number = tuple[str, str, Estimate]  # of a layer, or none; its name; its value


def _quantities(paths: Mapping[str, Sequence[str | Path]]) -> Iterator[Number]:
    yield from _training(paths["network"])
    if len(paths["alignment"]) > 1:
        yield from _similarities(paths["alignment"])
    yield from _consensus(paths["consensus"])
    yield from _spectra(paths["alignment"])
    yield from _clipping(paths["clipping"])
    yield from _generation(paths["generation"])


def _training(paths: Sequence[str | Path]) -> Iterator[Number]:
    for split in SPLITS:
        for what in ("accuracy", "loss"):
            values = storage.stacked(paths, f"history/{split}_{what}")[:, -1]
            yield "", f"{split}_{what}", over_seeds(values)


def _similarities(paths: Sequence[str | Path]) -> Iterator[Number]:
    shuffled = pairs(paths, score="similarity_shuffled")
    for layer, scores in pairs(paths).items():
        kinds = {name: (scores, stage) for stage, name in enumerate(STAGES)}
        kinds["shuffled"] = (shuffled[layer], list(STAGES).index("trained"))
        for kind, (of_pair, stage) in kinds.items():
            for split, split_name in enumerate(SPLITS):
                for centring, centring_name in enumerate(CENTRINGS):
                    values = {pair: s[stage, split, centring] for pair, s in of_pair.items()}
                    explained = {pair: s * abs(s) for pair, s in values.items()}
                    name = f"{split_name}_{centring_name}_{kind}"
                    yield layer, f"similarity_{name}", over_pairs(values)
                    yield layer, f"variance_explained_{name}", over_pairs(explained)


def _consensus(paths: Sequence[str | Path]) -> Iterator[Number]:
    for path in paths:
        with storage.read(path) as file:
            for layer in storage.layers(file):
                scores = file[layer]["similarity"][()]
                for stage, stage_name in enumerate(STAGES):
                    for split, split_name in enumerate(SPLITS):
                        explained = scores[stage, split] * np.abs(scores[stage, split])
                        name = f"variance_explained_by_mean_{split_name}_centred_{stage_name}"
                        yield layer, name, over_seeds(explained)


def _spectra(paths: Sequence[str | Path]) -> Iterator[Number]:
    found: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        with storage.read(path, needs=["spectra"]) as file:
            for layer in storage.layers(file["spectra"]):
                for name, value in _of_spectrum(file["spectra"][layer]).items():
                    found.setdefault((layer, name), []).append(value)
    for (layer, name), values in found.items():
        yield layer, name, over_seeds(values)


def _of_spectrum(group: h5py.Group) -> dict[str, float]:
    trained = list(STAGES).index("trained")
    fan_in, neurons = int(group.attrs["fan_in"]), int(group.attrs["neurons"])
    initial, weights = group["weight"][()]
    counts = count_learned(weights, dimension=fan_in, neurons=neurons)
    counts["initial"] = float((weights > initial[0]).sum())
    found = {f"learned_components_{chance}": count for chance, count in counts.items()}
    edge = marchenko_pastur_edges(variance=1 / (3 * fan_in), dimension=fan_in, neurons=neurons)[1]
    found["marchenko_pastur_edge"] = edge
    for moment in ("second_moment", "covariance"):
        values = group[moment][trained]
        alone = group[f"{moment}_identified"][trained]
        found[f"identified_eigenvectors_{moment}"] = float(alone.sum())
        found[f"participation_ratio_{moment}"] = participation_ratio(values)
        found[f"effective_rank_{moment}"] = effective_rank(values)
        found[f"power_law_exponent_{moment}"] = power_law(values)[0]
        found[f"power_law_exponent_range_{moment}"] = power_law_range(values)
    return found


def _clipping(paths: Sequence[str | Path]) -> Iterator[Number]:
    found: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        with storage.read(path, needs=["reference_accuracy"]) as file:
            reference = float(file["reference_accuracy"][()])
            for basis in (name for name in file if name != "reference_accuracy"):
                for layer in storage.layers(file[basis]):
                    group = file[basis][layer]
                    enough = group["accuracy"][()] >= reference - 1
                    rank = float(group["rank"][int(enough.argmax())]) if enough.any() else np.nan
                    found.setdefault((layer, f"rank_within_1_point_{basis}"), []).append(rank)
    for (layer, name), values in found.items():
        yield layer, name, over_seeds(values)


GENERATED = ("accuracy", "loss", "calibration_error")


def _generation(paths: Sequence[str | Path]) -> Iterator[Number]:
    with storage.read(paths[0]) as file:
        ways = {"": ""} | {f"_{name}": f"variants/{name}/" for name in file.get("variants", {})}
    above, (chance, *_) = zip(*map(_gained, paths), strict=True)
    calibration = storage.stacked(paths, "reference_calibration_error")
    gained = np.array([value or np.nan for value in above])
    yield "", "chance_accuracy", Estimate(chance, None, None, len(paths))
    yield "", "test_calibration_error", over_seeds(calibration)
    for way, folder in ways.items():
        for measure in GENERATED:
            draws = storage.stacked(paths, folder + measure)
            yield from _of_draws("", f"generated_{measure}{way}", draws)
            if measure == "accuracy":
                kept = (np.array([each.mean() for each in draws]) - chance) / gained
                yield "", f"generated_retention{way}", over_seeds(kept)
        with storage.read(paths[0]) as file:
            layers = storage.layers(file.get(f"{folder}similarity", {}))
        for layer in layers:
            draws = storage.stacked(paths, f"{folder}similarity/{layer}")
            yield from _of_draws(layer, f"generated_similarity{way}", draws)


def _of_draws(layer: str, quantity: str, seeds: np.ndarray) -> Iterator[Number]:
    # Of every seed the mean over its draws, so that an interval over seeds has both levels in it.
    yield layer, quantity, over_seeds([draws.mean() for draws in seeds])
    if len(seeds[0]) > 1:
        within = float(np.sqrt(np.mean([draws.var(ddof=1) for draws in seeds])))
        estimate = Estimate(within, None, None, sum(map(len, seeds)))
        yield layer, f"{quantity}_deviation_over_draws", estimate
