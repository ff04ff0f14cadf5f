"""The first layer as pictures: the right seed, rank, epoch and channel, upright, at one scale."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from test_figures import check_readable

from latentdims import storage
from latentdims.comparison.procrustes import chance_cosine
from latentdims.figures import first_layer, pictures, style
from latentdims.models import architecture
from latentdims.models.architecture import IMAGES, Architecture, Weight
from latentdims.models.families import cnn, mlp, scattering
from latentdims.statistics import leading
from latentdims.statistics.spectra import weight_components

RANKS = 3
FORMS = {  # networks, the shape of their images, and of what a neuron reads of them
    "gray": (mlp.Family(widths=[40]), (1, 4, 6), (1, 4, 6)),
    "colour": (mlp.Family(widths=[30]), (3, 4, 2), (3, 4, 2)),
    "two channels": (mlp.Family(widths=[30]), (2, 3, 4), (2, 3, 4)),
    "kernels": (cnn.Family(channels=[6], kernel_size=4), (3, 9, 11), (3, 4, 4)),
}
VALUES = {"trained": ([6.0, 3.0, 1.0], [5.0, 2.0, 0.1]), "untrained": ([2.0, 1.4, 1.3], [0.4] * 3)}
TURN = 0.6  # by which eigenvectors of seed 1 differ


def orthonormal(size: int, *, seed: int) -> np.ndarray:
    """(size, RANKS), in columns."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, RANKS)))[0]


def weights(vectors: np.ndarray, values: list[float], *, neurons: int, seed: int) -> np.ndarray:
    """(n, d), whose covariance WᵀW / n has these eigenvectors and eigenvalues."""
    scales = np.sqrt(neurons * np.array(values))
    return orthonormal(neurons, seed=seed) * scales @ vectors.T


def saved(path: Path, stored: dict, network: Architecture) -> str:
    """A network file; stored: weights (E, ...), the first untrained."""
    with storage.create(path, settings={}) as file:
        architecture.write(file, network)
        storage.axis(file, "epoch", np.arange(len(next(iter(stored.values()), [0.0]))) * 2.0)
        file.create_group("weights")
        for name, values in stored.items():
            file[f"weights/{name}"] = np.asarray(values, dtype=np.float32)
    return str(path)


class Made:
    """Two networks whose eigenvectors are known, at an epoch between, too."""

    def __init__(self, folder: Path, form: str) -> None:
        family, image_shape, self.shape = FORMS[form]
        network = family.describe(image_shape=image_shape, classes=5)
        size, neurons = int(np.prod(self.shape)), network.weights[0].neurons
        inner = self.shape if form == "kernels" else (size,)
        first = orthonormal(size, seed=1)
        self.vectors = [first, np.linalg.qr(first + TURN * orthonormal(size, seed=2))[0]]
        self.paths = []
        for seed, vectors in enumerate(self.vectors):
            stages = [
                weights(orthonormal(size, seed=9 + seed), values, neurons=neurons, seed=4)
                for values in (VALUES["untrained"][seed], [7.0, 6.0, 5.0])
            ]
            stages.append(weights(vectors, VALUES["trained"][seed], neurons=neurons, seed=5 + seed))
            stacked = np.stack(stages).reshape(3, neurons, *inner)
            more = {"classifier": np.ones((3, *network.weights[1].shape[:1], 7))}
            path = folder / f"network{seed}.h5"
            self.paths.append(saved(path, {"layer1": stacked, **more}, network))

    def draw(self) -> style.Figure:
        return first_layer.draw({"network": self.paths})


@pytest.fixture
def made(tmp_path) -> Made:
    return Made(tmp_path, "gray")


@pytest.fixture(autouse=True)
def as_they_are(monkeypatch) -> None:
    """Pictures whose pixels are not repeated."""
    monkeypatch.setattr(pictures, "CRISP", 1)


def rows(figure: style.Figure, label: str) -> list[list[tuple[str, str]]]:
    """Numbers and their colours, in each of the rows of that label from the top."""
    axis = figure.axes[0]
    found = []
    for place, name in zip(axis.get_yticks(), axis.get_yticklabels(), strict=True):
        if name.get_text() == label:
            found.append(
                [(t.get_text(), t.get_color()) for t in axis.texts if t.get_position()[1] == place]
            )
    return found


