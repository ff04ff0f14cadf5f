"""Panels of a figure: their places on a page, their axes, what is noted above them, one legend."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentdims.figures import style
from latentdims.figures.style import Axes, Figure, ticker

ACROSS = 5  # panels side by side at most, so that a figure fits on a page
SIZE = (2.2, 2.0)  # width and height of one panel, inches
INNER = 0.7  # what is left of the width of a panel for its axes


def panels(
    *, rows: int, columns: int, heights: Sequence[float] | None = None, width: float = SIZE[0]
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes, (rows, columns); more than `ACROSS` columns go on below.

    heights: of the rows, relative to a panel's; width: of a panel, inches.
    """
    heights = list(heights or [1.0] * rows)
    blocks = math.ceil(columns / ACROSS)
    across = math.ceil(columns / blocks)
    size = (max(width * across + 0.4, 3.4), (SIZE[1] * sum(heights)) * blocks + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows * blocks, across, squeeze=False, height_ratios=heights * blocks)
    axes = grid.reshape(blocks, rows, across).swapaxes(0, 1).reshape(rows, -1)
    for unused in axes[:, columns:].flat:
        unused.remove()
    return figure, axes[:, :columns]


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
    """Label the vertical axis of each row (rows, columns) where it begins."""
    for row, label in zip(axes, labels, strict=True):
        for part in side_by_side(row):
            part[0].set_ylabel(label)


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
    lines = axis.get_title().split("\n") if axis.get_title() else []
    added = textwrap.wrap(text, 38)
    if added[0] not in lines:
        axis.set_title("\n".join(lines + added))


def include(axis: Axes, *, x: Sequence[float] = (), y: Sequence[float] = ()) -> None:
    """Let axes reach from these values as far as data go, and a margin further."""
    for values, (low, high), change in (
        (x, axis.dataLim.intervalx, axis.set_xlim),
        (y, axis.dataLim.intervaly, axis.set_ylim),
    ):
        if values:
            first, last = min([*values, low]), max([*values, high])  # with no data, inf and -inf
            room = 0.05 * (last - first)
            change(
                first - room * (low < min(values)),
                last + room * (high > max(values)) if last > first else first + 1,
            )


def logarithmic(axis: Axes) -> None:
    """A logarithmic vertical axis over at least a decade, labelled at powers of ten, or, below two
    decades, at 1, 2 and 5 times them."""
    axis.set_yscale("log")
    if not np.isfinite(axis.dataLim.intervaly).all():  # nothing is drawn
        axis.set_yticks([])
        axis.minorticks_off()
        return
    low, high = axis.get_ylim()
    if high < 10 * low:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(10), middle * math.sqrt(10)
    axis.set_ylim(low, high)
    if high < 100 * low:
        axis.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axis.yaxis.set_minor_formatter(ticker.NullFormatter())


def ranks(axis: Axes, last: int, *, logarithmic: bool = False) -> None:
    """A horizontal axis of ranks from 1 to the last, with no tick outside of them."""
    if not logarithmic:
        room = max(0.5, 0.04 * (last - 1))
        axis.set_xlim(1 - room, last + room)
        axis.xaxis.set_major_locator(ticker.FixedLocator(ticks(last)))
        return
    axis.set_xscale("log")
    room = max(1.2, last**0.04)
    axis.set_xlim(1 / room, last * room)
    decades = [10**power for power in range(len(str(last)))]
    fine = [digit * decade for decade in decades for digit in range(1, 10)]
    labelled = [n for n in fine if str(n)[0] in ("1" if last >= 100 else "125") and n <= last]
    labelled += [last] if last >= 1.5 * labelled[-1] else []
    axis.xaxis.set_major_locator(ticker.FixedLocator(labelled))
    axis.xaxis.set_minor_locator(ticker.FixedLocator([n for n in fine if n <= last]))
    axis.xaxis.set_major_formatter(ticker.FormatStrFormatter("%d"))
    axis.xaxis.set_minor_formatter(ticker.NullFormatter())


def ticks(last: int) -> list[float]:
    """Round whole numbers up to the last, and 1, which is the first of them."""
    round_numbers = ticker.MaxNLocator(4, integer=True).tick_values(0, last)
    return [1, *(number for number in round_numbers if 1 < number <= last)]


def whole_numbers(axis: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers, at most five."""
    axis.xaxis.set_major_locator(ticker.MaxNLocator(4, integer=True, min_n_ticks=1))


def categories(axis: Axes, names: Sequence[str], *, width: float = SIZE[0]) -> None:
    """Names along the horizontal axis, upright where they would touch; width: of the panel."""
    needed = sum(style.width(name) + 0.1 for name in names)
    rotation = 90 if needed > INNER * width else 0
    axis.set_xticks(range(len(names)), [style.shorten(name) for name in names], rotation=rotation)
    axis.set_xlim(-0.5, len(names) - 0.5)


def lines(axis: Axes, names: Sequence[str]) -> None:
    """Names along the vertical axis, from the top."""
    axis.set_yticks(range(len(names)), names, parse_math=False)  # a dollar is a dollar
    axis.set_ylim(len(names) - 0.5, -0.5)
