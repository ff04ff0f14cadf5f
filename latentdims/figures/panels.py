"""Panels of a figure: their places on a page, their names, notes above them, one legend."""

import math
import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from latentdims.figures import style
from latentdims.figures.scale import decades
from latentdims.figures.style import Axes, Figure, ticker

ACROSS = 4  # panels side by side, up to which they have their full size
SIZE = (2.2, 2.0)  # width and height of one panel, inches
INNER = 0.7  # what is left of the width of a panel for its axes
PAGE = (8.0, 10.4)  # width and height that many panels fill at most, inches
AROUND = 0.4  # of both, for a legend and the like
ACROSS_PAGE = PAGE[0] - AROUND  # that panels take
SMALL = 7  # size of text where there are many panels, points
USUAL = 0.7  # length of an upright name that the height of a panel has room for, inches
NO_WEIGHTS = "No weights are compared: none read a site, or the images."
DOTTED = 0.8  # of a line, that dotted names take at most
AFTER_DOT = r"(?<=\.)(?<!\s\d\.)(?=\S)"  # of a name, but not of a number
PER_INCH = 17.3  # characters of a line


def panels(
    *, rows: int, columns: int, heights: Sequence[float] | None = None, width: float = SIZE[0]
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, (rows, columns); more than `ACROSS` columns go on below, in panels
    that are so small that all fit on a page.

    heights: of the rows, relative to a panel's; width: of a panel, inches, where there are few.
    """
    heights = list(heights or [1.0] * rows)
    across, size = columns, (width, SIZE[1])
    if many(columns):
        across, size = _on_a_page(columns, sum(heights))
    blocks = math.ceil(columns / across)
    inches = (max(size[0] * across + AROUND, 3.4), size[1] * sum(heights) * blocks + AROUND)
    figure = Figure(figsize=inches, layout="constrained")
    grid = figure.subplots(rows * blocks, across, squeeze=False, height_ratios=heights * blocks)
    axes = grid.reshape(blocks, rows, across).swapaxes(0, 1).reshape(rows, -1)
    for unused in axes[:, columns:].flat:
        unused.remove()
    return figure, axes[:, :columns]


def many(columns: int) -> bool:
    """Whether so many panels do not fit side by side."""
    return columns > ACROSS


def _on_a_page(columns: int, height: float) -> tuple[int, tuple[float, float]]:
    """How many columns, each so many panels high, stand side by side where panels are largest, and
    the width and height of a panel."""

    def size(across: int) -> tuple[float, float]:
        blocks = math.ceil(columns / across)
        high = (PAGE[1] - 2 * AROUND) / (blocks * height)
        return min(ACROSS_PAGE / across, SIZE[0]), min(high, SIZE[1])

    across = max(range(1, columns + 1), key=lambda n: min(np.divide(size(n), SIZE)))
    return across, size(across)


def span(row: np.ndarray) -> Axes:
    """One panel in place of a row of them (columns,)."""
    figure, place = row[0].get_figure(), row[0].get_subplotspec()
    for axis in row:
        axis.remove()
    return figure.add_subplot(place.get_gridspec()[place.rowspan.start, :])


def empty(said: str) -> Figure:
    """A figure that says why nothing is drawn."""
    figure = Figure(figsize=(4.4, 0.9), layout="constrained")
    figure.text(0.5, 0.5, "\n".join(textwrap.wrap(said, 70)), ha="center", va="center")
    return figure


def side_by_side(row: np.ndarray) -> list[np.ndarray]:
    """A row of panels (columns,), taken apart where it goes on below."""
    starts = [n for n, axis in enumerate(row) if axis.get_subplotspec().is_first_col()]
    return np.split(row, starts[1:])


def label_rows(axes: np.ndarray, *labels: str) -> None:
    """Label the vertical axis of each row (rows, columns) where it begins.

    Many panels get one scale for each row, and smaller text, which is not said twice.
    """
    for row, label in zip(axes, labels, strict=True):
        for part in side_by_side(row):
            part[0].set_ylabel(label)
        if many(len(row)):
            _one_scale(row)
    for axis in axes.flat:
        _break_at_dots(axis)
    if many(axes.shape[1]):
        for row in axes:
            _name_once(row)
        label_once(axes)
        for axis in axes.flat:
            _small(axis)


def _one_scale(row: np.ndarray) -> None:
    """The same vertical axis for all panels of a row on which curves are drawn."""
    drawn = [axis for axis in row if np.isfinite(axis.dataLim.intervaly).all() and not axis.images]
    if not drawn:
        return
    low, high = (np.array([axis.get_ylim() for axis in drawn]).T[end] for end in (0, 1))
    for axis in drawn:
        if axis.get_yscale() == "log":
            decades(axis, float(low.min()), float(high.max()))
        else:
            axis.set_ylim(low.min(), high.max())
            axis.yaxis.set_major_locator(ticker.MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))


def _name_once(row: np.ndarray) -> None:
    """Label horizontal axes where no panel goes on below, and ticks of vertical ones where they are
    not those of the first panel beside them."""
    parts = side_by_side(row)
    for axis in row[: -len(parts[0])]:
        axis.set_xlabel("")
    for first, *others in parts:
        for axis in others:
            same = axis.get_ylim() == first.get_ylim() and axis.get_yscale() == first.get_yscale()
            axis.tick_params(axis="y", which="both", labelleft=not same)


def label_once(axes: np.ndarray) -> None:
    """Label the horizontal axis of a column (rows, columns) only below where all panels have it."""
    for upper, lower in pairwise(axes):
        for axis, below in zip(upper, lower, strict=True):
            same = axis.get_xlim() == below.get_xlim() and axis.get_xscale() == below.get_xscale()
            if same and not (axis.images or below.images):
                axis.tick_params(axis="x", which="both", labelbottom=False)
                axis.set_xlabel("")


def _small(axis: Axes) -> None:
    """Smaller text, in lines that are no longer than the panel, and labels of ticks apart."""
    axis.tick_params(which="both", labelsize=SMALL)
    axis.xaxis.label.set_fontsize(SMALL)
    _apart(axis)
    label, most = axis.get_ylabel(), int(PER_INCH * 8 / SMALL * _inches(axis)[1])
    lines = [textwrap.wrap(label, n, break_long_words=False) for n in range(1, most + 1)]
    even = next((each for each in lines if len(each) == len(lines[-1])), [])
    axis.set_ylabel("\n".join(even), fontsize=SMALL)
    title = [textwrap.wrap(line, _characters(axis)) for line in axis.get_title().split("\n")]
    axis.set_title("\n".join(part for line in title for part in line), fontsize=SMALL)


def _break_at_dots(axis: Axes) -> None:
    """Long dotted names above a panel, on lines that are no longer than it."""
    lines: list[str] = []
    for line in axis.get_title().split("\n"):
        lines.append("")
        dotted = re.search(AFTER_DOT, line)
        for part in re.split(rf"{AFTER_DOT}|(?<=\s)", line):
            if lines[-1] and len(lines[-1] + part) > DOTTED * _characters(axis) and dotted:
                lines.append("")
            lines[-1] += part
    axis.set_title("\n".join(each.rstrip() for each in lines))


def _apart(axis: Axes) -> None:
    """Label the first and the last rank, and others where they do not touch them."""
    ticks = [float(tick) for tick in axis.get_xticks()]
    places = axis.transAxes.inverted().transform(axis.transData.transform([(n, 1) for n in ticks]))
    needed = [style.width(f"{tick:g}") / 2 * SMALL / 8 + 0.03 for tick in ticks]
    kept: list[int] = []
    for at in [0, len(ticks) - 1, *range(1, len(ticks) - 1)]:
        gaps = [abs(places[at, 0] - places[other, 0]) * _inches(axis)[0] for other in kept]
        if all(gap > needed[at] + needed[other] for gap, other in zip(gaps, kept, strict=True)):
            kept.append(at)
    axis.xaxis.set_major_locator(ticker.FixedLocator([ticks[at] for at in sorted({*kept})]))


def _characters(axis: Axes) -> int:
    """That fit in a line above a panel."""
    return min(int(PER_INCH * SIZE[0]), int(PER_INCH * 8 / SMALL * _inches(axis)[0] / INNER))


def _inches(axis: Axes) -> tuple[float, float]:
    """Width and height of a panel, about: the layout is not solved yet."""
    return axis.bbox.width / axis.figure.dpi, axis.bbox.height / axis.figure.dpi


def legend(figure: Figure, *axes: Axes) -> None:
    """One legend below all panels, of what these axes show, each label once: marks with bars, then
    lines and dots, then bands."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    order = {style.ErrorbarContainer: 0, style.FillBetweenPolyCollection: 2}
    handles = dict(sorted(found.items(), key=lambda item: order.get(type(item[1]), 1)))
    for columns in range(min(len(handles), 4), 0, -1):
        box = figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=columns,
            columnspacing=1.5,
        )
        if columns == 1 or box.get_window_extent().width <= figure.bbox.width:
            return
        box.remove()


def note(axis: Axes, text: str) -> None:
    """Say something above a panel, once, on lines of its own."""
    title, added = axis.get_title(), "\n".join(textwrap.wrap(text, _characters(axis)))
    if f"\n{added}\n" not in f"\n{title}\n":
        axis.set_title(f"{title}\n{added}" if title else added)


def names_below(names: Sequence[str], *, width: float = SIZE[0]) -> float:
    """Inches that long names take below a panel where they stand upright, beyond those of usual
    ones."""
    longest = max(style.width(style.shorten(name)) for name in names)
    return max(0.0, longest - USUAL) if _touching(names, width) else 0.0


def _touching(names: Sequence[str], width: float) -> bool:
    return sum(style.width(name) + 0.1 for name in names) > INNER * width


def categories(axis: Axes, names: Sequence[str], *, width: float = SIZE[0]) -> None:
    """Names along the horizontal axis, upright where they would touch; width: of the panel."""
    rotation = 90 if _touching(names, width) else 0
    axis.set_xticks(range(len(names)), [style.shorten(name) for name in names], rotation=rotation)
    axis.set_xlim(-0.5, len(names) - 0.5)
