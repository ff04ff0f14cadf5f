"""Figures show the intervals of the table: the same numbers, over networks and test images."""

import csv
from importlib import import_module

import fabricated
import numpy as np
import pytest

from latentdims.figures import catalogue, marks
from latentdims.steps import summary

SEEDS = 6  # from which on bands are drawn
NETWORK = {"dataset": "d", "network": "n", "seed": ""}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files of networks, and the rows of their table."""
    folder = tmp_path_factory.mktemp("made")
    files = fabricated.files(folder, layers=1, width=5, seeds=SEEDS, draws=2)
    summary.summarise(
        inputs=files | {"consensus": []},
        runs=[("d", "n", seed) for seed in range(SEEDS)],
        networks=[("d", "n")],
        table=folder / "summary.csv",
        comparison=folder / "summary.md",
        published={},
    )
    with (folder / "summary.csv").open(encoding="utf-8") as file:
        return files, list(csv.DictReader(file))


def interval(rows, **columns) -> list[list[float]]:
    """Ends of the rows with these columns, (rows, 2)."""
    wanted = NETWORK | columns
    found = [row for row in rows if all(row[name] == is_ for name, is_ in wanted.items())]
    assert found
    return [[float(row["low"]), float(row["high"])] for row in found]


def panels(name, files):
    return (
        import_module(f"latentdims.figures.{name}")
        .draw({kind: files[kind] for kind in catalogue.SOURCES[name]})
        .axes
    )


def bars(axis) -> list[list[float]]:
    """Ends of the bars of a panel, from left to right."""
    ends = [container.lines[2][0].get_segments()[0] for container in axis.containers]
    return [[float(one[0, 1]), float(one[1, 1])] for one in sorted(ends, key=lambda e: e[0, 0])]


def bands(axis) -> list[np.ndarray]:
    """Ends of the bands of a panel, (points, 2), in the order in which they were drawn."""
    found = []
    for band in axis.collections:
        vertices = band.get_paths()[0].vertices
        places = sorted({*vertices[:, 0]})
        at = [vertices[vertices[:, 0] == place, 1] for place in places]
        found.append(np.array([[each.min(), each.max()] for each in at]))
    return found


@pytest.mark.parametrize(
    ("figure", "panel", "columns"),
    [
        ("alignment", 0, {"quantity": "variance_explained", "split": "test"}),
        ("alignment", 1, {"quantity": "similarity", "split": "train", "centring": "uncentred"}),
        ("measures", 0, {"quantity": "variance_explained", "split": "test"}),
        ("measures", 1, {"quantity": "cka", "split": "test"}),
        ("measures", 2, {"quantity": "cca", "split": "test"}),
        ("measures", 3, {"quantity": "mutual_neighbours", "split": "test"}),
    ],
)
def test_bars_of_pairs_are_those_of_the_table(made, figure, panel, columns):
    files, rows = made
    columns = {"centring": "centred"} | columns
    expected = []
    for layer in ("layer1", "classifier"):
        for epoch, null in (("2", ""), ("0", "untrained"), ("2", "unrelated")):
            expected += interval(rows, **columns, layer=layer, epoch=epoch, null=null)
    assert np.array(bars(panels(figure, files)[panel])) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(("panel", "quantity"), [(0, "variance_explained"), (1, "cka")])
def test_bands_over_depth_are_those_of_the_table(made, panel, quantity):
    files, rows = made
    found = bands(panels("depth", files)[panel])
    for band, (epoch, null) in zip(
        found, (("2", ""), ("0", "untrained"), ("2", "unrelated")), strict=True
    ):
        columns = {"quantity": quantity, "split": "test", "centring": "centred"}
        columns |= {"epoch": epoch, "null": null}
        for layer, ends in zip(("layer1", "classifier"), band.reshape(2, 2, 2), strict=True):
            (expected,) = interval(rows, **columns, layer=layer)
            assert ends == pytest.approx(np.array([expected, expected]))


@pytest.mark.parametrize(("panel", "what"), [(0, "accuracy"), (1, "loss")])
def test_bands_of_training_are_those_of_the_table(made, panel, what):
    files, rows = made
    found = bands(panels("training", files)[panel])
    for band, split in zip(found, ("train", "test"), strict=True):
        expected = interval(rows, quantity=f"{what}_by_epoch", split=split)
        assert band == pytest.approx(np.array(expected))
        if split == "test":  # the last point of a band is wider than its interval alone
            (alone,) = interval(rows, quantity=what, split=split)
            assert band[-1, 0] <= alone[0] and alone[1] <= band[-1, 1]


@pytest.mark.parametrize(
    ("figure", "panel", "bases"),
    [("clipping", 1, ("activation", "activation_centred", "random")), ("weights", 2, ("weight",))],
)
def test_bands_of_clipping_are_those_of_the_table(made, figure, panel, bases):
    files, rows = made
    found = bands(panels(figure, files)[panel])
    for band, basis in zip(found, bases, strict=True):
        expected = interval(rows, quantity=f"clipped_accuracy_{basis}", layer="layer1")
        assert band == pytest.approx(np.array(expected))


def test_bars_of_drawn_networks_are_those_of_the_table(made):
    files, rows = made
    axis = panels("generation", files)[2]
    assert marks.INTERVAL in axis.get_title()
    segments = [container.lines[2][0].get_segments()[0] for container in axis.containers]
    found = {(round(one[0, 0], 9), round(one[1, 0], 9)) for one in segments}
    for quantity, null in (
        ("generated_accuracy", ""),
        ("generated_accuracy", "white"),
        ("generated_accuracy_retrained", ""),
    ):
        (ends,) = interval(rows, quantity=quantity, null=null)
        assert tuple(round(end, 9) for end in ends) in found
