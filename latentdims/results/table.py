"""The table of numbers: its columns, its file, and its main numbers in words."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Key = tuple[str, str, str, str]  # quantity, split, centring, null
Outputs = Mapping[tuple[str, str], str | None]  # layers of logits, by data set and network

HEADLINES: dict[Key, str] = {  # what the comparison shows, in words
    ("accuracy", "test", "", ""): "test accuracy, trained",
    ("generated_accuracy", "test", "", ""): "test accuracy, drawn, channels",
    ("generated_accuracy", "test", "", "white"): "the same, white covariances",
    ("generated_accuracy_deviation_over_draws", "test", "", ""): "its deviation over draws",
    ("retention_above_chance", "test", "", ""): "retention above chance",
    ("retention_above_white", "test", "", ""): "retention above white covariances",
    ("generated_accuracy_flattened", "test", "", ""): "test accuracy, drawn, flattened",
    ("generated_accuracy_flattened_deviation_over_draws", "test", "", ""): (
        "its deviation over draws"
    ),
    ("similarity", "train", "uncentred", ""): "similarity s, training images, uncentred",
    ("variance_explained", "test", "centred", ""): "variance explained s², test images, centred",
    ("variance_explained", "test", "centred", "untrained"): "the same s², untrained",
    ("variance_explained", "test", "centred", "unrelated"): "the same s², unrelated images",
    ("variance_explained_by_mean", "test", "centred", ""): (
        "variance explained by the others' mean"
    ),
}


class Row(NamedTuple):
    """A line of the table.

    comparison, partner: empty if the seeds of one network are compared. seed: None for a mean over
    networks, else that of the single network. epoch: None if it has no meaning. null: empty, or the
    null. at: for a curve, the rank, the k or the epoch; None for a single number. value: NaN if it
    is undefined; the tables leave it and its interval empty. low, high: a 95 % interval, None if
    there is none. published: published numbers from the configuration, separated by semicolons.
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
    published: str = ""
    comparison: str = ""
    seed: int | None = None
    partner: str = ""
    split: str = ""
    centring: str = ""
    epoch: float | None = None
    null: str = ""
    at: float | None = None

    @property
    def of(self) -> tuple[str, str]:
        """Data set and network."""
        return self.dataset, self.network

    @property
    def key(self) -> Key:
        """The identity of the number, without its place."""
        return self.quantity, self.split, self.centring, self.null

    @property
    def words(self) -> str:
        """The identity of the number, in words."""
        return HEADLINES.get(self.key) or ", ".join(filter(None, self.key)).replace("_", " ")

    @property
    def theirs(self) -> list[float]:
        """The published numbers."""
        return [float(number) for number in self.published.split(";") if number]

    def in_words(self) -> str:
        """The number with its interval; empty if it is undefined."""
        if math.isnan(self.value):
            return ""
        value = self.rounded(self.value)
        if self.low is None or self.high is None:
            return value
        return f"{value} [{self.rounded(self.low)}, {self.rounded(self.high)}]"

    def rounded(self, value: float) -> str:
        """A value of this quantity, with its unit."""
        value = round(value, 3) + 0.0  # no minus sign before zero
        if self.unit == "percent":
            return f"{value:.1f} %"
        return f"{value:.3f} nats" if self.unit == "nats" else f"{value:.3f}"


def is_of_output(row: Row, outputs: Outputs) -> bool:
    """Whether it belongs to the layer of the logits."""
    return bool(row.layer) and row.layer == outputs.get(row.of)


COLUMNS = (
    *("comparison", "dataset", "network", "seed", "partner", "layer", "quantity", "split"),
    *("centring", "epoch", "null", "at", "value", "low", "high", "n", "unit", "published"),
)
TEXTS = {*COLUMNS} - {"seed", "epoch", "at", "value", "low", "high", "n"}


def write_csv(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV with a header; None and undefined values stay empty."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell(row, column) for column in COLUMNS] for row in rows)


def _cell(row: Row, column: str) -> object:
    value = getattr(row, column)
    if column in ("epoch", "at") and value is not None:
        return f"{value:g}"
    return None if isinstance(value, float) and math.isnan(value) else value


def read_csv(path: str | Path) -> list[Row]:
    """The means in a file from `write_csv`, without single networks and curves."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if not line["at"] and not line["seed"]]
    return [_parsed(line) for line in lines]


def _parsed(line: Mapping[str, str]) -> Row:
    texts: dict[str, Any] = {name: text for name, text in line.items() if name in TEXTS}
    for name in ("low", "high", "epoch"):
        texts[name] = float(line[name]) if line[name] else None
    return Row(**texts, value=float(line["value"] or "nan"), n=int(line["n"]))
