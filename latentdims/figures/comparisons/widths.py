"""What a reference leaves unexplained, against the width of the others, with a fitted rate."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from latentdims.figures import marks, style
from latentdims.figures.comparisons import NULLS, pairs
from latentdims.figures.panels import label_rows, legend, note, panels
from latentdims.figures.scale import logarithmic
from latentdims.models import architecture
from latentdims.results.table import Row

LABELS = {"": "trained", "untrained": "untrained"}
BESIDE = {"": 0.97, "untrained": 1.03}  # times the channels, so that no point lies on another


class Point(NamedTuple):
    """Of one member: channels at its site, and what the table says."""

    channels: int
    row: Row


def draw(files: Mapping[str, Sequence[str]], comparison: Mapping[str, Any]) -> style.Figure:
    """1 - s² of each layer with the reference, against its channels; the line is a power of them,
    fitted to the means by least squares of logarithms, and its exponent stands above."""
    layers = list(dict.fromkeys(layer for pair in comparison["pairs"] for layer in pair["layers"]))
    channels = _channels(files, comparison)
    found = pairs(files["table"][0], comparison)
    points: dict[str, dict[str, list[Point]]] = {layer: {} for layer in layers}
    for pair, given in zip(found, comparison["pairs"], strict=True):
        for layer, rows in pair.found.items():
            of = channels[_narrow(given, comparison)][_site(layer, given, comparison)]
            for null in LABELS:
                if null in rows and np.isfinite(rows[null].value):
                    points[layer].setdefault(null, []).append(Point(of, rows[null]))
    shown = [layer for layer in layers if _varies(points[layer])]
    figure, axes = panels(rows=1, columns=max(1, len(shown)))
    for axis, layer in zip(axes[0], shown, strict=False):
        axis.set(title=style.title(layer), xlabel="channels")
        _panel(axis, points[layer])
    label_rows(axes, "unexplained 1 - s²")
    legend(figure, *axes[0])
    return figure


def _varies(found: Mapping[str, Sequence[Point]]) -> bool:
    """Whether a layer has another number of channels in another member: logits have not."""
    return len({point.channels for each in found.values() for point in each}) > 1


def _narrow(pair: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    """The member that is no reference; of a pair of the reference with itself, that."""
    other: str = pair["own"] if pair["partner"] == comparison["reference"] else pair["partner"]
    return other


def _site(layer: str, pair: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    own, _, partner = layer.partition("~")
    return own if _narrow(pair, comparison) == pair["own"] else partner or own


def _channels(
    files: Mapping[str, Sequence[str]], comparison: Mapping[str, Any]
) -> dict[str, dict[str, int]]:
    """Of each site of each member."""
    return {
        name: {site.name: site.channels for site in architecture.of(path).sites}
        for name, path in zip(comparison["members"], files["alignment"], strict=True)
    }


def _panel(axis: style.Axes, found: Mapping[str, Sequence[Point]]) -> None:
    rates = []
    for null, points in found.items():
        ordered = sorted(points, key=lambda point: point.channels)
        for point in ordered:
            low, high = _unexplained(point.row)
            marks.bar(
                axis,
                BESIDE[null] * point.channels,
                1 - point.row.value,
                low=low,
                high=high,
                colour=NULLS[null],
                label=LABELS[null],
            )
        if law := _fitted(ordered):
            x = np.array([ordered[0].channels, ordered[-1].channels])
            label = "fitted power of the channels"
            y = np.exp(law[1]) * x ** law[0]
            marks.line(axis, x, y, label=label, colour=NULLS[null], linestyle="--")
            rates.append(f"{LABELS[null]} {law[0]:.2f}")
    axis.set_xscale("log")
    axis.set_xticks(widths := sorted({p.channels for each in found.values() for p in each}))
    axis.set_xticklabels([str(width) for width in widths])
    axis.xaxis.set_minor_locator(style.ticker.NullLocator())
    logarithmic(axis)
    for rate in rates:
        note(axis, f"exponent, {rate}")


def _unexplained(row: Row) -> tuple[float | None, float | None]:
    """The interval of 1 - s²; none where it has no logarithm."""
    if row.low is None or row.high is None or row.high >= 1:
        return None, None
    return 1 - row.high, 1 - row.low


def _fitted(points: Sequence[Point]) -> tuple[float, float] | None:
    """Slope and intercept of log(1 - s²) over log(channels), of three widths or more."""
    usable = [(point.channels, 1 - point.row.value) for point in points if point.row.value < 1]
    if len({channels for channels, _ in usable}) < 3:
        return None
    channels, unexplained = np.log(np.array(usable)).T
    slope, intercept = np.polyfit(channels, unexplained, 1)
    return float(slope), float(intercept)
