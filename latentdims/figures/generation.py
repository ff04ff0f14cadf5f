"""Accuracy of networks drawn from covariances, beside the networks they were drawn from."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style
from latentdims.intervals import over_seeds


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Accuracy of every draw, and similarity of its layers with the reference's, per seed.

    Below, where there are variants: the accuracy of each on average, and against rank.
    """
    paths = files["generation"]
    with storage.read(paths[0], needs=["accuracy", "similarity"]) as file:
        ways = [""] + [f"variants/{name}/" for name in file.get("variants", {})]
        ranks = {way: _rank(file[f"/{way}"].attrs) for way in ways}
    low_rank = {way: rank for way, rank in ranks.items() if rank}
    others = [way for way in ways if way not in low_rank]
    rows = 2 if len(ways) > 1 else 1
    figure, axes = style.panels(rows=rows, columns=2)
    _seeds(axes[0, 0], axes[0, 1], paths)
    shown = [axes[0, 0]]
    if rows == 2:
        _ways(axes[1, 0], paths, others)
        if low_rank:
            _ranks(axes[1, 1], paths, low_rank)
            shown.append(axes[1, 1])
        else:
            axes[1, 1].remove()
    style.legend(figure, *shown, seeds=len(paths))
    return figure


def _rank(attributes: Mapping[str, str]) -> int | None:
    """How many components a variant samples, where it is not all."""
    rank = json.loads(attributes.get("procedure", '{"rank": "all"}'))["rank"]
    return None if rank == "all" else int(rank)


def _seeds(left: Axes, right: Axes, paths: Sequence[str]) -> None:
    for seed, whole in enumerate(storage.stacked(paths, "reference_accuracy")):
        _dots(left, seed - 0.15, whole, "trained", "trained")
    for seed, draws in enumerate(storage.stacked(paths, "accuracy")):
        _dots(left, seed + 0.15, draws, "drawn", "generated")
    left.set(xlabel="seed", ylabel="test accuracy (%)")
    left.set_xticks(range(len(paths)))
    left.set_xlim(-0.5, len(paths) - 0.5)
    left.set_ylim(0, 1.05 * left.get_ylim()[1])
    with storage.read(paths[0]) as file:
        layers = storage.layers(file["similarity"])
    step = 0.6 / len(paths)
    for place, layer in enumerate(layers):
        for seed, draws in enumerate(storage.stacked(paths, f"similarity/{layer}")):
            _dots(right, place - 0.3 + step * (seed + 0.5), draws, "drawn", "generated")
    right.set(ylabel="similarity s", title="with the trained network", ylim=(0, 1.02))
    right.set_xticks(range(len(layers)), [f"{style.title(layer)}, by seed" for layer in layers])
    right.set_xlim(-0.5, len(layers) - 0.5)


def _dots(axis: Axes, place: float, values: np.ndarray, label: str, colour: str) -> None:
    """Every value as a dot, and beside them their mean with its standard deviation."""
    shade = style.COLOURS[colour]
    values = np.atleast_1d(values)
    deviation = None
    if len(values) > 1:
        axis.plot([place] * len(values), values, ".", color=shade, alpha=0.3, markersize=3)
        deviation = values.std(ddof=1)
    axis.errorbar(
        place + (0.05 if len(values) > 1 else 0),
        values.mean(),
        yerr=deviation,
        fmt="o",
        color=shade,
        markersize=3,
        capsize=2,
        label=label,
    )


def _ways(axis: Axes, paths: Sequence[str], ways: Sequence[str]) -> None:
    """Mean accuracy over seeds of the trained networks and of each way of drawing."""
    names = {"reference_accuracy": "trained"} | {f"{way}accuracy": _name(way) for way in ways}
    for place, name in enumerate(names):
        colour = "trained" if name == "reference_accuracy" else "generated"
        _mean(axis, place, storage.stacked(paths, name), colour, horizontal=True)
    axis.set_yticks(range(len(names)), list(names.values()))
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(left=0)
    axis.set(xlabel="test accuracy (%)", title="mean over seeds")


def _name(way: str) -> str:
    return way.split("/")[1].replace("_", " ") if way else "as published"


def _ranks(axis: Axes, paths: Sequence[str], ranks: Mapping[str, int]) -> None:
    """Mean accuracy over seeds against how many components of each covariance were drawn."""
    for way, rank in sorted(ranks.items(), key=lambda item: item[1]):
        _mean(axis, rank, storage.stacked(paths, f"{way}accuracy"), "generated")
    for name, line, label in (
        ("reference_accuracy", "--", "whole network"),
        ("accuracy", "-.", "drawn from all components"),
    ):
        height = np.mean([values.mean() for values in storage.stacked(paths, name)])
        colour = style.COLOURS["reference"]
        axis.axhline(height, color=colour, linewidth=0.8, linestyle=line, label=label)
    style.logarithmic(axis, x=True)
    axis.set_ylim(bottom=0)
    axis.set(xlabel="components drawn", ylabel="test accuracy (%)")


def _mean(
    axis: Axes, place: float, seeds: np.ndarray, colour: str, *, horizontal: bool = False
) -> None:
    """Mean over seeds of the mean over draws, with its 95 % interval from three seeds on."""
    estimate = over_seeds([values.mean() for values in seeds])
    error = None if estimate.low is None else [estimate.value - estimate.low]
    x, y = (estimate.value, place) if horizontal else (place, estimate.value)
    axis.errorbar(
        x,
        y,
        xerr=error if horizontal else None,
        yerr=None if horizontal else error,
        fmt="o",
        color=style.COLOURS[colour],
        markersize=3,
        capsize=2,
    )
