"""Write what was measured into docs/performance.md, as `make bench` does.

python -m benchmarks.performance FOLDER
"""

import json
import math
import re
import statistics
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench import SIZES
from benchmarks.drawings import draw_growth, draw_steps
from benchmarks.growth import AXES, OF_SEEDS, QUANTITIES, REPEATS, STEPS
from benchmarks.operations import Operations
from benchmarks.timings import KERNELS, OF_ALL, OTHER, OUTSIDE, PARTS, Row, peak_of, rows_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
NEXT = "<!-- here come further machines -->"
SIDE_BY_SIDE = (
    "Ours is timed as the workflow runs it: {cores} jobs of the step side by side, each with one "
    "thread. The time until all are done is divided by {cores}. *prepare* and *summary*, of which "
    "the workflow has one each, run alone. The plain way is one process with all cores."
)
ALONE = (
    "Each step runs alone, in a process that has loaded its libraries and run it once before, and "
    "is timed until the GPU is done. The whole runs as many jobs at once as `make run` would. The "
    "plain way is one process with the same GPU."
)
LEAST = 10  # MB, below which what a job takes beside its process is noise


def main(folder: Path) -> None:
    for device in SIZES:
        if found := read(folder / f"performance-{device}.json"):
            rows, peak = list(rows_of(found)), peak_of(found)
            name = named(found["machine"])
            picture = f"performance-{re.sub('[^a-z0-9]+', '-', name.lower())}"
            shown = ["", f"![Each step, ours and plain, on {name}]({picture}.svg)"]
            write(f"performance on {name}", [*table(rows, peak), "", machine(found), *shown])
            draw_steps(rows, peak, name=picture)
    if grown := read(folder / "growth.json"):
        write("growth", exponents(grown))
        draw_growth(grown)
    if kernels := read(folder / "kernels.json"):
        write("kernels", shares(kernels))


def read(path: Path) -> dict[str, Any]:
    """What was measured; nothing where it was not."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def named(machine: Mapping[str, Any]) -> str:
    """What a table is of: a GPU by its name, else so many cores of a processor."""
    return machine["gpu"] or f"{machine['cores']} cores of {machine['cpu']}"


def write(name: str, lines: Iterable[str]) -> None:
    """Lines of Markdown, between the marks of this name; of a new machine, after the others."""
    block = "\n".join([f"<!-- {name} -->", *lines, f"<!-- /{name} -->"])
    text = PAGE.read_text(encoding="utf-8")
    start, end = re.escape(f"<!-- {name} -->"), re.escape(f"<!-- /{name} -->")
    text, times = re.subn(f"{start}.*{end}", lambda _: block, text, flags=re.DOTALL)
    if not times and name.startswith("performance on "):
        heading = name.removeprefix("performance on ")
        text, times = re.subn(
            re.escape(NEXT), lambda _: f"### On {heading}\n\n{block}\n\n{NEXT}", text, count=1
        )
    assert times == 1, f"{PAGE} has no place for {name}"
    PAGE.write_text(text, encoding="utf-8")


def table(rows: Sequence[Row], peak: Operations) -> Iterator[str]:
    """Lines of Markdown."""
    yield (
        "| step | ours (s) | plain (s) | times as fast | operations (10⁹) | at the peak (s) "
        "| share of peak | most |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        ratio = "" if row.ratio is None else _short(row.ratio)
        counted = least = share = most = ""
        if row.operations:
            seconds = row.operations.seconds(peak)
            counted = f"{sum(row.operations) / 1e9:,.0f}"
            least = _short(seconds)
            share = f"{seconds / statistics.median(row.ours):.0%}"
            most = _short(statistics.median(row.plain) / seconds) if row.plain else ""
        yield (
            f"| {row.name} | {_spread(row.ours)} | {_spread(row.plain)} | {ratio} | {counted} "
            f"| {least} | {share} | {most} |"
        )


def _short(value: float) -> str:
    return f"{value:.{0 if value >= 10 else 1 if value >= 1 else 2}f}"


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
    """Sentences on what was measured, how, and on what."""
    peak = peak_of(found)
    repeats = max(len(step.get("ours", [])) for step in found.values())
    whole = len(found["tutorial"]["ours"])
    cores, torch = found["machine"]["cores"], found["machine"]["torch"]
    gpu = found["machine"]["gpu"]
    parts = ", ".join(f"{times} × {step}" for step, times in PARTS.items())
    return (
        f"Median and range of {repeats} runs ({whole} of the whole) on {cores} cores"
        f"{f' and one {gpu}' if gpu else ''} with torch {torch}. "
        f"{ALONE if gpu else SIDE_BY_SIDE.format(cores=cores)} "
        "*At the peak* is the least time that the matrix products of a step need, at the rate of "
        f"large products on {'the GPU' if gpu else 'all cores'} in the same run: "
        f"{peak.single / 1e9:,.0f}·10⁹ operations a second in float32, "
        f"{peak.double / 1e9:,.0f}·10⁹ in float64. *Share of peak* is that time over ours. *Most* "
        "is plain over that time: no way of computing the same products gains more. The whole runs "
        "from prepared images to the last figure. Its plain time is a sum: for each network "
        f"{parts} (activations in two bases), and {' and '.join(OF_ALL)} once, which a notebook "
        "would do as we do."
    )


def shares(found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Lines of Markdown: where the time of each step goes."""
    kinds = [*KERNELS, OTHER, OUTSIDE]
    yield f"| step | one thread (s) | {' | '.join(kinds)} |"
    yield "| --- | --- |" + " --- |" * len(kinds)
    for name, seconds in found.items():
        total = sum(seconds.values())
        cells = [f"{seconds.get(kind, 0) / total:.0%}" for kind in kinds]
        yield f"| {name} | {_short(total)} | {' | '.join(cells)} |"


def exponents(grown: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Lines of Markdown: how each step grows at last, and in brackets what is expected."""
    names = [label.split(" (")[0] for label, _ in QUANTITIES.values()]
    columns = [f"{name}, {axis}" for name in names for axis in AXES]
    yield f"| exponent of | {' | '.join(columns)} |"
    yield "| --- |" + " --- |" * len(columns)
    for step in STEPS:
        cells = [_exponent(grown, axis, step, quantity) for quantity in QUANTITIES for axis in AXES]
        yield f"| {step} | {' | '.join(cells)} |"
    yield ""
    yield (
        f"Exponents between the last two points of each curve, medians of {REPEATS} runs. In "
        "brackets, what is expected: of time, the exponent of the operations; of memory beyond "
        "what a process begins with, that of the declared memory. – stands for less than "
        f"{LEAST} MB."
    )


def _exponent(grown: Mapping[str, Mapping[str, float]], axis: str, step: str, quantity: str) -> str:
    """Of the last two points of a curve."""
    if axis == "seeds" and step not in OF_SEEDS:
        return ""
    sizes = AXES[axis]["values"][-2:]
    points = [grown[f"{axis}/{size}/{step}"] for size in sizes]
    if quantity == "megabytes" and min(point[quantity] for point in points) < LEAST:
        return "–"

    def slope(name: str) -> float:
        return math.log(points[1][name] / points[0][name]) / math.log(sizes[1] / sizes[0])

    return f"{slope(quantity):.1f} ({slope(QUANTITIES[quantity][1]):.1f})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
