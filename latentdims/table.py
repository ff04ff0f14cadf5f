"""The table of numbers: its columns, its file, and the headline numbers in Markdown."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from latentdims.measured import CENTRINGS
from latentdims.storage import SPLITS

HEADLINES = {  # what the comparison shows, in words
    "test_accuracy": "test accuracy, trained",
    "generated_accuracy": "test accuracy, drawn, channels",
    "generated_accuracy_deviation_over_draws": "its standard deviation over draws",
    "generated_retention": "retention, (drawn - chance) / (trained - chance)",
    "generated_accuracy_flattened": "test accuracy, drawn, flattened",
    "generated_accuracy_flattened_deviation_over_draws": "its standard deviation over draws",
    "similarity_train_uncentred_trained": "similarity s, training images, uncentred",
    "variance_explained_test_centred_trained": "variance explained s², test images, centred",
    "variance_explained_by_mean_test_centred_trained": "variance explained by the others' mean",
}


class Row(NamedTuple):
    """A line of the table.

    value: NaN where it is undefined, which the tables leave empty, with its interval. low, high:
    a 95 % interval, None for fewer than three networks. published: the numbers of others that the
    configuration names, separated by semicolons. at: of a curve, the rank or the epoch; None for a
    single number.
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
    at: int | None = None

    @property
    def theirs(self) -> list[float]:
        """The published numbers."""
        return [float(number) for number in self.published.split(";") if number]

    def in_words(self) -> str:
        """The number with its interval; empty where it is undefined."""
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


def write_csv(path: str | Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV with a header; what is None stays empty."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows([None if _is_nan(cell) else cell for cell in row] for row in rows)


def read_csv(path: str | Path) -> list[Row]:
    """The single numbers of a file that `write_csv` made, without the points of curves."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if not line["at"]]
    return [
        Row(
            line["dataset"],
            line["network"],
            line["layer"],
            line["quantity"],
            value=float(line["value"] or "nan"),
            low=float(line["low"]) if line["low"] else None,
            high=float(line["high"]) if line["high"] else None,
            n=int(line["n"]),
            unit=line["unit"],
            published=line["published"],
        )
        for line in lines
    ]


def _is_nan(cell: object) -> bool:
    return isinstance(cell, float) and math.isnan(cell)


def markdown(rows: Sequence[Row], reasons: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """Three tables: headline numbers with published ones; similarities, with those of untrained
    networks and of unrelated images; every way of drawing networks. Below, why cells are empty.

    reasons: why numbers are undefined, by data set and network.
    """
    parts = {
        "Headline numbers": _headlines(rows),
        "Similarity s and variance explained s² of representations, beside the same networks "
        "untrained and on unrelated images": _similarities(rows),
        "Networks drawn from covariances": _ways(rows),
    }
    if any(reasons.values()):
        parts["Undefined, so empty above"] = "".join(
            f"- {dataset}, {network}: {reason}\n"
            for (dataset, network), told in reasons.items()
            for reason in told
        )
    return "\n".join(f"**{title}**\n\n{part}" for title, part in parts.items())


def _headlines(rows: Sequence[Row]) -> str:
    """The headline numbers, and all that have a published one."""
    order = {name: place for place, name in enumerate(HEADLINES)}
    shown = [
        row
        for row in rows
        if row.published or (row.quantity in HEADLINES and row.layer != "classifier")
    ]
    lines = []
    for row in sorted(shown, key=lambda row: (row[:3], order.get(row.quantity, len(order)))):
        name = HEADLINES.get(row.quantity, row.quantity.replace("_", " "))
        cells = [row.dataset, row.network, row.layer, name, row.in_words(), str(row.n)]
        lines.append([*cells, ", ".join(map(row.rounded, row.theirs))])
    heads = ["data set", "network", "layer", "quantity", "ours", "n", "published"]
    return _table(heads, lines)


def _similarities(rows: Sequence[Row]) -> str:
    """A line for each layer, measure and pairing, a column for each split and centring."""
    measures = {"similarity": "s", "variance_explained": "s²"}
    pairings = {"trained": "trained", "initial": "untrained", "shuffled": "unrelated images"}
    views = [f"{split}_{centring}" for split in SPLITS for centring in CENTRINGS]
    found = {row[:4]: row.in_words() for row in rows}
    lines = [
        [*where, symbol, pairings[pairing], *(found[*where, name] for name in names)]
        for where in dict.fromkeys(row[:3] for row in rows)
        for measure, symbol in measures.items()
        for pairing in pairings
        for names in [[f"{measure}_{view}_{pairing}" for view in views]]
        if (*where, names[0]) in found
    ]
    heads = ["data set", "network", "layer", "", "networks"]
    return _table([*heads, *(view.replace("_", ", ") for view in views)], lines)


WAYS = {"accuracy": "test accuracy", "retention": "retention", "loss": "cross-entropy"}
WAYS |= {"calibration_error": "calibration error"}


def _ways(rows: Sequence[Row]) -> str:
    """A line for the trained networks, and for each way of generating networks from them."""
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    trained = {f"test_{measure}": measure for measure in WAYS}
    for row in rows:
        found = re.fullmatch(f"generated_({'|'.join(WAYS)})(?:_(.+))?", row.quantity)
        if row.quantity in trained:
            way, measure = "trained", trained[row.quantity]
        elif found and "deviation" not in row.quantity:
            way, measure = f"drawn, {found[2] or 'channels'}", found[1]
        else:
            continue
        cells.setdefault((row.dataset, row.network, way), {})[measure] = row.in_words()
    heads = ["data set", "network", "networks", *WAYS.values()]
    lines = [
        [*key, *(found.get(measure, "") for measure in WAYS)]
        for key, found in sorted(cells.items(), key=lambda item: (item[0][:2], _order(item[0][2])))
    ]
    return _table(heads, lines)


def _order(way: str) -> tuple[bool, list[str]]:
    """Trained networks first, then by name, with numbers in the order of their size."""
    return way != "trained", [part.zfill(9) for part in re.split(r"(\d+)", way)]


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rule, *lines))
