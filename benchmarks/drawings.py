"""Pictures of docs/performance.md: each step in both ways, and how each grows."""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth import AXES, OF_SEEDS, QUANTITIES, STEPS
from benchmarks.operations import Operations
from benchmarks.timings import Row
from latentdims.figures import panels, style
from latentdims.figures.scale import logarithmic

ROOT = Path(__file__).resolve().parents[1]
COLOURS = dict(zip(STEPS, style.COLOURS.values(), strict=True))


def draw_steps(rows: Sequence[Row], peak: Operations, *, name: str) -> None:
    """Seconds of each step in both ways, and the least that its products take."""
    shown = [row for row in rows if row.plain]
    figure, axes = panels.panels(rows=1, columns=1, heights=[1.8])
    figure.set_figwidth(5.5)
    axis = axes[0, 0]
    places = np.arange(len(shown))
    for offset, colour, label, values in (
        (-0.2, "initial", "plain", [statistics.median(row.plain) for row in shown]),
        (0.2, "trained", "this package", [statistics.median(row.ours) for row in shown]),
    ):
        axis.barh(places + offset, values, 0.4, color=style.COLOURS[colour], label=label)
    counted = [(n, row.operations) for n, row in enumerate(shown) if row.operations]
    axis.plot(
        [operations.seconds(peak) for _, operations in counted],
        [place + 0.2 for place, _ in counted],
        "|",
        color=style.COLOURS["reference"],
        markersize=7,
        label="matrix products alone, at the peak of the machine",
    )
    axis.set_yticks(places, [row.name for row in shown])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("seconds")
    figure.legend(loc="outside lower center", ncols=3)
    _save(figure, name)


def draw_growth(found: Mapping[str, Mapping[str, float]]) -> None:
    """Time and memory of each step against width, samples and seeds, and as they would grow with
    what is expected alone, from where they are at their largest."""
    figure, axes = panels.panels(
        rows=len(QUANTITIES), columns=len(AXES), heights=[1.2] * len(QUANTITIES)
    )
    for column, (name, sizes) in enumerate(AXES.items()):
        x = sizes["values"]
        for row, (quantity, (label, expected)) in enumerate(QUANTITIES.items()):
            axis = axes[row, column]
            for step in STEPS if name != "seeds" else OF_SEEDS:
                points = [found[f"{name}/{value}/{step}"] for value in x]
                values = np.array([max(point[quantity], 0.1) for point in points])
                law = np.array([point[expected] for point in points])
                colour = COLOURS[step]
                axis.plot(x, values, ".-", color=colour, label=step, markersize=4)
                axis.plot(x, values[-1] * law / law[-1], ":", color=colour, linewidth=0.8)
            axis.set_xscale("log")
            logarithmic(axis)
            axis.set_xticks(x, map(str, x), rotation=45)
            axis.minorticks_off()
            axis.set_xlabel(
                {"width": "neurons in a layer", "samples": "training images"}.get(name, name)
            )
            axis.set_ylabel(label if column == 0 else "")
    axes[0, 0].plot([], [], ":", color="gray", linewidth=0.8, label="expected")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    _save(figure, "growth")


def _save(figure: Any, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        style.save(figure, svg=ROOT / "docs" / f"{name}.svg", pdf=Path(folder) / f"{name}.pdf")
