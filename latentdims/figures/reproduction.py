"""Our numbers, with their intervals, beside published ones."""

import csv
from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims.figures import style
from latentdims.table import HEADLINES

UNITS = {"percent": "accuracy (%)", "1": "similarity s"}


def draw(files: Mapping[str, str]) -> Figure:
    """A line for every number of the summary that has a published one, a panel per unit."""
    with Path(files["table"]).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["published"]]
    units = [unit for unit in UNITS if any(row["unit"] == unit for row in rows)]
    lines = [[row for row in rows if row["unit"] == unit] for unit in units]
    figure, axes = style.panels(
        rows=len(units), columns=1, heights=[0.3 + 0.12 * len(x) for x in lines]
    )
    figure.set_figwidth(6)
    for axis, unit, chosen in zip(axes[:, 0], units, lines, strict=True):
        for place, row in enumerate(chosen):
            _line(axis, place, row)
        axis.set_yticks(range(len(chosen)), [_name(row) for row in chosen])
        axis.set_ylim(len(chosen) - 0.5, -0.5)
        axis.set_xlabel(UNITS[unit])
    style.legend(figure, axes[0, 0], seeds=max(int(row["n"]) for row in rows))
    return figure


def _line(axis: Axes, place: int, row: Mapping[str, str]) -> None:
    published = [float(number) for number in row["published"].split(";")]
    colour = style.COLOURS["reference"]
    axis.plot(published, [place] * len(published), "d", mfc="none", color=colour, label="published")
    value = float(row["value"])
    error = None if not row["low"] else [[value - float(row["low"])], [float(row["high"]) - value]]
    axis.errorbar(
        value, place, xerr=error, fmt="o", color=style.COLOURS["trained"], capsize=2, label="ours"
    )


def _name(row: Mapping[str, str]) -> str:
    layer = f", {style.title(row['layer'])}" if row["layer"] else ""
    return f"{row['network']}{layer}: {HEADLINES.get(row['quantity'], row['quantity'])}"
