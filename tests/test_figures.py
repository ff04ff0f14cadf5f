"""Every figure is drawn from any shape, can be read, and says what is undefined."""

import io
from contextlib import contextmanager
from importlib import import_module
from itertools import combinations

import fabricated
import h5py
import numpy as np
import pytest
from PIL import Image

from latentdims import figures, storage
from latentdims.figures import catalogue, depth, eigenvectors, marks, panels, style
from latentdims.results.table import Row, write_csv
from latentdims.statistics.intervals import Estimate

WITH_INTERVALS = ("alignment", "measures", "depth", "generation")  # of three networks

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


def check_readable(figure: style.Figure, monkeypatch) -> list[str]:
    """No text touches another or leaves the figure, no datum leaves its axes, no legend covers
    them; returns all texts."""
    style.lay_out(figure)
    with recorded(monkeypatch) as texts:
        figure.draw_without_rendering()
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
    pytest.param(4, 8, 2, 1, marks=pytest.mark.slow),
    pytest.param(2, 5, 6, 2, marks=pytest.mark.slow),
    pytest.param(7, 3, 3, 1, marks=pytest.mark.slow),
    pytest.param(8, 2, 10, 3, marks=pytest.mark.slow),
    pytest.param(1, 512, 10, 1, marks=pytest.mark.slow),
    pytest.param(2, 512, 2, 2, marks=pytest.mark.slow),
    pytest.param(8, 512, 3, 2, marks=pytest.mark.slow),
    pytest.param(4, 1, 3, 1, marks=pytest.mark.slow),
    pytest.param(5, 70, 2, 2, marks=pytest.mark.slow),
    pytest.param(19, 5, 3, 1, marks=pytest.mark.slow),
    pytest.param(12, 300, 2, 1, marks=pytest.mark.slow),
    pytest.param(24, 70, 6, 2, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("layers", "width", "seeds", "draws"), SHAPES)
def test_shapes(layers, width, seeds, draws, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=layers, width=width, seeds=seeds, draws=draws)
    for name in catalogue.SOURCES:
        if seeds > 1 or name not in catalogue.OF_PAIRS:
            drawing = draw(name, files)
            width, height = drawing.get_size_inches()
            assert (width <= 8.3 or layers <= 4) and height <= 10.5, f"{name}: {width} x {height}"
            texts = check_readable(drawing, monkeypatch)
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


@pytest.mark.slow
def test_undefined_numbers_are_left_out_and_named(tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=2, width=8, seeds=3, draws=2, dead=1)
    says = {
        "spectra": "no variance: seed 1",
        "clipping": "no variance: seed 1",
        "alignment": "undefined in 2 of 3 pairs: layer 2, trained",
        "depth": "undefined in 2 of 3 pairs: layer 2, trained",
        "eigenvectors": "no variance: seed 1",
        "generation": "layer 2: undefined for 2 of 6 draws",
    }
    for name in catalogue.SOURCES:
        texts = check_readable(draw(name, files), monkeypatch)
        words = " ".join(" ".join(texts).split())
        assert says.get(name, "") in words, name
        assert "nan" not in words.split(), name


@pytest.mark.parametrize(("layers", "dead"), [(3, 3), pytest.param(9, 8, marks=pytest.mark.slow)])
def test_many_undefined_layers_are_counted_in_one_note(layers, dead, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=layers, width=8, seeds=3, draws=2, dead=dead)
    with h5py.File(files["alignment"][2], "r+") as file:  # of one layer, trained, the last pair
        for name in ("similarity", "cka"):
            file[f"seed0/classifier/{name}_folds"][:, -1] = np.nan
            file[f"seed0/classifier/{name}"][-1] = np.nan
    count = f"trained in {dead + 1}, untrained in {dead} of {layers + 1} layers"
    for name in ("depth", "alignment", "spectra"):
        texts = check_readable(draw(name, files), monkeypatch)
        words = [" ".join(text.split()) for text in texts]
        noted = [text.count(f"pairs undefined: {count}") for text in words]
        assert max(noted) == 1 or name == "spectra", words
        assert not any("undefined in" in text for text in words)


