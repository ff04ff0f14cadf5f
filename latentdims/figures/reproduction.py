"""Our numbers, with what to expect of a single run, beside published ones."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims.figures import marks, panels, scale, style
from latentdims.results.quantities import ONE_RUN
from latentdims.results.table import Row, read_csv

AXES = {  # what stands along the axis of quantities that have this word in their names, by unit
    ("accuracy", "percent"): "accuracy (%)",
    ("loss", "nats"): "cross-entropy (nats)",
    ("variance_explained", "1"): "variance explained s²",
    ("similarity", "1"): "similarity s",
}
UNITS = {"percent": " (%)", "1": ""}


def draw(files: Mapping[str, str]) -> style.Figure:
    """A line for every number of the summary that has a published one, a panel per kind."""
    rows = [row for row in read_csv(files["table"]) if _is_of_one_run(row)]
    several = len({row.dataset for row in rows}) > 1
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(_axis(row), []).append(row)
    names = [[_name(row, several) for row in chosen] for chosen in kinds.values()]
    text = max(style.width(name) for each in names for name in each)
    figure, axes = panels.panels(
        rows=len(kinds),
        columns=1,
        heights=[0.35 + 0.12 * len(chosen) for chosen in kinds.values()],
        width=text + 2.5,
    )
    for axis, (label, chosen), lines in zip(axes[:, 0], kinds.items(), names, strict=True):
        axis.set_xlabel(label)
        _panel(axis, chosen)
        scale.lines(axis, lines)
    panels.legend(figure, *axes[:, 0])
    return figure


def _is_of_one_run(row: Row) -> bool:
    return bool(row.published) and row.quantity.endswith(ONE_RUN)


def _axis(row: Row) -> str:
    """What a quantity is measured in, in words."""
    for (word, unit), label in AXES.items():
        if word in row.quantity and unit == row.unit:
            return label
    return row.quantity.removesuffix(ONE_RUN).replace("_", " ") + UNITS.get(
        row.unit, f" ({row.unit})"
    )


def _panel(axis: style.Axes, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        axis.plot(
            row.theirs,
            [place] * len(row.theirs),
            "d",
            color=style.COLOURS["reference"],
            mfc="none",
            markersize=5,
            label="published",
        )
        if np.isfinite(row.value):
            marks.bar(
                axis,
                place,
                row.value,
                low=row.low,
                high=row.high,
                colour="trained",
                label="ours, mean",
                horizontal=True,
            )
    if any(row.low is not None for row in rows):
        marks.explain(axis, "|", "95 % of single runs")


def _name(row: Row, several: bool) -> str:
    """Of a line; several: data sets, so that theirs counts."""
    place = [row.dataset] if several else []
    place += [row.network, *filter(None, [style.title(row.layer)])]
    undefined = "" if np.isfinite(row.value) else " (undefined)"
    quantity = row._replace(quantity=row.quantity.removesuffix(ONE_RUN)).words
    return f"{', '.join(place)}: {quantity}{undefined}"
