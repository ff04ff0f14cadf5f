"""Draw the workflow from its own graph into docs/workflow.svg: make workflow.

    snakemake --filegraph | python docs/workflow.py docs/workflow.svg

Boxes are rules, with how often each runs; arrows bear the files that a rule writes. Arrows that
follow from others are left out, as from the images to what is measured of their networks.
"""

import html
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from latentdims.figures import style  # noqa: E402

BOX = (0.85, 0.42)  # width and height, inches
APART = (1.92, 0.58)  # from one box to the next, to the right and below, inches
PASSING = 0.6  # of the distance below, that an arrow takes which passes between boxes
STEM, CORNER, LINE = 0.77, 0.06, 0.115  # of an arrow with its files, a box, and text, inches
SWEEPS = 100
STRAIGHT = 8  # how much more a line that passes boxes is kept level than boxes are
WORDS = {"dataset": "data set"}

Edge = tuple[str, str]
Place = tuple[float, float]


@dataclass(frozen=True)
class Rule:
    """A rule, and the patterns of the files that it writes."""

    name: str
    files: tuple[str, ...]

    @property
    def runs(self) -> str:
        """How often, by the last of its wildcards."""
        wildcards = re.findall(r"\{(\w+)\}", "/".join(self.files))
        return f"per {WORDS.get(wildcards[-1], wildcards[-1])}" if wildcards else "once"

    @property
    def artefacts(self) -> list[str]:
        """Names of its files."""
        return sorted(re.sub(r"\{(\w+)\}", r"<\1>", PurePath(file).name) for file in self.files)


def main() -> None:
    """Standard input into the file that is named."""
    rules, edges = parsed(sys.stdin.read())
    if not rules:
        sys.exit("error: no graph was read; give what snakemake --filegraph prints")
    write(drawn(rules, edges), Path(sys.argv[1]))
    print(f"written: {sys.argv[1]}")


def parsed(text: str) -> tuple[dict[str, Rule], set[Edge]]:
    """Rules by name, and which of them reads files of which, from the graph in dot."""
    names: dict[str, str] = {}
    rules: dict[str, Rule] = {}
    for number, label in re.findall(r"^(\d+) \[ shape=none.*?label=<(.*?)>\]", text, re.M | re.S):
        name = re.findall(r'<font point-size="18">(.*?)</font>', label)[0]
        _, _, output = label.partition("output &rarr;")
        files = re.findall(r'<font face="monospace">(.*?)</font>', output)
        plain = [re.sub(r"\{(\w+),[^}]*\}", r"{\1}", html.unescape(file)) for file in files]
        names[number], rules[name] = name, Rule(name, tuple(plain))
    found = re.findall(r"^\s*(\d+) -> (\d+)", text, re.M)
    edges = {(names[before], names[after]) for before, after in found}
    return rules, {(before, after) for before, after in edges if before != after}


def reduced(edges: Iterable[Edge]) -> set[Edge]:
    """Without those that follow from others (a transitive reduction)."""
    edges = set(edges)
    return {
        (before, after)
        for before, after in edges
        if not any(
            _leads(edges, way, after) for start, way in edges if start == before != way != after
        )
    }


def _leads(edges: set[Edge], before: str, after: str) -> bool:
    return any(
        start == before and (end == after or _leads(edges, end, after)) for start, end in edges
    )


def columns(rules: Iterable[str], edges: Iterable[Edge]) -> dict[str, int]:
    """Of each rule: as far to the right as what reads its files allows, from 0."""
    edges = list(edges)

    def behind(rule: str) -> int:
        return max((1 + behind(after) for before, after in edges if before == rule), default=0)

    depths = {rule: behind(rule) for rule in rules}
    return {rule: max(depths.values()) - depth for rule, depth in depths.items()}


def paths(edges: Iterable[Edge], column: Mapping[str, int]) -> dict[Edge, list[tuple[str, int]]]:
    """Every edge as the stops that it passes, one in each column: (name, column)."""
    found = {}
    for before, after in sorted(edges):
        between = range(column[before] + 1, column[after])
        stops = [(f"{before}>{after}", at) for at in between]
        found[before, after] = [(before, column[before]), *stops, (after, column[after])]
    return found


