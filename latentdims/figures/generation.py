"""Accuracy of networks drawn from covariances, beside the networks they were drawn from."""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from latentdims import storage
from latentdims.figures import marks, panels, scale, style
from latentdims.figures.panels import note
from latentdims.models import architecture
from latentdims.results import scores
from latentdims.results.quantities import within
from latentdims.statistics.intervals import over_networks

CLASSIFIERS = ("flattened", "retrained")  # the others are aligned over channels
MARKERS = {"trained": "o", "generated": "o", "random": "^"}
WHITE = "variants/white"  # and what follows: the null of the published procedure


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Accuracy of every draw, and similarity of its layers with the reference's, per seed.

    Below, where there are variants: the accuracy of each on average, and against rank.
    """
    paths = files["generation"]
    with storage.read(paths[0]) as file:
        if reason := str(file.attrs.get("undefined", "")):
            return panels.empty(f"No networks are drawn: {reason}.")
    with storage.read(paths[0], needs=["accuracy", "similarity"]) as file:
        names = [f"variants/{name}/" for name in file.get("variants", {})]
        ways = ["", *(name for name in names if not name.startswith(WHITE))]
        nulls = [name for name in names if name.startswith(WHITE)]
        ranks = {way: _rank(file[f"/{way}"].attrs) for way in ways}
        layers = architecture.layers(file, "similarity")
    low_rank = {way: rank for way, rank in ranks.items() if rank}
    others = [way for way in ways if way not in low_rank]
    rows = 2 if len(ways) > 1 else 1
    heights = [1, max(1, 0.3 + 0.1 * len(others))][:rows]
    named = max(style.width(_name(way)) for way in others)
    crowded = min(0.06 * len(layers) * len(paths), 4.5)
    width = max(3, 1.8 + named, 0.8 + crowded)
    if panels.many(len(layers)):
        heights, width = [1, *heights], panels.ACROSS_PAGE / 2
    figure, axes = panels.panels(rows=len(heights), columns=2, heights=heights, width=width)
    first, second, *below = axes.flat
    if panels.many(len(layers)):
        first, second, *below = panels.span(axes[0]), panels.span(axes[1]), *axes[2:].flat
        width *= 2
    _accuracies(first, paths, white=f"{WHITE}/" in nulls)
    _similarities(second, paths, layers, width=width)
    if below:
        _ways(below[0], paths, others, nulls)
        if low_rank:
            _ranks(below[1], paths, low_rank)
        else:
            below[1].remove()
    panels.legend(figure, *figure.axes)
    return figure


def _rank(attributes: Mapping[str, str]) -> int | None:
    """How many components a variant samples, where it is not all."""
    rank = json.loads(attributes.get("procedure", '{"rank": "all"}'))["rank"]
    return None if rank == "all" else int(rank)


def _accuracies(axis: style.Axes, paths: Sequence[str], *, white: bool) -> None:
    for seed, whole in enumerate(storage.stacked(paths, "reference_accuracy")):
        _draws(axis, seed - 0.25, np.atleast_1d(whole), colour="trained", label="trained")
    draws = storage.stacked(paths, "accuracy")
    if draws.shape[1] > 1:
        axis.set_title("mean and standard deviation over draws")
        marks.explain(axis, ".", "one draw")
    for seed, values in enumerate(draws):
        _draws(axis, seed, values, colour="generated", label="drawn")
    for seed, values in enumerate(storage.stacked(paths, f"{WHITE}/accuracy") if white else ()):
        _draws(axis, seed + 0.25, values, colour="random", label="drawn, white covariances")
    marks.undefined(axis, np.isfinite(draws).all(axis=1))
    axis.set(xlabel="seed", ylabel="test accuracy (%)")
    scale.whole_numbers(axis)
    axis.set_xlim(-0.5, len(paths) - 0.5)
    scale.include(axis, y=[0])


def _similarities(
    axis: style.Axes, paths: Sequence[str], layers: Sequence[str], *, width: float
) -> None:
    """Of each layer, the seeds from left to right."""
    step = 0.7 / len(paths)
    axis.set(ylabel="similarity s", title="drawn and trained layers")
    for place, layer in enumerate(layers):
        draws = storage.stacked(paths, f"similarity/{layer}")
        for seed, values in enumerate(draws):
            x = place - 0.35 + step * (seed + 0.5)
            _draws(axis, x, values, colour="generated", label="drawn")
        if not np.isfinite(draws).all():
            missing = len(draws.ravel()) - np.isfinite(draws).sum()
            note(axis, f"{style.title(layer)}: undefined for {missing} of {draws.size} draws")
    panels.categories(axis, [style.title(layer) for layer in layers], width=width)
    scale.include(axis, y=[0, 1.02])


def _draws(axis: style.Axes, x: float, draws: np.ndarray, *, colour: str, label: str) -> None:
    """Every draw as a dot, and beside them their mean with its standard deviation."""
    values = draws[np.isfinite(draws)]
    if not len(values):
        return
    centre, low, high = float(values.mean()), None, None
    if len(values) > 1:
        marks.dots(axis, x - 0.02, values, colour=colour)
        spread = float(values.std(ddof=1))
        x, low, high = x + 0.02, centre - spread, centre + spread
    marker = MARKERS[colour]
    marks.bar(axis, x, centre, low=low, high=high, colour=colour, label=label, marker=marker)


def _ways(
    axis: style.Axes, paths: Sequence[str], ways: Sequence[str], nulls: Sequence[str]
) -> None:
    """Mean accuracy over networks of the trained ones, of each way of drawing, and of its null."""
    axis.set(xlabel="test accuracy (%)", title=_over(paths))
    _mean(axis, 0, paths, "reference_accuracy", colour="trained", horizontal=True)
    for place, way in enumerate(ways, start=1):
        null = f"{WHITE}/" if not way else f"{WHITE}_{way.removeprefix('variants/')}"
        drawn, below = (place - 0.13, place + 0.13) if null in nulls else (place, place)
        _mean(axis, drawn, paths, f"{way}accuracy", colour="generated", horizontal=True)
        if null in nulls:
            _mean(axis, below, paths, f"{null}accuracy", colour="random", horizontal=True)
    scale.lines(axis, ["trained", *map(_name, ways)])
    scale.include(axis, x=[0])


def _name(way: str) -> str:
    """What is drawn, and how its classifier is aligned, where it is not over channels."""
    if not way:
        return "channels"
    *words, last = way.split("/")[1].split("_")
    aligned = f", {last}" if last in CLASSIFIERS and words else f" {last}"
    return style.shorten(f"{' '.join(words)}{aligned}".strip())


def _over(paths: Sequence[str]) -> str:
    return f"mean and {marks.INTERVAL}" if len(paths) > 2 else "mean over networks"


def _ranks(axis: style.Axes, paths: Sequence[str], ranks: Mapping[str, int]) -> None:
    """Mean accuracy over networks against how many components of each covariance were drawn."""
    axis.set(xlabel="components drawn", ylabel="test accuracy (%)", title=_over(paths))
    for way, rank in sorted(ranks.items(), key=lambda item: item[1]):
        _mean(axis, rank, paths, f"{way}accuracy", colour="generated")
    for name, line, label in (
        ("reference_accuracy", "--", "whole network"),
        ("accuracy", "-.", "drawn from all components"),
    ):
        height = storage.stacked(paths, name).mean()
        marks.level(axis, height, colour="reference", linestyle=line, label=label)
    scale.ranks(axis, max(ranks.values()), logarithmic=True)
    scale.include(axis, y=[0])


def _mean(
    axis: style.Axes,
    place: float,
    paths: Sequence[str],
    name: str,
    *,
    colour: str,
    horizontal: bool = False,
) -> None:
    """Mean over networks of the mean over draws, with its 95 % interval from three on."""
    values = scores.drawn(paths, name)  # (networks[, draws], folds)
    means = values.reshape(len(paths), -1, values.shape[-1]).mean(1)
    defined = np.isfinite(means).all(axis=1)
    marks.undefined(axis, defined)
    if defined.any():
        value, low, high, _ = over_networks(means[defined], within=within("generated_accuracy"))
        marks.bar(
            axis,
            place,
            value,
            low=low,
            high=high,
            colour=colour,
            marker=MARKERS[colour],
            horizontal=horizontal,
        )
