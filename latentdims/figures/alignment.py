"""Similarity of networks after alignment, beside that of the same networks untrained."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims.alignment import pairs
from latentdims.figures import marks, style
from latentdims.figures.panels import categories, include, legend, note, panels
from latentdims.intervals import over_pairs
from latentdims.measured import CENTRINGS
from latentdims.storage import SPLITS, STAGES

# Pairings in the order of the legend: the score in the file, the stage, the colour, the marker.
PAIRINGS = {
    "trained": ("similarity", "trained", "trained", "o"),
    "untrained": ("similarity", "initial", "initial", "s"),
    "trained, unrelated images": ("similarity_shuffled", "trained", "random", "^"),
}
WIDEST = 9  # inches that two panels may take side by side

Values = Mapping[tuple[int, int], float]  # by pair of seeds


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Variance explained, held out and centred; and the cosine as the tutorial reports it."""
    layers = list(pairs(files["alignment"]))
    width = max(2.6, 0.5 + 0.3 * len(layers))
    rows = 1 if 2 * width <= WIDEST else 2
    figure, axes = panels(rows=rows, columns=2 // rows, width=width)
    left, right = axes.flat
    left.set(ylabel="variance explained s²", title="test images, centred")
    right.set(ylabel="similarity s", title="training images, uncentred")
    for number, (label, (score, stage, *look)) in enumerate(PAIRINGS.items()):
        at = list(STAGES).index(stage)
        held_out = (at, SPLITS.index("test"), CENTRINGS.index("centred"))
        published = (at, SPLITS.index("train"), CENTRINGS.index("uncentred"))
        for place, (layer, scored) in enumerate(pairs(files["alignment"], score=score).items()):
            x, what = place + 0.25 * (number - 1), f"{style.title(layer)}, {label}"
            explained = {pair: s[held_out] * abs(s[held_out]) for pair, s in scored.items()}
            _point(left, x, explained, what, label, *look)
            _point(right, x, {pair: s[published] for pair, s in scored.items()}, what, label, *look)
    for axis in (left, right):
        categories(axis, [style.title(layer) for layer in layers], width=width)
        include(axis, y=[-0.04, 1.02])  # room for whole markers at 0
    marks.explain(left, ".", "one pair")
    if len(files["alignment"]) > 2:
        marks.explain(left, "|", marks.INTERVAL)
    legend(figure, left)
    return figure


def _point(
    axis: style.Axes, x: float, values: Values, what: str, label: str, colour: str, marker: str
) -> None:
    """Every pair as a dot, and beside them their mean with its 95 % interval over networks."""
    defined = {pair: value for pair, value in values.items() if np.isfinite(value)}
    if len(defined) < len(values):
        count = f" in {len(values) - len(defined)} of {len(values)} pairs" if defined else ""
        note(axis, f"undefined{count}: {what}")
    if not defined:
        return
    marks.dots(axis, x + 0.08, list(defined.values()), colour=colour)
    value, low, high, _ = over_pairs(defined)
    marks.bar(axis, x, value, low=low, high=high, colour=colour, marker=marker, label=label)
