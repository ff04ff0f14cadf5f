"""Similarity of networks after alignment, beside its nulls."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from latentdims import storage
from latentdims.alignment import pairs
from latentdims.figures import marks, style
from latentdims.figures.panels import categories, include, legend, note, panels
from latentdims.intervals import COSINE, Range, over_pairs
from latentdims.storage import SPLITS, STAGES

LOOKS = {  # by epoch: the label, the colour, the marker
    "trained": ("trained", "trained", "o"),
    "initial": ("untrained", "initial", "s"),
}
WIDEST = 9  # inches that panels may take side by side

Values = Mapping[tuple[int, int], float]  # by pair of seeds


class View(NamedTuple):
    """A panel: a score of pairs, and its place (split[, centring]) behind the axis of epochs."""

    title: str
    label: str
    score: str
    place: tuple[int, ...]
    squared: bool = False
    within: Range = COSINE

    def of(self, values: np.ndarray) -> np.ndarray:
        """The numbers that are shown, (..., epochs, *splits and centrings) -> (..., epochs)."""
        key: Any = (..., *self.place)
        chosen = values[key]
        return chosen * np.abs(chosen) if self.squared else chosen


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Variance explained, held out and centred; and the cosine as the tutorial reports it."""
    paths = files["alignment"]
    with storage.read(paths[-1], needs=["centring"]) as file:
        centrings = list(file["centring"].asstr()[()])
    test, train = SPLITS.index("test"), SPLITS.index("train")
    titles = {"centred": "test images, centred", "position": "test images, centred by position"}
    views = [
        View(title, "variance explained s²", "similarity", (test, centrings.index(name)), True)
        for name, title in titles.items()
        if name in centrings
    ]
    if "uncentred" in centrings:
        place = (train, centrings.index("uncentred"))
        views.append(View("training images, uncentred", "similarity s", "similarity", place))
    return of_views(paths, views)


def of_views(paths: Sequence[str], views: Sequence[View]) -> style.Figure:
    """A panel for each view, and in it a place for each layer: every pair of trained and of
    untrained networks, and the trained ones on unrelated images."""
    layers = list(pairs(paths))
    width = max(2.6, 0.5 + 0.4 * len(layers))
    columns = len(views) if len(views) * width <= WIDEST else 1
    figure, axes = panels(rows=len(views) // columns, columns=columns, width=width)
    for axis, view in zip(axes.flat, views, strict=True):
        axis.set(title=view.title, ylabel=view.label)
        _panel(axis, paths, view)
        categories(axis, [style.title(layer) for layer in layers], width=width)
        include(axis, y=[-0.04, 1.02])  # room for whole markers at 0
    first = axes.flat[0]
    marks.explain(first, ".", "one pair")
    if len(paths) > 2:
        marks.explain(first, "|", marks.INTERVAL)
    legend(figure, first)
    return figure


def _panel(axis: style.Axes, paths: Sequence[str], view: View) -> None:
    scores, nulls = pairs(paths, score=view.score), pairs(paths, score=f"{view.score}_null")
    for place, (layer, scored) in enumerate(scores.items()):
        for number, (stage, (label, colour, marker)) in enumerate(LOOKS.items()):
            at = list(STAGES).index(stage)
            values = {pair: float(view.of(each)[at]) for pair, each in scored.items()}
            known = _defined(axis, values, what=f"{style.title(layer)}, {label}")
            if known:
                x = place + 0.25 * (number - 1)
                marks.dots(axis, x + 0.08, list(known.values()), colour=colour)
                value, low, high, _ = over_pairs(known, within=view.within)
                marks.bar(
                    axis, x, value, low=low, high=high, colour=colour, marker=marker, label=label
                )
        unrelated = list(_unrelated(nulls[layer], view))
        if unrelated:
            low, high = marks.middle(unrelated)
            marks.bar(
                axis,
                place + 0.25,
                float(np.mean(unrelated)),
                low=low,
                high=high,
                colour="random",
                marker="^",
                label=marks.UNRELATED,
            )


def _unrelated(nulls: Mapping[tuple[int, int], np.ndarray], view: View) -> Iterator[float]:
    """Those of trained networks, of every pair and pairing."""
    for null in nulls.values():
        values = view.of(null)[:, -1]
        yield from values[np.isfinite(values)].tolist()


def _defined(axis: style.Axes, values: Values, *, what: str) -> Values:
    """What is defined; what is not is named above the panel."""
    defined = {pair: value for pair, value in values.items() if np.isfinite(value)}
    if len(defined) < len(values):
        count = f" in {len(values) - len(defined)} of {len(values)} pairs" if defined else ""
        note(axis, f"undefined{count}: {what}")
    return defined
