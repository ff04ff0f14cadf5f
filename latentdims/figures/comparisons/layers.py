"""Every layer of a member of a comparison with every one of another, beside the nulls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latentdims.figures import style
from latentdims.figures.comparisons import Pair, pairs
from latentdims.figures.panels import note, panels

TITLES = {"": "trained", "untrained": "untrained", "unrelated": "unrelated images"}
WRITTEN = 6  # layers of each, up to which the numbers are written, too


def draw(files: Mapping[str, Sequence[str]], comparison: Mapping[str, Any]) -> style.Figure:
    """A row of matrices for each pair of members: their layers against each other, of trained and
    of untrained networks, and on unrelated images, the upper end of 95 % of the pairings."""
    found = pairs(files["table"][0], comparison)
    there = {null for pair in found for rows in pair.found.values() for null in rows}
    nulls = [null for null in TITLES if null in there]
    most = max(len(side) for pair in found for side in _sides(pair))
    width = max(2.4, 0.9 + 0.32 * most)
    figure, axes = panels(
        rows=len(found), columns=len(nulls), heights=[width / 2.2] * len(found), width=width
    )
    for row, pair in zip(axes, found, strict=True):
        for axis, null in zip(row, nulls, strict=True):
            image = _matrix(axis, pair, null)
            axis.set_title(TITLES[null])
        row[0].set_ylabel(pair.own)
    figure.colorbar(image, ax=axes, label="variance explained s²", shrink=0.6)
    return figure


def _sides(pair: Pair) -> tuple[list[str], list[str]]:
    """Layers of the own member, and of its partner, in order."""
    names = [name.partition("~") for name in pair.found]
    own = dict.fromkeys(first for first, _, _ in names)
    return list(own), list(dict.fromkeys(second or first for first, _, second in names))


def _matrix(axis: style.Axes, pair: Pair, null: str) -> style.AxesImage:
    own, partner = _sides(pair)
    values = np.full((len(own), len(partner)), np.nan)
    for name, rows in pair.found.items():
        first, _, second = name.partition("~")
        if null in rows:
            row = rows[null]
            shown = row.high if null == "unrelated" and row.high is not None else row.value
            values[own.index(first), partner.index(second or first)] = shown
    if not np.isfinite(values).all():
        note(axis, "white: undefined")
    image = axis.imshow(values, vmin=0, vmax=1, cmap="viridis", interpolation="none")
    axis.set_xticks(range(len(partner)), [style.title(name) for name in partner], rotation=90)
    axis.set_yticks(range(len(own)), [style.title(name) for name in own])
    axis.set_xlabel(pair.partner)
    if max(values.shape) <= WRITTEN:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                shade = "black" if value > 0.6 else "white"
                text = f"{max(value, 0):.2f}"
                axis.text(column, row, text, ha="center", va="center", color=shade, fontsize=6)
    return image
