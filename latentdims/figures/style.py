"""The one style of all figures: colours that mean the same everywhere, and intervals."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from latentdims.intervals import over_seeds

COLOURS = {  # Okabe and Ito's palette, which colour-blind readers can tell apart
    "trained": "#0072B2",
    "initial": "#999999",
    "random": "#E69F00",
    "generated": "#009E73",
    "centred": "#CC79A7",
    "reference": "#000000",
}
SETTINGS = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "latentdims",  # and names of elements stay the same
    "pdf.fonttype": 42,
}
PANEL = (2.5, 2.1)  # width and height of one panel, inches

matplotlib.use("Agg")
matplotlib.rcParams.update(SETTINGS)


def panels(*, rows: int, columns: int, heights: Sequence[float] | None = None) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, (rows, columns)."""
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * rows))
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    return figure, axes


def save(figure: Figure, *, svg: str | Path, pdf: str | Path) -> None:
    """Write both formats, without time stamps: a figure changes only when its data do."""
    figure.savefig(svg, format="svg", metadata={"Date": None})
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "ModDate": None})


def curves(
    axis: Axes,
    x: ArrayLike,
    seeds: ArrayLike,
    *,
    label: str,
    colour: str,
    linestyle: str = "-",
) -> None:
    """One curve per seed, (seeds, points), as their mean with its 95 % interval.

    With fewer than three seeds there is no interval, and every curve is drawn.
    """
    values = np.asarray(seeds, dtype=np.float64)
    style = {"color": COLOURS[colour], "linestyle": linestyle}
    if len(values) < 3:
        for number, curve in enumerate(values):
            axis.plot(x, curve, label=label if number == 0 else None, **style)
        return
    estimates = [over_seeds(column) for column in values.T]
    axis.plot(x, [estimate.value for estimate in estimates], label=label, **style)
    low, high = ([getattr(e, end) for e in estimates] for end in ("low", "high"))
    axis.fill_between(x, low, high, color=style["color"], alpha=0.25, linewidth=0)


def spectra(
    axis: Axes, seeds: Sequence[np.ndarray], *, label: str, colour: str
) -> None:
    """Eigenvalues against rank, one thin line per seed; those at rounding are left out."""
    for number, values in enumerate(seeds):
        values = values[values > 1e-12 * values[0]]
        axis.plot(
            np.arange(1, len(values) + 1),
            values,
            color=COLOURS[colour],
            linewidth=0.8,
            alpha=0.8,
            label=label if number == 0 else None,
        )


def title(layer: str) -> str:
    """The name of a layer in words: `layer1` is layer 1."""
    return layer.replace("layer", "layer ")