def shown(figure: style.Figure) -> list[list[np.ndarray]]:
    """Pictures of each row, from the top, from left to right."""
    found: dict[float, list] = {}
    for image in figure.axes[0].images:
        left, _, bottom, top = image.get_extent()
        found.setdefault(round(top + bottom, 6), []).append((left, np.asarray(image.get_array())))
    return [[picture for _, picture in sorted(found[at], key=lambda each: each[0])]
            for at in sorted(found)]  # fmt: skip


def brightness(axis: style.Axes, x: float, y: float) -> int:
    """Of the figure at a place, in coordinates of the axis."""
    written = io.BytesIO()
    axis.figure.savefig(written, format="png")
    pixels = np.asarray(Image.open(written).convert("L"))
    column, row = axis.transData.transform((x, y))
    return int(pixels[len(pixels) - 1 - round(row), round(column)])


def canonical(vectors: np.ndarray) -> np.ndarray:
    """Columns whose largest entry is positive."""
    return vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])])


@pytest.mark.parametrize("form", FORMS)
def test_pictures_are_eigenvectors_of_each_seed_at_one_scale(form, tmp_path, monkeypatch):
    made = Made(tmp_path, form)
    figure = made.draw()
    found = shown(figure)
    assert [len(row) for row in found] == [RANKS] * 4
    first = canonical(made.vectors[0])
    second = made.vectors[1] * np.sign((first * made.vectors[1]).sum(0))
    for rank in range(RANKS):
        pair = [each[:, rank].reshape(made.shape) for each in (first, second)]
        scale = max(np.abs(each).max() for each in pair)
        for row, vector in zip(found, pair, strict=False):
            expected = {
                1: lambda v: v[0],
                2: lambda v: np.concatenate([v[0], v[1]], axis=1),
                3: lambda v: (v.transpose(1, 2, 0) + 1) / 2,
            }[len(vector)](vector / scale)
            np.testing.assert_allclose(row[rank], expected, atol=1e-5)
    check_readable(figure, monkeypatch)


def test_a_sign_is_turned_where_the_largest_entries_disagree(made):
    """Or the test above would not see that signs are made equal."""
    first, second = map(canonical, made.vectors)
    assert (first * second).sum(0).min() < 0


def test_pictures_stand_upright_one_seed_below_the_other(made):
    figure = made.draw()
    axis = figure.axes[0]
    first, second = ([image.get_extent()[3] for image in axis.images[n::RANKS]] for n in (0, 1))
    assert first == second == sorted(first)
    image = axis.images[0]
    pixels = np.where(np.arange(4)[:, None] < 2, -1.0, 0.0) * np.ones((4, 6))
    image.set_data(pixels)  # dark above, white below
    left, right, *ends = image.get_extent()
    high, low = sorted(ends)
    assert axis.transData.transform((0, high))[1] > axis.transData.transform((0, low))[1]
    middle = (left + right) / 2
    dark, white = (brightness(axis, middle, high + at * (low - high)) for at in (0.2, 0.8))
    assert dark < 80 and white > 230
    assert (right - left) / abs(low - high) == pytest.approx(6 / 4)


def test_pixels_of_small_pictures_are_repeated(made, monkeypatch):
    """Or some readers of PDF would blur them."""
    plain = shown(made.draw())[0][1]
    monkeypatch.setattr(pictures, "CRISP", 12)
    np.testing.assert_array_equal(shown(made.draw())[0][1], np.kron(plain, np.ones((2, 2))))


def test_numbers_stand_below_what_they_are_of(made):
    figure = made.draw()
    shares = rows(figure, "share of variance")
    for number, values in enumerate((*VALUES["trained"], *VALUES["untrained"])):
        expected = [f"{value / sum(values):.1%}".replace("%", " %") for value in values]
        assert [text for text, _ in shares[number][:RANKS]] == expected
        assert all(text == "0.0 %" for text, _ in shares[number][RANKS:])
    dark, pale = (style.COLOURS[name] for name in ("reference", "initial"))
    # Not above the largest untrained one of the same seed: 1.0 < 2.0, but 2.0 > 0.4.
    assert [colour for _, colour in shares[0][:RANKS]] == [dark, dark, pale]
    assert [colour for _, colour in shares[1][:RANKS]] == [dark, dark, pale]
    assert all(colour == pale for row in shares[2:] for _, colour in row)
    cosines = np.abs((made.vectors[0] * made.vectors[1]).sum(0))
    trained, untrained = rows(figure, "|cosine|")
    assert [text for text, _ in trained[:RANKS]] == [f"{cosine:.2f}" for cosine in cosines]
    chance = chance_cosine(24, comparisons=1)
    marked = [colour == dark for _, colour in trained[:RANKS]]
    assert marked == [cosine > chance for cosine in cosines] and any(marked)
    assert {text for text, _ in trained[RANKS:]} == {"–"}
    assert max(float(text) for text, _ in untrained[:RANKS]) < max(cosines)