def heights(ways: Iterable[list[tuple[str, int]]]) -> dict[tuple[str, int], float]:
    """Of all stops, from the top: near the mean of their neighbours, and apart from one another."""
    neighbours: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for way in ways:
        for one, other in pairwise(way):
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
    found = {stop: float(place) for place, stop in enumerate(sorted(neighbours))}
    layers = {at: sorted(s for s in neighbours if s[1] == at) for _, at in sorted(neighbours)}
    for _ in range(SWEEPS):
        for at in sorted(layers):
            wanted = {}
            for stop in layers[at]:
                weights = {each: _weight(stop, each) for each in neighbours[stop]}
                total = sum(weight * found[each] for each, weight in weights.items())
                wanted[stop] = total / sum(weights.values())
            found.update(_apart(sorted(wanted.items(), key=lambda each: (each[1], each[0]))))
    return found


def _weight(one: tuple[str, int], other: tuple[str, int]) -> int:
    return STRAIGHT if ">" in one[0] and ">" in other[0] else 1


def _apart(wanted: list[tuple[tuple[str, int], float]]) -> Iterator[tuple[tuple[str, int], float]]:
    """Places in this order, with room for each, as near to those wanted as they are on average."""
    placed: list[float] = []
    for (stop, want), before in zip(wanted, [None, *wanted], strict=False):
        room = (_room(stop) + _room(before[0])) / 2 if before else 0.0
        placed.append(max(want, placed[-1] + room) if placed else want)
    shift = sum(want - place for (_, want), place in zip(wanted, placed, strict=True)) / len(placed)
    yield from ((stop, place + shift) for (stop, _), place in zip(wanted, placed, strict=True))


def _room(stop: tuple[str, int]) -> float:
    """Inches that a box takes, or an arrow that passes."""
    return APART[1] * (PASSING if ">" in stop[0] else 1)


def drawn(rules: Mapping[str, Rule], edges: Iterable[Edge]) -> style.Figure:
    """From left to right."""
    kept = reduced(edges)
    column = columns(rules, kept)
    ways = paths(kept, column)
    height = heights(ways.values())
    top, bottom = min(height.values()) - 0.7 * BOX[1], max(height.values()) + 0.7 * BOX[1]
    size = APART[0] * max(column.values()) + BOX[0] + 0.2, bottom - top
    figure = style.Figure(figsize=size)
    axis = figure.add_axes((0, 0, 1, 1), xlim=(-0.1, size[0] - 0.1), ylim=(bottom, top))
    axis.set_axis_off()
    for way in ways.values():
        _arrow(axis, [(APART[0] * at, height[name, at]) for name, at in way])
    for name, rule in sorted(rules.items()):
        place = APART[0] * column[name], height[name, column[name]]
        _box(axis, rule, place, ends=any(before == name for before, _ in kept))
    return figure


def _arrow(axis: style.Axes, stops: list[Place]) -> None:
    """A smooth line from the right of the first box to the left of the last."""
    path = style.matplotlib.path.Path
    vertices, codes = [(stops[0][0] + BOX[0], stops[0][1])], [path.MOVETO]
    for (x, y), (end, there) in pairwise(stops):
        stem = x + BOX[0] + STEM
        middle = (stem + end) / 2
        vertices += [(stem, y), (middle, y), (middle, there), (end, there)]
        codes += [path.LINETO, *[path.CURVE4] * 3]
    axis.add_patch(
        style.matplotlib.patches.FancyArrowPatch(
            path=path(vertices, codes),
            arrowstyle="-|>",
            mutation_scale=7,
            color=style.COLOURS["initial"],
            linewidth=0.9,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _box(axis: style.Axes, rule: Rule, place: Place, *, ends: bool) -> None:
    """A rule, and above the stem of its arrows what it writes."""
    x, y = place
    often = rule.runs == "per seed"
    axis.add_patch(
        style.matplotlib.patches.FancyBboxPatch(
            (x + CORNER, y - BOX[1] / 2 + CORNER),
            BOX[0] - 2 * CORNER,
            BOX[1] - 2 * CORNER,
            boxstyle=f"round,pad={CORNER}",
            facecolor="#D9EAF4" if often else "#F4F4F4",
            edgecolor=style.COLOURS["trained" if often else "initial"],
            linewidth=0.9,
        )
    )
    middle = x + BOX[0] / 2
    runs = rule.runs if rule.files else "all results"
    axis.text(middle, y - 0.07, rule.name, ha="center", va="center", fontsize=9, fontweight="bold")
    axis.text(middle, y + 0.1, runs, ha="center", va="center", fontsize=7, color="#555555")
    if ends:
        for line, name in enumerate(reversed(rule.artefacts)):
            axis.text(x + BOX[0] + 0.05, y - 0.03 - LINE * line, name, va="bottom", fontsize=7)


def write(figure: style.Figure, path: Path) -> None:
    """As SVG, without a date."""
    style.FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
