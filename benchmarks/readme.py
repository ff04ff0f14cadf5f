"""Put what was measured into the README, as `make bench` does: benchmarks/readme.py FOLDER."""

import json
import re
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from growth import AXES, OF_SEEDS, STEPS
from matplotlib.axes import Axes
from operations import Operations

from latentdims.figures import style

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("mlp", "cnn")
SEEDS, DRAWS, EPOCHS = 2, 10, 5  # of configs/tutorial.yaml
WHOLE = "whole tutorial"
COLOURS = dict(zip(STEPS, style.COLOURS.values(), strict=True))


class Row(NamedTuple):
    """Seconds of one step in both ways, and the operations that it needs, where they are known."""

    name: str
    ours: Sequence[float]
    plain: Sequence[float]
    operations: Operations | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the plain way."""
        if not self.plain:
            return None
        return statistics.median(self.plain) / statistics.median(self.ours)


def main(folder: Path) -> None:
    found = json.loads((folder / "performance.json").read_text())
    rows = list(rows_of(found))
    peak = peak_of(found)
    text = "\n".join(table(rows, peak)) + "\n" + machine(found)
    readme = ROOT / "README.md"
    block = f"<!-- performance -->\n{text}<!-- /performance -->"
    pattern = "<!-- performance -->.*<!-- /performance -->"
    readme.write_text(re.sub(pattern, lambda _: block, readme.read_text(), flags=re.DOTALL))
    draw_steps(rows, peak)
    draw_growth(json.loads((folder / "growth.json").read_text()))


def rows_of(found: Mapping[str, Any]) -> Iterator[Row]:
    """Each step, the covariances of a pair, and the whole."""
    rows = {
        name: Row(name, step["ours"], step["plain"], _operations(step))
        for name, step in found.items()
        if "plain" in step
    }
    for network in NETWORKS:
        descent, evaluation = rows[f"descent, {network}"], rows[f"evaluate, {network}"]
        plain = _sum("", [descent] + (EPOCHS + 1) * [evaluation]).plain
        rows[f"train, {network}"] = rows[f"train, {network}"]._replace(plain=plain)
    for name, row in rows.items():
        yield row
        if name.startswith("cross-covariance, "):
            network = name.split(", ")[1]
            yield _sum(f"both of a pair, {network}", [rows[f"covariance, {network}"], row])
    parts = [
        rows[f"{step}, {network}"]
        for network in NETWORKS
        for step, times in (
            ("train", SEEDS),
            ("covariance", 1),
            ("cross-covariance", 1),
            ("align", 1),
            ("clip activations", 2 * SEEDS),  # along eigenvectors, and in a random basis
            ("clip weights", SEEDS),
            ("generate", SEEDS * DRAWS),
        )
        for _ in range(times)
    ]
    yield Row(WHOLE, found["tutorial"]["ours"], _sum("", parts).plain)


def _operations(step: Mapping[str, Any]) -> Operations | None:
    return Operations(step["single"], step["double"]) if "single" in step else None


def _sum(name: str, rows: Sequence[Row]) -> Row:
    total = Operations()
    for row in rows:
        total += row.operations or Operations()
    return Row(
        name,
        [sum(each) for each in zip(*(row.ours for row in rows), strict=True)],
        [sum(each) for each in zip(*(row.plain for row in rows), strict=True)],
        total,
    )


def peak_of(found: Mapping[str, Any]) -> Operations:
    """Operations per second, the median over all steps."""
    measured = [step["peak"] for step in found.values() if "peak" in step]
    return Operations(*np.median(measured, axis=0))


def table(rows: Sequence[Row], peak: Operations) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| step | ours (s) | plain (s) | times as fast | operations (10⁹) | share of peak |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.{0 if row.ratio >= 10 else 1}f}"
        operations = share = ""
        if row.operations:
            operations = f"{sum(row.operations) / 1e9:,.0f}"
            share = f"{row.operations.seconds(peak) / statistics.median(row.ours):.0%}"
        yield (
            f"| {row.name} | {_spread(row.ours)} | {_spread(row.plain)} | {ratio} | {operations} "
            f"| {share} |"
        )


def _spread(values: Sequence[float]) -> str:
    """Median and range."""
    if not values:
        return ""
    digits = 0 if min(values) >= 100 else 1 if min(values) >= 1 else 2
    middle, low, high = statistics.median(values), min(values), max(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def machine(found: Mapping[str, Any]) -> str:
    """A sentence on what was measured on."""
    single, double = (rate / 1e9 for rate in peak_of(found))
    repeats = max(len(step.get("ours", [])) for step in found.values())
    whole = len(found["tutorial"]["ours"])
    cores, torch = found["machine"]["cores"], found["machine"]["torch"]
    return (
        f"\nMedian and range of {repeats} runs ({whole} of the whole) on {cores} cores with torch "
        f"{torch}. The peak is that of large matrix products in the same run: {single:.0f}·10⁹ "
        f"operations a second in float32, {double:.0f}·10⁹ in float64.\n"
    )


def draw_steps(rows: Sequence[Row], peak: Operations) -> None:
    """Seconds of each step in both ways, and the least that its products take."""
    shown = [row for row in rows if row.plain]
    figure, axes = style.panels(rows=1, columns=1, heights=[1.8])
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
    _save(figure, "performance")


def draw_growth(found: Mapping[str, Mapping[str, float]]) -> None:
    """Time, and memory where it was measured, of each step against width, samples and seeds."""
    whole = all("megabytes" in point for point in found.values())
    quantities = {"seconds": "seconds"} | ({"megabytes": "memory (MB)"} if whole else {})
    figure, axes = style.panels(
        rows=len(quantities), columns=len(AXES), heights=[1.2] * len(quantities)
    )
    for column, (name, sizes) in enumerate(AXES.items()):
        steps = STEPS if name != "seeds" else OF_SEEDS
        for step in steps:
            points = [found[f"{name}/{value}/{step}"] for value in sizes["values"]]
            for row, quantity in enumerate(quantities):
                values = [max(point[quantity], 1e-9) for point in points]
                axes[row, column].plot(
                    sizes["values"], values, ".-", color=COLOURS[step], label=step, markersize=4
                )
            _arithmetic(axes[0, column], sizes["values"], points, COLOURS[step])
        for row, label in enumerate(quantities.values()):
            axis = axes[row, column]
            style.logarithmic(axis, x=True, y=True)
            axis.set_xticks(sizes["values"], map(str, sizes["values"]), rotation=45)
            axis.minorticks_off()
            axis.set_xlabel(
                {"width": "neurons in a layer", "samples": "training images"}.get(name, name)
            )
            axis.set_ylabel(label if column == 0 else "")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    _save(figure, "growth")


def _arithmetic(
    axis: Axes, x: Sequence[int], points: Sequence[Mapping[str, float]], colour: str
) -> None:
    """How the time would grow with the operations alone, from where it is at its largest."""
    last = points[-1]
    grown = [last["seconds"] * point["operations"] / last["operations"] for point in points]
    axis.plot(x, grown, ":", color=colour, linewidth=0.8)


def _save(figure: Any, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        style.save(figure, svg=ROOT / "docs" / f"{name}.svg", pdf=Path(folder) / f"{name}.pdf")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
