"""Draw docs/rooms.svg, the folders of the package and their imports: make pages."""

import ast
import math
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from latentdims.figures import style  # noqa: E402  # before matplotlib, whose settings it resets

# isort: split
from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: E402
from matplotlib.patches import FancyArrowPatch, Rectangle  # noqa: E402

PACKAGE = ROOT / "latentdims"
PICTURE = ROOT / "docs" / "rooms.svg"
BASE = "latentdims"  # the modules that lie in no folder
FLOORS = (  # from the top: a folder imports those on its own floor and below
    ("steps", "interface"),
    ("workflow", "planning"),
    ("configuration", "figures"),
    ("results", "interventions"),
    ("comparison", "recipes"),
    ("models",),
    ("images", "statistics"),
    (BASE,),
)
SIZE = (8.0, 9.6)  # inches
WIDER = (2, 8, 24)  # imports above which an arrow is drawn wider
BOX = (0.27, 0.062)  # width and height, in parts of the picture
PLACES = {  # of the middle of a box, from left to right
    **{"steps": 0.3, "interface": 0.75},
    **{"workflow": 0.2, "planning": 0.8},
    **{"configuration": 0.33, "figures": 0.84},
    **{"results": 0.64, "interventions": 0.16},
    **{"comparison": 0.36, "recipes": 0.84},
    "models": 0.6,
    **{"images": 0.2, "statistics": 0.82},
    BASE: 0.5,
}

Place = tuple[float, float]


def modules() -> dict[str, Path]:
    """The files of the package by dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports() -> Iterator[tuple[str, str]]:
    """Each import within the package, as the dotted names of the two modules."""
    known = modules()
    for module, path in known.items():
        if module == BASE:  # it only lists what the package offers, and imports it when it is used
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                while name and name not in known:  # the last part may be a name of the module
                    name = name.rpartition(".")[0]
                if name:
                    yield module, name


def room(module: str) -> str:
    """The folder that a module lies in."""
    first = module.split(".")[1:2]
    return first[0] if first and (PACKAGE / first[0]).is_dir() else BASE


def counted() -> Counter[tuple[str, str]]:
    """How often each folder imports another."""
    pairs = ((room(one), room(other)) for one, other in imports())
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def floor(name: str) -> int:
    """The floor of a folder, counted from the top. Raises LookupError if it has none."""
    for number, rooms in enumerate(FLOORS):
        if name in rooms:
            return number
    raise LookupError(f"latentdims/{name}/ is on no floor; add it to FLOORS in docs/rooms.py")


def upward() -> set[str]:
    """The modules that a lower floor imports, without the name of the package."""
    return {
        other.removeprefix(f"{BASE}.")
        for one, other in imports()
        if floor(room(one)) > floor(room(other))
    }


def described(name: str) -> str:
    """The first sentence of the docstring of a folder."""
    if name == BASE:
        return "Files, errors, devices, decompositions: the modules in no folder."
    code = (PACKAGE / name / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0].replace("`", "")


def draw() -> None:
    """Write the picture."""
    figure = style.Figure(figsize=SIZE)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.set_axis_off()
    middle = {
        name: (PLACES[name], 0.955 - 0.91 * number / (len(FLOORS) - 1))
        for number, rooms in enumerate(FLOORS)
        for name in rooms
    }
    for (one, other), count in sorted(counted().items()):
        _arrow(axis, middle[one], middle[other], count)
    for name, (x, y) in middle.items():
        corner = (x - BOX[0] / 2, y - BOX[1] / 2)
        axis.add_patch(Rectangle(corner, *BOX, facecolor="white", edgecolor="black", zorder=2))
        title = f"{name}/" if name != BASE else "*.py"
        words = "\n".join(textwrap.wrap(described(name), 42))
        axis.text(x, y + 0.018, title, ha="center", va="center", weight="bold", zorder=3)
        axis.text(x, y - 0.010, words, ha="center", va="center", fontsize=6.5, zorder=3)
    FigureCanvasSVG(figure).print_svg(PICTURE, metadata={"Date": None})


def _arrow(axis: style.Axes, start: Place, end: Place, count: int) -> None:
    """From the edge of one box to that of another: gray, or orange where it goes up."""
    (x, y), (to_x, to_y) = start, end
    width, height = BOX
    step = sum(count > limit for limit in WIDER)
    level, up = y == to_y, y < to_y
    side = math.copysign(width / 2, to_x - x) if level else 0.0
    half = 0.0 if level else math.copysign(height / 2, to_y - y)
    shift = 0.0 if level else max(-0.4 * width, min(0.4 * width, 0.3 * (to_x - x)))
    bend = 0.3 if abs(to_x - x) < 0.1 else 0.2 * up  # so that it passes boxes and other arrows
    axis.add_patch(
        FancyArrowPatch(
            (x + side + shift, y + half),
            (to_x - side - shift, to_y - half),
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=7 + step,
            linewidth=0.6 + 0.6 * step,
            color=style.COLOURS["random" if up else "initial"],
            zorder=1,
        )
    )


if __name__ == "__main__":
    draw()
    print(f"written: {PICTURE.relative_to(ROOT)}")