def test_a_layer_between_undefined_ones_has_its_interval():
    axis = style.Figure().subplots()
    found = [Estimate(0.3, 0.2, 0.4, 3), None, Estimate(0.5, 0.4, 0.7, 3), None]
    depth._curve(axis, found, label="trained", band=marks.INTERVAL, colour="trained")
    (line,), (band,) = axis.lines, axis.collections
    np.testing.assert_equal(line.get_ydata(), [0.3, np.nan, 0.5, np.nan])
    for path, place, ends in zip(band.get_paths(), (0, 2), ((0.2, 0.4), (0.4, 0.7)), strict=True):
        low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
        assert low[0] < place < high[0] and (low[1], high[1]) == ends


@pytest.mark.parametrize("seeds", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_nothing_is_defined(seeds, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=1, width=3, seeds=seeds, draws=2)
    for path in [path for kind in files.values() for path in kind]:
        with h5py.File(path, "r+") as file:
            for name in storage.arrays(file):
                if file[name].dtype.kind == "f" and not storage.is_axis(file[name]):
                    file[name][...] = np.nan
    for name in catalogue.SOURCES:
        if seeds > 1 or name not in catalogue.OF_PAIRS:
            check_readable(draw(name, files), monkeypatch)


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
    texts = check_readable(draw("samples", {"images": str(path)}), monkeypatch)
    assert {"$a_{1^$", "x" * 40} <= {*texts}
    if classes > 4:
        assert {"class 3", "class 4", "Größe", "$"} <= {*texts}
    assert ("the first 20 of 100 classes" in texts) == (classes == 100)
    with storage.read(path) as file:
        assert storage.class_names(file) == tuple(names)
    caption = figures.in_caption(names)
    assert len(caption) == min(classes, 20) and all(map(str.isprintable, caption))


def shades(axis, *rows):
    """How bright the figure is at rows of an axis, in its coordinates, which lie from the top."""
    written = io.BytesIO()
    axis.figure.savefig(written, format="png")
    pixels = np.asarray(Image.open(written).convert("L"))
    places = [axis.transData.transform((0.7, row)) for row in rows]
    assert np.all(np.diff([y for _, y in places]) < 0)
    return [int(pixels[len(pixels) - 1 - round(y), round(x)]) for x, y in places]


def test_pictures_stand_upright_beside_their_names(tmp_path):
    with storage.create(tmp_path / "images.h5", settings={}) as file:
        images = np.zeros((2, 1, 8, 8), np.uint8)
        images[0, :, 4:] = images[1, :, 4:] = 255  # dark above, white below
        images[1] //= 2
        file["train/images"], file["train/labels"] = images, [0, 1]
        file["classes"] = ["white", "gray"]
    (axis,) = draw("samples", {"images": str(tmp_path / "images.h5")}).axes
    assert shades(axis, -0.25, 0.25, 0.75, 1.25) == [0, 255, 0, 127]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["white", "gray"]
    assert list(axis.get_yticks()) == [0, 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_large_pictures_are_means_of_pixels(channels, tmp_path):
    with storage.create(tmp_path / "images.h5", settings={}) as file:
        images = np.zeros((1, channels, 400, 300), np.uint8)  # higher than wide
        images[:, :, ::4, 1::4] = 240  # each block of 4 x 4 has one bright pixel
        file["train/images"], file["train/labels"] = images, [0]
        file["classes"] = ["large", "none"]
    (axis,) = draw("samples", {"images": str(tmp_path / "images.h5")}).axes
    (picture,) = axis.get_images()
    pixels = np.asarray(picture.get_array()).reshape(2 * 100, 10 * 100, channels)
    assert np.all(pixels[:100, 13:87] == 15)  # between white margins of 50 pixels
    assert np.all(pixels[100:] == 255)


def test_a_matrix_begins_with_the_first_eigenvector_of_each():
    axis = style.Figure().subplots()
    eigenvectors._matrix(axis, np.array([[1.0, 1.0], [0.0, 0.0]]), null=np.full((2, 2), -1.0))
    first, second = shades(axis, 1, 2)
    assert first > 180 and second < 60


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
    texts = check_readable(drawing, monkeypatch)
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


@pytest.mark.parametrize("heights", [[1, 1], [1, 1.2, 1]])
def test_columns_go_on_below_in_the_order_of_reading(heights):
    for columns in (5, 7, 13, 20, 25):
        figure, axes = panels.panels(rows=len(heights), columns=columns, heights=heights)
        assert (figure.get_size_inches() <= panels.PAGE).all()
        assert axes.shape == (len(heights), columns)
        corners = np.array([[axis.bbox.min for axis in row] for row in axes])
        x, y = corners[..., 0], -corners[..., 1]
        assert (x == x[0]).all(), "a column stands in a line"
        assert (np.diff(y, axis=0) > 0).all()
        below = y[-1, :-1] < y[0, 1:]
        assert (below | (np.isclose(y[0, :-1], y[0, 1:]) & (np.diff(x[0]) > 0))).all()


@pytest.mark.slow
def test_layers_have_a_site_a_weight_or_both(tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=4, width=7, seeds=2, draws=1)
    for path in [path for kind in files.values() for path in kind]:
        fabricated.keep_one(path, "layer2", of="site")
        fabricated.keep_one(path, "layer3", of="weight")
    for name in catalogue.SOURCES:
        texts = check_readable(draw(name, files), monkeypatch)
        shown = {
            number for number in range(1, 5) if any(f"layer {number}" in text for text in texts)
        }
        of_weights = name in ("weights", "weight_eigenvectors")
        if name not in ("training", "first_layer", "generation"):
            one = {1, 3 if of_weights else 2, 4}
            assert shown == ({1, 2, 3, 4} if name == "along_training" else one), name


def test_many_panels_have_one_scale_which_stands_where_lines_begin(tmp_path):
    files = fabricated.files(tmp_path, layers=9, width=6, seeds=2, draws=1)
    drawing = draw("weights", files)
    drawing.savefig(tmp_path / "weights.png")
    for label, scale in (("eigenvalue", "log"), ("accuracy", "linear")):
        row = [axis for axis in drawing.axes if axis.get_yscale() == scale]
        assert len(row) == 10 and len({axis.get_ylim() for axis in row}) == 1
        first = [axis.get_subplotspec().is_first_col() for axis in row]
        assert [label in axis.get_ylabel() for axis in row] == first
        shown = [any(text.get_visible() for text in axis.get_yticklabels()) for axis in row]
        assert shown == first and sum(first) > 1


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [2, 6])
def test_epochs_between_the_first_and_the_last_are_not_drawn(seeds, tmp_path):
    files = fabricated.files(tmp_path, layers=1, width=12, seeds=seeds, draws=1)

    def pictures():
        for name in ("spectra", "weights", "alignment", "measures", "eigenvectors"):
            draw(name, files).savefig(tmp_path / "picture.svg", metadata={"Date": None})
            yield name, (tmp_path / "picture.svg").read_bytes()

    before = dict(pictures())
    for path in files["alignment"]:
        fabricated.add_epoch_between(path)
    for name, picture in pictures():
        assert picture == before[name], name


def test_notes_that_begin_alike_are_both_shown_and_each_once():
    """Also where their first lines are the same."""
    _, ((axis,),) = panels.panels(rows=1, columns=1)
    axis.set_title("layer 2")
    first, second = (f"undefined in two of the three pairs: layer 2, {end}" for end in ("a", "b"))
    for text in (first, second, first):
        panels.note(axis, text)
    words = axis.get_title().replace("\n", " ")
    assert words == f"layer 2 {first} {second}"


@pytest.mark.parametrize("layers", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_long_names_of_layers(layers, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=layers, width=4, seeds=2, draws=1)
    monkeypatch.setattr(style, "title", lambda name: f"encoder.encoder_{name}.self_attention.0")
    for name in ("alignment", "spectra", "weights"):
        check_readable(draw(name, files), monkeypatch)


def test_dotted_names_stay_as_they_are():
    assert style.title("layer8_shortcut") == "layer 8 shortcut"
    assert style.title("encoder.layers.0.conv_1") == "encoder.layers.0.conv_1"


def test_numbers_in_a_note_are_not_broken_at_their_dots():
    _, axes = panels.panels(rows=1, columns=1)
    note = "α: untrained 0.65, trained 1.24"
    axes[0, 0].set_title(f"features.denseblock1.denselayer1.conv1\n{note}")
    panels.label_rows(axes, "eigenvalue")
    broken, kept = axes[0, 0].get_title().rsplit("\n", 1)
    assert kept == note and broken == "features.denseblock1.\ndenselayer1.conv1"
