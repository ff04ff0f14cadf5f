"""How alike two members of a comparison are, layer by layer, beside the nulls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latentdims.figures import marks, style
from latentdims.figures.comparisons import NULLS, Pair, pairs
from latentdims.figures.panels import (
    SIZE,
    categories,
    label_rows,
    legend,
    names_below,
    note,
    panels,
)
from latentdims.figures.scale import include

MARKERS = {"": "o", "untrained": "s", "unrelated": "^"}
LABELS = {"": "trained", "untrained": "untrained", "unrelated": marks.UNRELATED}


def draw(files: Mapping[str, Sequence[str]], comparison: Mapping[str, Any]) -> style.Figure:
    """A panel for each pair of members, a place for each pair of their layers."""
    found = pairs(files["table"][0], comparison)
    layers = max(len(pair.found) for pair in found)
    width = max(SIZE[0], 0.6 + 0.4 * layers)
    titles = {layer: style.title(layer) for pair in found for layer in pair.found}
    high = 1 + names_below(list(titles.values()), width=width) / SIZE[1]
    figure, axes = panels(rows=1, columns=len(found), heights=[high], width=width)
    for axis, pair in zip(axes[0], found, strict=True):
        axis.set(title=pair.title)
        _panel(axis, pair)
        categories(axis, [titles[layer] for layer in pair.found], width=width)
        include(axis, y=[-0.04, 1.02])
    label_rows(axes, "variance explained s²")
    if any(row.low is not None for row in _rows(found) if not row.null):
        marks.explain(axes[0, 0], "|", marks.INTERVAL)
    legend(figure, *axes[0])
    return figure


def _rows(found: Sequence[Pair]) -> list[Any]:
    return [row for pair in found for layer in pair.found.values() for row in layer.values()]


def _panel(axis: style.Axes, pair: Pair) -> None:
    for place, rows in enumerate(pair.found.values()):
        for number, null in enumerate(NULLS):
            row = rows.get(null)
            if row is None:
                continue
            if np.isnan(row.value):
                note(axis, f"undefined: {style.title(row.layer)}")
                continue
            named = not null and "@" in pair.title  # at an epoch, which may be the first
            marks.bar(
                axis,
                place + 0.22 * (number - 1),
                row.value,
                low=row.low,
                high=row.high,
                colour=NULLS[null],
                marker="D" if named else MARKERS[null],
                label="at the epoch named" if named else LABELS[null],
            )
