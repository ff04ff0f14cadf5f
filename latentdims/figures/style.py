"""The one style of all figures, and the one door to matplotlib, which no setting passes.

Nobody else imports matplotlib: its settings, backend and fonts are chosen here, so that the bytes
of a figure depend on its data alone.
"""

# ruff: noqa: E402 (what stands before an import must come before it)

import logging
import os
import unicodedata
from contextlib import chdir
from pathlib import Path
from typing import Any

for chatty in ("matplotlib", "fontTools"):  # of caches, and lists of glyphs
    logging.getLogger(chatty).setLevel(logging.ERROR)
os.environ["MPLBACKEND"] = "agg"  # that of a notebook need not be installed here
os.environ.pop("SOURCE_DATE_EPOCH", None)  # figures bear no date
with chdir(Path(__file__).parent):  # its matplotlibrc goes before those of users
    import matplotlib

from matplotlib import ticker as ticker
from matplotlib.axes import Axes as Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import FillBetweenPolyCollection as FillBetweenPolyCollection
from matplotlib.container import ErrorbarContainer as ErrorbarContainer
from matplotlib.figure import Figure as Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.image import AxesImage as AxesImage
from matplotlib.text import Text as Text
from matplotlib.textpath import text_to_path

from latentdims import record
from latentdims.models.epochs import UNTRAINED

COLOURS = {  # Okabe and Ito's palette, which colour-blind readers can tell apart
    "trained": "#0072B2",
    "initial": "#999999",
    "random": "#E69F00",
    "generated": "#009E73",
    "variant": "#CC79A7",
    "reference": "#000000",
}
ENDS = {"": ("trained", "trained"), UNTRAINED: (UNTRAINED, "initial")}  # words, and colour
RESOLUTION = 200  # pixels of large pictures in an inch, at least
LONGEST = 40  # characters of a name
SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana"],  # the second, as wide, for readers of the SVG
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "text.hinting": "none",  # the layout is measured in pixels, and drawn in none
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "latentdims",  # and names of elements stay the same
    "pdf.fonttype": 42,
}

matplotlib.rcdefaults()  # where matplotlib was imported before
matplotlib.rcParams.update(SETTINGS)
fontManager.ttflist = []  # fonts that are installed here are not there elsewhere
for font in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf")):
    fontManager.addfont(font)


def save(figure: Figure, *, svg: str | Path, pdf: str | Path) -> None:
    """Write both formats, without dates: a figure changes only when its data do.

    Both state the parameters of the job that runs, and a digest of what its inputs state.
    """
    lay_out(figure)
    made_by = record.statement()
    # `savefig` would draw each twice: once more, to no file, to find the layout.
    described = {"Date": None, "Description": made_by}
    FigureCanvasSVG(figure).print_svg(svg, metadata=described)
    described = {"CreationDate": None, "ModDate": None, "Subject": made_by}
    FigureCanvasPdf(figure).print_pdf(pdf, metadata=described)


def lay_out(figure: Figure) -> None:
    """Solve the layout, once: in another order each time, so that its last digits are rounded
    away."""
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
    for axis in figure.axes:
        axis.set_position(tuple(round(length, 5) for length in axis.get_position().bounds))


def width(text: str) -> float:
    """Of a line of text, in inches."""
    return text_to_path.get_text_width_height_descent(text, FontProperties(), ismath=False)[0] / 72


def shorten(name: str) -> str:
    """A name of at most `LONGEST` characters."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def drawable(name: str) -> bool:
    """Whether the font has every character of a name."""
    font = matplotlib.font_manager.get_font(fontManager.findfont(FontProperties()))
    text = unicodedata.normalize("NFC", name)
    return text.isprintable() and bool(text.strip()) and {*map(ord, text)} <= {*font.get_charmap()}


def title(layer: str) -> str:
    """The name of a layer in words: `layer1` is layer 1, `layer8_shortcut` is layer 8 shortcut.
    Dotted names, of submodules, stay as they are."""
    return layer if "." in layer else layer.replace("layer", "layer ").replace("_", " ")