def test_one_seed_and_one_epoch_have_no_pairs_and_no_null(made, monkeypatch):
    (alone,) = made.paths[:1]
    figure = first_layer.draw({"network": [alone]})
    assert not rows(figure, "|cosine|") and len(shown(figure)) == 2
    with h5py.File(alone, "r+") as file:
        file["epoch"][0] = 1.0
    figure = first_layer.draw({"network": [alone]})
    assert len(shown(figure)) == 1
    assert not any("untrained" in text for text in check_readable(figure, monkeypatch))
    assert {colour for _, colour in rows(figure, "share of variance")[0][:RANKS]} == {
        style.COLOURS["reference"]
    }


def test_a_layer_without_weights_is_named_and_not_drawn(made, monkeypatch):
    with h5py.File(made.paths[1], "r+") as file:
        file["weights/layer1"][-1] = 0
    figure = made.draw()
    assert "no variance: seed 1" in "\n".join(check_readable(figure, monkeypatch))
    assert [len(row) for row in shown(figure)] == [RANKS] * 3
    assert {text for text, _ in rows(figure, "share of variance")[1]} == {"–"}


def said(path: str) -> str:
    (text,) = first_layer.draw({"network": [path, path]}).texts
    return " ".join(text.get_text().split())


def test_what_reads_no_pixels_is_no_picture(tmp_path):
    network = scattering.Family(scales=3, width=0.1).describe(image_shape=(1, 32, 32), classes=5)
    stored = {each.name: np.ones((2, each.neurons, each.fan_in)) for each in network.weights[:1]}
    assert "layer 1 does not read pixels" in said(saved(tmp_path / "s.h5", stored, network))
    nothing = Architecture((1, 2, 2), 5, sites=(), weights=(), output=None)
    assert said(saved(tmp_path / "n.h5", {}, nothing)).startswith("No weights are known to read")


def test_of_several_that_read_images_the_first_that_reads_pixels(tmp_path):
    names = {"means": (7, 2), "later": (5, 2, 1, 3), "other": (5, 12)}
    stored = {name: np.random.default_rng(1).normal(size=(1, *s)) for name, s in names.items()}
    read = [
        Weight(name, (shape[0], 2, int(np.prod(shape[2:]))), IMAGES, None, name)
        for name, shape in names.items()
    ]
    network = Architecture((2, 2, 3), 5, sites=(), weights=tuple(read), output=None)
    figure = first_layer.draw({"network": [saved(tmp_path / "n.h5", stored, network)]})
    title = figure.texts[0].get_text()
    assert "later" in title and "the first of 3" in title.replace("\n", " ")
    assert "2 channels" in title and shown(figure)[0][0].shape == (1, 6)


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 2, 3, 3), (30, 2, 3, 3)])
def test_leading_eigenvectors_are_those_of_all_weights_at_once(chunk, shape, monkeypatch, tmp_path):
    monkeypatch.setattr(leading, "CHUNK", chunk)
    stored = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        found = leading.leading(file.create_dataset("w", data=stored), 1, count=3)
    values, vectors = weight_components(stored[1])
    np.testing.assert_allclose(found[0], values, rtol=1e-10)
    np.testing.assert_allclose(found[1], vectors[:, :3], atol=1e-10)


def test_cosines_are_those_of_the_alignment(finished):
    """Of a run, whose alignment takes them from the covariances of the same networks."""
    for network in ("mlp", "cnn"):
        folder = finished.folder / "results" / "shapes" / network
        with h5py.File(folder / "seed1" / "alignment.h5") as file:
            expected = np.diagonal(file["seed0/layer1/weight_overlap"][-1])
        paths = [str(folder / f"seed{seed}" / "network.h5") for seed in (0, 1)]
        cosines = rows(first_layer.draw({"network": paths}), "|cosine|")[0]
        found = [float(text) for text, _ in cosines]
        np.testing.assert_allclose(found, expected[: len(found)], atol=0.0051)
