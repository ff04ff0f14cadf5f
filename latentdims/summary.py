"""One tidy table: every number with its unit, its interval, and over how many networks."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from latentdims import storage
from latentdims.alignment import pairs
from latentdims.intervals import Estimate, over_pairs, over_seeds
from latentdims.learned import count_learned
from latentdims.measured import CENTRINGS
from latentdims.spectra import (
    effective_rank,
    participation_ratio,
    power_law,
    power_law_range,
)
from latentdims.storage import SPLITS, STAGES

HEADLINES = {  # what the comparison shows, in words
    "test_accuracy": "test accuracy, trained",
    "generated_accuracy": "test accuracy, generated",
    "generated_accuracy_deviation_over_draws": "its standard deviation over draws",
    "generated_retention": "retention, (generated - chance) / (trained - chance)",
    "generated_accuracy_flattened": "test accuracy, generated, flattened classifier",
    "generated_accuracy_flattened_deviation_over_draws": "its standard deviation over draws",
    "similarity_train_uncentred_trained": "similarity s, training images, uncentred",
    "similarity_train_uncentred_initial": "the same, untrained",
    "variance_explained_test_centred_trained": "variance explained s², test images, centred",
    "variance_explained_test_centred_initial": "the same, untrained",
    "variance_explained_test_centred_shuffled": "the same, unrelated images",
}


class Row(NamedTuple):
    """A line of the table.

    low, high: a 95 % interval, None for fewer than three networks. published: the numbers of others
    that the configuration names, separated by semicolons.
    """

    dataset: str
    network: str
    layer: str
    quantity: str
    value: float
    low: float | None
    high: float | None
    n: int
    unit: str
    published: str


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
    network, and quantity or quantity/layer.
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
    rows = [
        Row(dataset, network, layer, quantity, *estimate, unit, _published(theirs, layer, quantity))
        for (dataset, network), paths in files.items()
        for theirs in [published.get(dataset, {}).get(network, {})]
        for layer, quantity, estimate, unit in _quantities(paths)
    ]
    _write_csv(table, rows)
    Path(comparison).write_text(markdown(rows))


def _published(theirs: Mapping[str, Sequence[float]], layer: str, quantity: str) -> str:
    numbers = theirs.get(f"{quantity}/{layer}" if layer else quantity, [])
    return ";".join(str(number) for number in numbers)


Quantity = tuple[str, str, Estimate, str]


def _quantities(paths: Mapping[str, Sequence[str | Path]]) -> Iterator[Quantity]:
    yield from _training(paths["network"])
    yield from _similarities(paths["alignment"])
    yield from _consensus(paths["consensus"])
    yield from _spectra(paths["alignment"])
    yield from _clipping(paths["clipping"])
    yield from _generation(paths["generation"])


def _training(paths: Sequence[str | Path]) -> Iterator[Quantity]:
    for split in SPLITS:
        for what, unit in (("accuracy", "percent"), ("loss", "nats")):
            values = [_read(path, f"history/{split}_{what}")[-1] for path in paths]
            yield "", f"{split}_{what}", over_seeds(values), unit


def _similarities(paths: Sequence[str | Path]) -> Iterator[Quantity]:
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
                    yield layer, f"similarity_{name}", over_pairs(values), "1"
                    yield layer, f"variance_explained_{name}", over_pairs(explained), "1"


def _consensus(paths: Sequence[str | Path]) -> Iterator[Quantity]:
    for path in paths:
        with storage.read(path) as file:
            for layer in storage.layers(file):
                scores = file[layer]["similarity"][()]
                for stage, stage_name in enumerate(STAGES):
                    for split, split_name in enumerate(SPLITS):
                        explained = scores[stage, split] * np.abs(scores[stage, split])
                        name = f"variance_explained_by_mean_{split_name}_centred_{stage_name}"
                        yield layer, name, over_seeds(explained), "1"


def _spectra(paths: Sequence[str | Path]) -> Iterator[Quantity]:
    found: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        with storage.read(path, needs=["spectra"]) as file:
            for layer in storage.layers(file["spectra"]):
                for name, value in _of_spectrum(file["spectra"][layer]).items():
                    found.setdefault((layer, name), []).append(value)
    for (layer, name), values in found.items():
        if np.isfinite(values).all():
            yield layer, name, over_seeds(values), "1"


def _of_spectrum(group: h5py.Group) -> dict[str, float]:
    trained = list(STAGES).index("trained")
    fan_in, neurons = int(group.attrs["fan_in"]), int(group.attrs["neurons"])
    counts = count_learned(group["weight"][trained], dimension=fan_in, neurons=neurons)
    found = {f"learned_components_{way}": float(count) for way, count in counts.items()}
    for moment in ("second_moment", "covariance"):
        values = group[moment][trained]
        alone = group[f"{moment}_identified"][trained]
        found[f"identified_eigenvectors_{moment}"] = float(alone.sum())
        found[f"participation_ratio_{moment}"] = participation_ratio(values)
        found[f"effective_rank_{moment}"] = effective_rank(values)
        found[f"power_law_exponent_{moment}"] = power_law(values)[0]
        found[f"power_law_exponent_range_{moment}"] = power_law_range(values)
    return found


def _clipping(paths: Sequence[str | Path]) -> Iterator[Quantity]:
    found: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        with storage.read(path, needs=["reference_accuracy"]) as file:
            reference = float(file["reference_accuracy"][()])
            for basis in (name for name in file if name != "reference_accuracy"):
                for layer in storage.layers(file[basis]):
                    group = file[basis][layer]
                    enough = group["accuracy"][()] >= reference - 1
                    if enough.any():
                        rank = float(group["rank"][int(enough.argmax())])
                        found.setdefault((layer, f"rank_within_1_point_{basis}"), []).append(rank)
    for (layer, name), values in found.items():
        if len(values) == len(paths):
            yield layer, name, over_seeds(values), "1"


GENERATED = {  # name in the file: (name in the table, unit)
    "accuracy": ("generated_accuracy", "percent"),
    "loss": ("generated_loss", "nats"),
    "calibration_error": ("generated_calibration_error", "percent"),
    "flattened_classifier/accuracy": ("generated_accuracy_flattened", "percent"),
}


def _generation(paths: Sequence[str | Path]) -> Iterator[Quantity]:
    # Of every seed the mean over its draws, so that an interval over seeds has both levels in it.
    drawn: dict[tuple[str, str, str], list[np.ndarray]] = {}
    trained, retained = [], []
    for path in paths:
        with storage.read(path, needs=["accuracy", "similarity"]) as file:
            for name, (quantity, unit) in GENERATED.items():
                if name in file:
                    drawn.setdefault(("", quantity, unit), []).append(file[name][()])
            for layer in storage.layers(file["similarity"]):
                scores = file[f"similarity/{layer}"][()]
                drawn.setdefault((layer, "generated_similarity", "1"), []).append(scores)
            chance, reference = 100 / file.attrs["classes"], file["reference_accuracy"][()]
            retained.append((file["accuracy"][()].mean() - chance) / (reference - chance))
            trained.append(file["reference_calibration_error"][()])
    yield "", "test_calibration_error", over_seeds(trained), "percent"
    if np.isfinite(retained).all():
        yield "", "generated_retention", over_seeds(retained), "1"
    for (layer, quantity, unit), seeds in drawn.items():
        yield layer, quantity, over_seeds([draws.mean() for draws in seeds]), unit
        if len(seeds[0]) > 1:
            within = float(np.sqrt(np.mean([draws.var(ddof=1) for draws in seeds])))
            estimate = Estimate(within, None, None, sum(map(len, seeds)))
            yield layer, f"{quantity}_deviation_over_draws", estimate, unit


def _read(path: str | Path, name: str) -> np.ndarray:
    with storage.read(path, needs=[name]) as file:
        return file[name][()]


def _write_csv(path: str | Path, rows: Sequence[Row]) -> None:
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows(rows)


def markdown(rows: Sequence[Row]) -> str:
    """The headline numbers as a table in Markdown, with published values beside them."""
    lines = [
        "| data set | network | layer | quantity | ours | n | published |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    order = list(HEADLINES)
    shown = [row for row in rows if row.quantity in HEADLINES and row.layer != "classifier"]
    for row in sorted(shown, key=lambda row: (row[:3], order.index(row.quantity))):
        theirs = map(float, filter(None, row.published.split(";")))
        cells = [row.dataset, row.network, row.layer, HEADLINES[row.quantity], _in_words(row)]
        cells += [str(row.n), ", ".join(_number(value, row.unit) for value in theirs)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _in_words(row: Row) -> str:
    value = _number(row.value, row.unit)
    if row.low is None or row.high is None:
        return value
    return f"{value} [{_number(row.low, row.unit)}, {_number(row.high, row.unit)}]"


def _number(value: float, unit: str) -> str:
    value = round(value, 3) + 0.0  # no minus sign before zero
    return f"{value:.1f} %" if unit == "percent" else f"{value:.3f}"
