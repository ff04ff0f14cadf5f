"""The one style of all figures: colours that mean the same everywhere, and intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import ArrayLike

from latentdims import record
from latentdims.intervals import curve_over_seeds

COLOURS = {  # Okabe and Ito's palette, which colour-blind readers can tell apart
    "trained": "#0072B2",
    "initial": "#999999",
    "random": "#E69F00",
    "generated": "#009E73",
    "variant": "#CC79A7",
    "reference": "#000000",
}
NAMES = {"trained": "trained", "initial": "untrained"}  # of the stages, in words
ZERO = 1e-12  # of weights in float32, relative to the largest eigenvalue
PANEL = (2.5, 2.0)  # width and height of one panel, inches

matplotlib.use("Agg")
SETTINGS: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "latentdims",  # and names of elements stay the same
    "pdf.fonttype": 42,
}
matplotlib.rcParams.update(SETTINGS)


def panels(
    *, rows: int, columns: int, heights: Sequence[float] | None = None
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, (rows, columns); heights: of the rows, relative to a panel's."""
    heights = heights or [1.0] * rows
    size = (PANEL[0] * columns + 0.4, PANEL[1] * sum(heights) + 0.3)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    return figure, axes


def legend(figure: Figure, *axes: Axes, seeds: int) -> None:
    """One legend below all panels, of what these axes show, each label once."""
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(),
        handles,
        title=f"{seeds} seeds" if seeds > 1 else "1 seed",
        loc="outside lower center",
        ncols=min(len(handles), 2 if figure.get_figwidth() < 4 else 4),
    )


def save(figure: Figure, *, svg: str | Path, pdf: str | Path) -> None:
    """Write both formats, without time stamps: a figure changes only when its data do.

    Both state the parameters of the job that runs.

    The layout is solved in another order each time: its last digits are rounded away.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axis in figure.axes:
        axis.set_position(tuple(round(length, 5) for length in axis.get_position().bounds))
    made_by = record.text(record.params())
    figure.savefig(svg, format="svg", metadata={"Date": None, "Description": made_by})
    undated = {"CreationDate": None, "ModDate": None}
    figure.savefig(pdf, format="pdf", metadata={**undated, "Subject": made_by})


def curves(
    axis: Axes, x: ArrayLike, seeds: ArrayLike, *, label: str, colour: str, linestyle: str = "-"
) -> None:
    """One curve per seed, (seeds, points), as their mean with its 95 % interval.

    With fewer than three seeds there is no interval, and every curve is drawn.
    """
    values = np.asarray(seeds, dtype=np.float64)
    shade = COLOURS[colour]
    if len(values) < 3:
        for number, curve in enumerate(values):
            name = label if number == 0 else None
            axis.plot(x, curve, label=name, color=shade, linestyle=linestyle)
        return
    estimates = curve_over_seeds(values)
    means = [estimate.value for estimate in estimates]
    axis.plot(x, means, label=label, color=shade, linestyle=linestyle)
    low, high = ([getattr(e, end) for e in estimates] for end in ("low", "high"))
    axis.fill_between(x, low, high, color=shade, alpha=0.25, linewidth=0)


def spectra(
    axis: Axes,
    seeds: Sequence[np.ndarray],
    *,
    label: str | None,
    colour: str,
    linestyle: str = "-",
) -> None:
    """Eigenvalues against rank, one thin line per seed, without those that are zero.

    Those of representations are zero below what float32 resolves (`spectra.resolved`).
    """
    for number, values in enumerate(seeds):
        kept = values[values > ZERO * values[0]]
        name = label if number == 0 else None
        ranks = np.arange(1, len(kept) + 1)
        shade = COLOURS[colour]
        axis.plot(ranks, kept, linestyle, color=shade, linewidth=0.8, alpha=0.8, label=name)


def logarithmic(axis: Axes, *, x: bool = False, y: bool = False) -> None:
    """Logarithmic axes, labelled at powers of ten alone where there are at least two."""
    for chosen, scale, part in ((x, axis.set_xscale, axis.xaxis), (y, axis.set_yscale, axis.yaxis)):
        if chosen:
            scale("log")
            low, high = part.get_view_interval()
            if high >= 20 * low:
                part.set_minor_formatter(NullFormatter())


def whole_numbers(axis: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers."""
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def title(layer: str) -> str:
    """The name of a layer in words: `layer1` is layer 1."""
    return layer.replace("layer", "layer ")
