"""A table whose cells are pictures and numbers: vectors in the space of images, drawn as such."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentdims.figures import panels, style

Array = NDArray[np.float64]

EDGE, GAP, LINE = 0.62, 0.06, 0.17  # of a picture, between two, and of a line of text, inches
AIR, MARGIN = 0.12, 0.1  # above a row that begins a block, and around the table, inches
LEGEND, BAR = 0.55, (1.5, 0.07)  # below the table, and the size of its bar, inches
NARROWEST = 3.6  # of the figure, inches
CRISP = 30  # pixels of small pictures, which some readers of PDF would blur
SMALL = 7  # size of numbers, points
DIVERGING = "RdBu_r"  # white is zero; colour-blind readers can tell its ends apart


class Row(NamedTuple):
    """A label, and its cells: text, or pictures as `shade` makes them, all NaN for none.

    marked: whether a number is above its null; the others are pale. begins: a block of rows, with
    some air above. colour: of the frames of pictures.
    """

    label: str
    cells: Sequence["str | Array"]
    marked: Sequence[bool] | None = None
    begins: bool = False
    colour: str = "reference"

    @property
    def height(self) -> float:
        """In inches, with the air above."""
        return AIR * self.begins + (LINE if isinstance(self.cells[0], str) else EDGE) + GAP / 3


def shade(vector: Array, *, scale: float) -> Array:
    """A vector (C, H, W) as a picture: (H, W) from -1 to 1, at `scale` and its negative; of three
    channels (H, W, 3) from 0 to 1, where 0.5 is zero; of other numbers, side by side, (H, C · W).

    Large ones are reduced to the means of blocks of pixels, at the resolution of a print.
    """
    factor = int(max(vector.shape[1:]) / (EDGE * style.RESOLUTION))
    if factor > 1:
        reduced = [Image.fromarray(each.astype(np.float32)).reduce(factor) for each in vector]
        vector = np.stack([np.asarray(each, dtype=np.float64) for each in reduced])
    scaled = vector / scale
    if len(vector) == 3:
        return np.clip((1 + scaled) / 2, 0, 1).transpose(1, 2, 0)
    return np.concatenate(list(scaled), axis=1)


def table(rows: Sequence[Row], lines: Sequence[str], *, unit: str) -> style.Figure:
    """All rows from the top, below lines of a title, above what the shades mean.

    unit: of the pictures, in words.
    """
    columns = len(rows[0].cells)
    left = max(style.width(row.label) for row in rows) + 2 * MARGIN
    wide, high = columns * (EDGE + GAP), sum(row.height for row in rows)
    across = max(left + wide + MARGIN, NARROWEST)
    characters = int(panels.PER_INCH * (across - 2 * MARGIN))
    title = [part for line in lines for part in textwrap.wrap(line, characters)]
    above = LINE * len(title) + MARGIN / 2
    size = across, above + high + LEGEND
    figure = style.Figure(figsize=size)
    figure.text(0.5, 1 - MARGIN / 2 / size[1], "\n".join(title), ha="center", va="top")
    place = (left / size[0], LEGEND / size[1], wide / size[0], high / size[1])
    axis = figure.add_axes(place, xlim=(0, wide), ylim=(high, 0))  # in inches, from the top
    middles = _draw(axis, rows)
    axis.set_xticks([])
    axis.set_yticks(middles, [row.label for row in rows])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    _explain(figure, axis, unit, characters=characters)
    return figure


def _draw(axis: style.Axes, rows: Sequence[Row]) -> list[float]:
    """Every cell of every row; returns the middles of the rows."""
    middles, end = [], 0.0
    for row in rows:
        end += row.height
        middles.append(end - (row.height - AIR * row.begins) / 2)
        for column, cell in enumerate(row.cells):
            middle = (column + 0.5) * (EDGE + GAP), middles[-1]
            if isinstance(cell, str):
                marked = row.marked is None or row.marked[column]
                colour = style.COLOURS["reference" if marked else "initial"]
                axis.text(*middle, cell, ha="center", va="center", color=colour, fontsize=SMALL)
            elif np.isfinite(cell).all():
                _picture(axis, cell, middle, colour=row.colour)
    return middles


def _picture(axis: style.Axes, cell: Array, middle: tuple[float, float], *, colour: str) -> None:
    """A picture in a thin frame, as large as fits in a cell around a point."""
    height, width = (EDGE * length / max(cell.shape[:2]) for length in cell.shape[:2])
    (left, top), (right, bottom) = (
        (middle[0] + sign * width / 2, middle[1] + sign * height / 2) for sign in (-1, 1)
    )
    times = max(1, CRISP // max(cell.shape[:2]))
    axis.imshow(
        cell.repeat(times, axis=0).repeat(times, axis=1),
        vmin=-1,
        vmax=1,
        cmap=DIVERGING,
        extent=(left, right, bottom, top),
        origin="upper",
        aspect="auto",
        interpolation="none",
    )
    frame = [left, right, right, left, left], [top, top, bottom, bottom, top]
    axis.plot(*frame, color=style.COLOURS[colour], linewidth=0.5)


def _explain(figure: style.Figure, axis: style.Axes, unit: str, *, characters: int) -> None:
    """What the shades mean, below the table; nothing where there is no picture."""
    if not axis.images:
        return
    width, height = figure.get_size_inches()
    if len(axis.images[0].get_shape()) == 3:
        said = f"red, green and blue: from -1 (none) over 0 (gray) to 1 (full), {unit}"
        text = "\n".join(textwrap.wrap(said, characters))
        figure.text(0.5, LEGEND / 2 / height, text, ha="center", va="center", fontsize=SMALL)
        return
    size = BAR[0] / width, BAR[1] / height
    place = (0.5 - size[0] / 2, (LEGEND - 2 * MARGIN) / height, *size)
    bar = figure.add_axes(place, label="<colorbar>")
    figure.colorbar(axis.images[0], cax=bar, orientation="horizontal", ticks=[-1, 0, 1])
    bar.tick_params(labelsize=SMALL, length=2, pad=1)
    bar.set_xlabel(unit, fontsize=SMALL, labelpad=1)
