"""Every figure is drawn from any shape, can be read, says what it must, and has the same bytes."""

import html
import logging
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import fabricated
import h5py
import numpy as np
import pytest
from conftest import CLASSES, write_images
from docutils.core import publish_parts
from jinja2 import Template

from latentdims import figures, storage
from latentdims.figures import catalogue, marks, style
from latentdims.table import Row, write_csv

WORDS = {  # what must stand on each, of three networks
    "training": ["epoch", "accuracy (%)", "cross-entropy (nats)", "test images"],
    "spectra": ["rank", "eigenvalue", "layer 1, second moment", "layer 1, covariance"],
    "clipping": ["rank kept", "test accuracy (%)", "random directions", "chance", "whole network"],
    "weights": ["Marchenko-Pastur edge", "untrained", "trained", "test accuracy (%)", "classifier"],
    "alignment": ["variance explained", "trained", "untrained", "unrelated images", "one pair"],
    "measures": ["CKA, debiased", "CCA, mean", "untrained", "unrelated images"],
    "eigenvectors": ["eigenvector, seed 0", "eigenvector, seed 1", "|cosine|", "unrelated images"],
    "weight_eigenvectors": ["eigenvector, seed 0", "unrelated images", "random directions, k/d"],
    "generation": ["seed", "trained", "channels", "white covariances", "components drawn"],
}
WITH_INTERVALS = ("alignment", "measures", "generation")  # of three networks
WITH_BANDS = ("training", "clipping", "weights", "eigenvectors", "weight_eigenvectors")  # of six


def draw(name: str, files: dict) -> style.Figure:
    kinds = catalogue.SOURCES.get(name, files)
    return import_module(f"latentdims.figures.{name}").draw({kind: files[kind] for kind in kinds})


@contextmanager
def recorded(monkeypatch):
    """Every text that is drawn, with its box in pixels."""
    texts: dict = {}  # by artist: the layout is drawn before the figure is
    original = style.Text.draw

    def record(self, renderer, *arguments, **options):
        original(self, renderer, *arguments, **options)
        if self.get_visible() and self.get_text().strip():
            texts[self] = self.get_text(), self.get_window_extent(renderer)

    with monkeypatch.context() as patch:
        patch.setattr(style.Text, "draw", record)
        yield texts


def check_readable(figure: style.Figure, path: Path, monkeypatch) -> list[str]:
    """No text touches another or leaves the figure, no datum leaves its axes, no legend covers
    them; returns all texts."""
    figure.savefig(path)  # solves the layout
    with recorded(monkeypatch) as texts:
        figure.savefig(path)
    for (one, box), (other, second) in combinations(texts.values(), 2):
        width = min(box.x1, second.x1) - max(box.x0, second.x0)
        height = min(box.y1, second.y1) - max(box.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} and {other!r} overlap by {width} x {height}"
    for text, box in texts.values():
        inside = box.x0 > -1 and box.y0 > -1
        inside &= box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1
        assert inside, f"{text!r} leaves the figure: {box}"
    for axis in figure.axes:
        box = axis.get_window_extent()
        for points in drawn(axis):
            low, high = points.min(axis=0), points.max(axis=0)
            inside = (low > (box.x0 - 1, box.y0 - 1)).all()
            inside &= (high < (box.x1 + 1, box.y1 + 1)).all()
            assert inside, f"{axis.get_title()}: {low}, {high} leave {box}"
        narrow = axis.get_label() == "<colorbar>"
        assert narrow or min(box.width, box.height) > 45, f"{axis.get_title()}: no room is left"
        for legend in [*figure.legends, *filter(None, [axis.get_legend()])]:
            assert not legend.get_window_extent().overlaps(box), "the legend covers data"
    return [text for text, _ in texts.values()]


def drawn(axis):
    """Points of every line and band in pixels."""
    for line in axis.lines:
        points = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
        if len(points):
            yield points
    for collection in axis.collections:
        for path in collection.get_paths():
            points = collection.get_transform().transform(path.vertices)
            if len(points) and np.isfinite(points).all():
                yield points


