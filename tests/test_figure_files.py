"""Files of figures have the same bytes everywhere, say what they must, and have captions."""

import html
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fabricated
import pytest
from conftest import CLASSES, write_images
from docutils.core import publish_parts
from jinja2 import Template
from test_figures import NAMES

from latentdims import figures
from latentdims.figures import catalogue, style
from latentdims.results.table import Row, write_csv

WORDS = {  # what must stand on each, of three networks
    "training": ["epoch", "accuracy (%)", "cross-entropy (nats)", "test images"],
    "first_layer": ["trained, rank", "untrained, rank", "share of variance", "|cosine|"],
    "spectra": ["rank", "eigenvalue", "layer 1, second moment", "layer 1, covariance"],
    "clipping": ["rank kept", "test accuracy (%)", "random directions", "chance", "whole network"],
    "weights": ["Marchenko-Pastur edge", "untrained", "trained", "test accuracy (%)", "classifier"],
    "alignment": ["variance explained", "trained", "untrained", "unrelated images", "one pair"],
    "measures": ["CKA, debiased", "CCA, mean", "untrained", "unrelated images"],
    "depth": ["variance explained", "CKA, debiased", "layer, in the order", "unrelated images"],
    "eigenvectors": ["eigenvector, seed 0", "eigenvector, seed 1", "|cosine|", "unrelated images"],
    "weight_eigenvectors": ["eigenvector, seed 0", "unrelated images", "random directions, k/d"],
    "generation": ["seed", "trained", "channels", "white covariances", "components drawn"],
}


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


@pytest.mark.slow
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


def test_settings_are_undone_where_matplotlib_was_imported_before():
    code = (
        "import matplotlib; matplotlib.rcParams['image.origin'] = 'lower'\n"
        "from latentdims.figures import style\n"
        "assert style.matplotlib.rcParams['image.origin'] == 'upper'"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(figures.__file__).parents[2], check=True)


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
