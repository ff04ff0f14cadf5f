"""Figures of comparisons: one module per figure, with a function `draw` that reads their rows of
the table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentdims.results.table import Row, read_csv

NULLS = {"": "trained", "untrained": "initial", "unrelated": "random"}  # colours
SHOWN = ("variance_explained", "test", "centred")


@dataclass(frozen=True)
class Pair:
    """Two members of a comparison, by name, and what the table says of them by layer and null."""

    partner: str
    own: str
    found: Mapping[str, Mapping[str, Row]]

    @property
    def title(self) -> str:
        """Its own member first."""
        return f"{self.own} with {self.partner}" if self.own != self.partner else f"{self.own}"


def pairs(table: str | Path, comparison: Mapping[str, Any]) -> list[Pair]:
    """All pairs of a comparison, with the variance explained of centred test images.

    comparison: its `name`, its `members`, and its `pairs` {partner, own, layers}.
    """
    rows = [row for row in read_csv(table) if row.comparison == comparison["name"]]
    short = _short(comparison["members"])
    found = []
    for pair in comparison["pairs"]:
        own = [
            row
            for row in rows
            if (row.partner, f"{row.dataset}/{row.network}") == (pair["partner"], pair["own"])
            and row.key[:3] == SHOWN
        ]
        by_layer = {layer: dict(_by_null(own, layer)) for layer in pair["layers"]}
        found.append(Pair(short[pair["partner"]], short[pair["own"]], by_layer))
    return found


def _by_null(rows: Sequence[Row], layer: str) -> Iterator[tuple[str, Row]]:
    """At the last epoch, where unrelated images are shown at both."""
    for row in sorted(rows, key=lambda row: row.epoch or 0):
        if row.layer == layer:
            yield row.null, row


def _short(members: Sequence[str]) -> dict[str, str]:
    """Names without the data set where all have the same."""
    several = len({name.partition("/")[0] for name in members}) > 1
    return {name: name if several else name.partition("/")[2] for name in members}