SHAPES = [  # layers, width, seeds, draws
    (1, 1, 1, 1),
    (2, 2, 3, 2),
    (4, 8, 2, 1),
    (2, 5, 6, 2),
    pytest.param(8, 2, 10, 3, marks=pytest.mark.slow),
    pytest.param(1, 512, 10, 1, marks=pytest.mark.slow),
    pytest.param(2, 512, 2, 2, marks=pytest.mark.slow),
    pytest.param(8, 512, 3, 2, marks=pytest.mark.slow),
    pytest.param(4, 1, 3, 1, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("layers", "width", "seeds", "draws"), SHAPES)
def test_shapes(layers, width, seeds, draws, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=layers, width=width, seeds=seeds, draws=draws)
    for name in catalogue.SOURCES:
        if seeds > 1 or name not in catalogue.OF_PAIRS:
            drawing = draw(name, files)
            assert drawing.get_figwidth() < 14, name
            texts = check_readable(drawing, tmp_path / f"{name}.png", monkeypatch)
            assert not any(text in ("0.9", "0.5") for text in ticks(drawing, "rank")), name
            for figures_with, fewest, words in (
                (WITH_INTERVALS, 3, marks.INTERVAL),
                (WITH_BANDS, 6, marks.BAND),
            ):
                said = any(words in text for text in texts)
                assert said == (seeds >= fewest) or name not in figures_with, name


def ticks(figure, label):
    """Labels and places of ticks along horizontal axes of ranks."""
    for axis in figure.axes:
        if label in axis.get_xlabel():
            low = axis.get_xlim()[0]
            for tick in [*axis.get_xticks(), *axis.get_xticks(minor=True)]:
                assert tick >= 1 or tick < low, f"a tick at rank {tick}"
            yield from (label.get_text() for label in axis.get_xticklabels())


def test_undefined_numbers_are_left_out_and_named(tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=2, width=8, seeds=3, draws=2, dead=True)
    says = {
        "spectra": "no variance: seed 1",
        "clipping": "no variance: seed 1",
        "alignment": "undefined in 2 of 3 pairs: layer 2, trained",
        "eigenvectors": "no variance: seed 1",
        "generation": "layer 2: undefined for 2 of 6 draws",
    }
    for name in catalogue.SOURCES:
        texts = check_readable(draw(name, files), tmp_path / f"{name}.png", monkeypatch)
        words = " ".join(" ".join(texts).split())
        assert says.get(name, "") in words, name
        assert "nan" not in words.split(), name


@pytest.mark.parametrize("seeds", [1, 2])
def test_nothing_is_defined(seeds, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=1, width=3, seeds=seeds, draws=2)
    for path in [path for kind in files.values() for path in kind]:
        with h5py.File(path, "r+") as file:
            for name in storage.arrays(file):
                if file[name].dtype.kind == "f" and not storage.is_axis(file[name]):
                    file[name][...] = np.nan
    for name in catalogue.SOURCES:
        if seeds > 1 or name not in catalogue.OF_PAIRS:
            check_readable(draw(name, files), tmp_path / f"{name}.png", monkeypatch)


NAMES = ("$a_{1^$", "x" * 40, "a\\b_c^{", "猫", "two\nlines", " ", "Größe", "$", "cafe\u0301", "🐈")


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize(("channels", "size"), [(1, (8, 8)), (3, (4, 64)), (2, (50, 5))])
def test_samples(classes, channels, size, tmp_path, monkeypatch):
    names = [NAMES[n % len(NAMES)] + str(n) * (n >= len(NAMES)) for n in range(classes)]
    path = tmp_path / "images.h5"
    with storage.create(path, settings={}) as file:
        labels = np.arange(3 * classes) % (classes - 1)  # of the last class, there are none
        file["train/labels"] = labels
        file["train/images"] = np.full((len(labels), channels, *size), 128, dtype=np.uint8)
        file["classes"] = np.array(names, dtype=object)
    texts = check_readable(
        draw("samples", {"images": str(path)}), tmp_path / "samples.png", monkeypatch
    )
    assert {"$a_{1^$", "x" * 40} <= {*texts}
    if classes > 4:
        assert {"class 3", "class 4", "Größe", "$"} <= {*texts}
    assert ("the first 20 of 100 classes" in texts) == (classes == 100)
    with storage.read(path) as file:
        assert storage.class_names(file) == tuple(names)
    caption = figures.in_caption(names)
    assert len(caption) == min(classes, 20) and all(map(str.isprintable, caption))


@pytest.mark.parametrize("seeds", [1, 3])
def test_reproduction_draws_every_unit(seeds, tmp_path, monkeypatch):
    ends = (0.5, 1.5) if seeds == 3 else (None, None)
    quantities = {
        ("accuracy", "test", ""): "percent",
        ("loss", "test", ""): "nats",
        ("calibration_error", "test", ""): "percent",
        ("similarity", "train", "uncentred"): "1",
        ("variance_explained", "test", "centred"): "1",
        ("learned_components_theory", "", ""): "1",
        ("retention_above_chance", "test", ""): "1",
    }

    def row(dataset, network, layer, key, value, published, low=None, high=None):
        quantity, split, centring = key
        unit = quantities[key]
        more = {"split": split, "centring": centring, "published": published}
        name = f"{quantity}_of_one_run" if published else quantity
        return Row(dataset, network, layer, name, value, low, high, seeds, unit, **more)

    rows = [row("d", "n" * 40, "layer1", key, 1.0, "0.7;1.1", *ends) for key in quantities]
    rows.append(row("e", "n", "", ("accuracy", "test", ""), float("nan"), "3"))
    rows.append(row("e", "n", "", ("accuracy", "test", ""), 2.0, ""))
    write_csv(tmp_path / "summary.csv", rows)
    drawing = draw("reproduction", {"table": str(tmp_path / "summary.csv")})
    texts = check_readable(drawing, tmp_path / "reproduction.png", monkeypatch)
    assert {
        "accuracy (%)",
        "cross-entropy (nats)",
        "calibration error (%)",
        "similarity s",
        "variance explained s²",
        "learned components theory",
        "retention above chance",
        "e, n: test accuracy, trained (undefined)",
    } <= {*texts}


DRAW_ALL = """
import sys
from importlib import import_module
from pathlib import Path
from latentdims.figures import catalogue, marks, style
data, output = map(Path, sys.argv[1:])
seeds = range(len(list(data.glob("network*.h5"))))
for name, kinds in [*catalogue.SOURCES.items(), ("samples", ()), ("reproduction", ())]:
    files = {kind: [str(data / f"{kind}{seed}.h5") for seed in seeds] for kind in kinds}
    files |= {"samples": {"images": str(data / "images.h5")}}.get(name, {})
    files |= {"reproduction": {"table": str(data / "summary.csv")}}.get(name, {})
    figure = import_module(f"latentdims.figures.{name}").draw(files)
    style.save(figure, svg=output / f"{name}.svg", pdf=output / f"{name}.pdf")
assert "torch" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
HOSTILE_SETTINGS = """# caf\xe9, which is no UTF-8
image.origin: lower
image.cmap: gray
image.interpolation: bilinear
image.aspect: auto
axes.grid: True
axes.facecolor: black
axes.prop_cycle: cycler("color", ["red"])
axes.formatter.use_locale: True
axes.unicode_minus: False
figure.dpi: 37
font.family: monospace
font.size: 20
text.usetex: True
savefig.bbox: tight
savefig.transparent: True
savefig.facecolor: green
svg.fonttype: path
pdf.compression: 0
path.simplify: False
lines.antialiased: False
"""


def test_bytes_depend_on_data_alone(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    fabricated.files(data, layers=2, width=6, seeds=3, draws=2)
    write_images(data / "images.h5")
    row = Row("d", "n", "", "accuracy_of_one_run", 50.0, 49.0, 51.0, 3, "percent", "52.5")
    write_csv(data / "summary.csv", [row])
    (tmp_path / "settings").mkdir()
    for place in ("settings/matplotlibrc", "matplotlibrc"):
        (tmp_path / place).write_bytes(HOSTILE_SETTINGS.encode("latin-1"))
    plain = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    hostile = {
        "PATH": "/nowhere",
        "HOME": "/proc/nobody",
        "MATPLOTLIBRC": str(tmp_path / "settings"),
        "MPLCONFIGDIR": "/proc/nothing",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "LC_ALL": "de_DE.ISO-8859-1",
        "PYTHONUTF8": "0",
        "PYTHONHASHSEED": "7",
        "TZ": "Pacific/Kiritimati",
        "SOURCE_DATE_EPOCH": "yesterday",
    }
    written = []
    for number, environment in enumerate((plain, hostile)):
        output = tmp_path / f"output{number}"
        output.mkdir()
        subprocess.run(
            [sys.executable, "-W", "error", "-c", DRAW_ALL, data, output],
            env=environment | {"PYTHONPATH": str(Path(figures.__file__).parents[2])},
            cwd=tmp_path if number else data,
            check=True,
        )
        written.append({path.name: path.read_bytes() for path in sorted(output.iterdir())})
    assert len(written[0]) == 2 * (len(catalogue.SOURCES) + 2)
    assert [name for name in written[0] if written[0][name] != written[1][name]] == []
    for name, words in WORDS.items():
        text = written[0][f"{name}.svg"].decode()
        assert [word for word in words if word not in text] == [], name
    assert all(f">{name}<" in written[0]["samples.svg"].decode() for name in CLASSES)


def test_matplotlib_is_reached_through_the_style_alone():
    folder = Path(figures.__file__).parent
    importing = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r"^ *(import|from) matplotlib\b", path.read_text(encoding="utf-8"), re.M)
    }
    assert importing == {"style.py"}
    shipped = style.matplotlib.get_data_path()  # and no font that is installed here
    assert all(font.fname.startswith(shipped) for font in style.fontManager.ttflist)
    assert all(
        logging.getLogger(name).level == logging.ERROR for name in ("matplotlib", "fontTools")
    )


def test_captions(tmp_path):
    """Each is a page without errors, says how many networks there are, and knows all names."""
    report = Path(figures.__file__).parents[2] / "report"

    def written(name: str, **given) -> str:
        template = Template((report / f"{name}.rst").read_text(encoding="utf-8"))
        page = template.render(snakemake=SimpleNamespace(**given))
        options = {"halt_level": 2, "report_level": 2}  # warnings
        return publish_parts(page, writer="html", settings_overrides=options)["body"]

    for name in catalogue.SOURCES:
        for seeds, networks in ((1, "one network"), (5, "5 networks")):
            wildcards = SimpleNamespace(figure=name, network="n_1", dataset="d")
            params = SimpleNamespace(seeds=seeds, pairs=seeds * (seeds - 1) // 2)
            caption = written("figure", wildcards=wildcards, params=params)
            assert networks in caption and "Read off" in caption, name
            assert ("one of 10 pairs" in caption) == ("vectors" in name and seeds == 5)
            assert "floor" not in caption and "as published" not in caption
    names = figures.in_caption([*NAMES, "*_|`", "a::", " x"])
    params = SimpleNamespace(classes=names)
    caption = html.unescape(written("samples", wildcards=wildcards, params=params))
    for number, name in enumerate(names):
        assert f"class {number}: {name}" in caption
    assert "95 % interval" in written("reproduction", params=SimpleNamespace(seeds=3))


def test_job_logs_what_it_drew(finished):
    log = (finished.folder / "results/logs/figures/shapes/mlp/alignment.log").read_text()
    assert "alignment, drawn from alignment of 2 networks" in log
    assert len(log.splitlines()) == 2
