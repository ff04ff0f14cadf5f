"""Similarity of networks after alignment, beside its nulls."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from latentdims import storage
from latentdims.figures import marks, style
from latentdims.figures.panels import (
    ACROSS_PAGE,
    SIZE,
    categories,
    include,
    label_once,
    legend,
    many,
    names_below,
    note,
    panels,
)
from latentdims.models import epochs
from latentdims.models.epochs import UNTRAINED
from latentdims.results import scores
from latentdims.results.quantities import within
from latentdims.results.scores import Scores, pairs
from latentdims.statistics.intervals import Estimate, over_pairs

MARKERS = {"": "o", UNTRAINED: "s"}
WIDEST = 7.8  # inches that several panels take side by side at most

Values = Mapping[tuple[int, int], np.ndarray]  # by pair of seeds, of each fold if there are any


class View(NamedTuple):
    """A panel: a quantity of pairs by its columns in the table."""

    title: str
    label: str
    quantity: str
    split: str
    centring: str = "centred"

    def of(self, paths: Sequence[str]) -> dict[str, Scores]:
        """What is shown, by layer."""
        explained = self.quantity == "variance_explained"
        score = "similarity" if explained else self.quantity
        asked = centrings(paths) if score == "similarity" else []
        return {
            found.name.layer: found.squared(self.quantity) if explained else found
            for found in scores.of_pairs(paths, score, asked)
            if (found.name.split, found.name.centring) == (self.split, self.centring)
        }


def centrings(paths: Sequence[str]) -> list[str]:
    """Those that similarities are of."""
    with storage.read(paths[-1], needs=["centring"]) as file:
        return list(file["centring"].asstr()[()])


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Variance explained, held out and centred; and the cosine as the tutorial reports it."""
    paths = files["alignment"]
    asked = centrings(paths)
    titles = {"centred": "test images, centred", "position": "test images, centred by position"}
    views = [
        View(title, "variance explained s²", "variance_explained", "test", name)
        for name, title in titles.items()
        if name in asked
    ]
    if "uncentred" in asked:
        title = "training images, uncentred"
        views.append(View(title, "similarity s", "similarity", "train", "uncentred"))
    return of_views(paths, views)


def of_views(paths: Sequence[str], views: Sequence[View]) -> style.Figure:
    """A panel for each view, and in it a place for each layer: every pair of trained and of
    untrained networks, and the trained ones on unrelated images."""
    figure, axes = over_layers(paths, views, _panel, place=0.4)
    first = axes[0]
    marks.explain(first, ".", "one pair")
    if len(paths) > 2:
        marks.explain(first, "|", marks.INTERVAL)
    legend(figure, first)
    return figure


def over_layers(
    paths: Sequence[str],
    views: Sequence[View],
    panel: Callable[[style.Axes, Sequence[str], View], None],
    *,
    place: float,
) -> tuple[style.Figure, list[style.Axes]]:
    """A figure with a panel for each view, side by side where they fit on a page.

    panel: draws one. place: width of that of a layer, inches.
    """
    layers = list(pairs(paths))
    width = min(max(2.6, 0.5 + place * len(layers)), ACROSS_PAGE)
    divisors = [n for n in range(1, len(views) + 1) if len(views) % n == 0]
    columns = max(n for n in divisors if n == 1 or n * width <= WIDEST)
    rows, titles = len(views) // columns, [style.title(layer) for layer in layers]
    high = 1 + names_below(titles, width=width) / SIZE[1]
    upper = 1 if many(len(layers)) else high  # which then have no names
    heights = [upper] * (rows - 1) + [high]
    figure, axes = panels(rows=rows, columns=columns, heights=heights, width=width)
    for axis, view in zip(axes.flat, views, strict=True):
        axis.set(title=view.title, ylabel=view.label)
        panel(axis, paths, view)
        categories(axis, titles, width=width)
        include(axis, y=[-0.04, 1.02])  # room for whole markers at 0
    if many(len(layers)):
        label_once(axes)
    return figure, list(axes.flat)


def _panel(axis: style.Axes, paths: Sequence[str], view: View) -> None:
    ends = epochs.of(paths[0])
    for place, found in enumerate(view.of(paths).values()):
        for number, (null, at) in enumerate(ends.items()):
            label, colour = style.ENDS[null]
            known, mean = end(axis, found, null, at)
            if mean:
                x = place + 0.25 * (number - 1)
                each = [float(value.mean()) for value in known.values()]
                marks.dots(axis, x + 0.08, each, colour=colour)
                _mark(axis, x, mean, colour=colour, marker=MARKERS[null], label=label)
        if band := unrelated(found, networks=len(paths)):
            x, label = place + 0.25, marks.UNRELATED
            _mark(axis, x, band, colour="random", marker="^", label=label)


def end(axis: style.Axes, found: Scores, null: str, at: int) -> tuple[Values, Estimate | None]:
    """What is defined of the pairs of trained or untrained networks, at a place on the axis of
    epochs, and its mean, if there is one; what is not is named above the panel."""
    label, _ = style.ENDS[null]
    known = _defined(axis, found.at(at), what=f"{style.title(found.name.layer)}, {label}")
    limit = within(found.name.quantity)
    return known, over_pairs(known, within=limit) if known else None


def unrelated(found: Scores, *, networks: int) -> Estimate | None:
    """Mean and middle 95 % on unrelated images, if they are defined."""
    null = found.unrelated(-1)
    null = null[np.isfinite(null)]
    return scores.of_null(null[:, None], networks=networks)[0] if len(null) else None


def _mark(
    axis: style.Axes, x: float, found: Estimate, *, colour: str, marker: str, label: str
) -> None:
    value, low, high, _ = found
    marks.bar(axis, x, value, low=low, high=high, colour=colour, marker=marker, label=label)


def _defined(axis: style.Axes, values: Values, *, what: str) -> Values:
    """What is defined; what is not is named above the panel."""
    defined = {pair: value for pair, value in values.items() if np.isfinite(value).all()}
    if len(defined) < len(values):
        count = f" in {len(values) - len(defined)} of {len(values)} pairs" if defined else ""
        note(axis, f"undefined{count}: {what}")
    return defined
