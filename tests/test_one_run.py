"""Published numbers of single runs, beside the interval of a single run."""

import csv

import numpy as np
import pytest
from known_files import files, place, rows, summarised, tables  # noqa: F401 (fixtures)

from latentdims.results.quantities import Name


def test_a_pair_of_one_run_is_of_two_networks(rows):  # noqa: F811
    """Pairs of 0.5 + (r + s) / 10 are sums of effects whose standard deviation is 0.1: of another
    pair, the prediction is wider by √(2 + 4 / 3) / √(4 / 3) than the interval of the mean."""
    mean = rows[place("similarity", "layer1", "train", "uncentred")]
    one = rows[place("similarity_of_one_run", "layer1", "train", "uncentred")]
    assert (one["n"], one["value"]) == ("3", mean["value"])
    halves = [
        np.arctanh(float(row["high"])) - np.arctanh(float(row["value"])) for row in (mean, one)
    ]
    assert halves[1] / halves[0] == pytest.approx(2.5**0.5)


def published(files, tmp_path, name, **columns):  # noqa: F811
    """Rows of a quantity that has a published number, by their columns quantity and epoch."""
    entry = {**Name(name, **columns)._asdict(), "values": [0.3]}
    summarised(files, tmp_path, published={"d": {"n": [entry]}})
    with (tmp_path / "summary.csv").open() as file:
        lines = [row for row in csv.DictReader(file) if row["published"]]
    return {(row["quantity"], row["epoch"]): row for row in lines}


def test_a_published_null_without_its_epoch_is_that_of_the_last(files, tmp_path):  # noqa: F811
    columns = {"layer": "layer1", "split": "train", "centring": "centred", "null": "unrelated"}
    assert [*published(files, tmp_path, "similarity", **columns)] == [("similarity", "2")]
    first = published(files, tmp_path, "similarity", epoch=0.0, **columns)
    assert [*first] == [("similarity", "0")]


def test_one_run_is_drawn_once(files, tmp_path):  # noqa: F811
    """Draws of 4 and 8 % in every network: their mean does not vary, a single draw does."""
    name = "generated_calibration_error"
    found = published(files, tmp_path, name, split="test")
    mean, one = found[name, "2"], found[f"{name}_of_one_run", "2"]
    assert mean["low"] == mean["high"] == mean["value"] == "6.0"
    assert float(one["low"]) < 4 and float(one["high"]) > 8


def test_what_is_predicted_is_no_way_of_drawing(files, tmp_path):  # noqa: F811
    published(files, tmp_path, "generated_accuracy", split="test")
    assert "of_one_run" not in (tmp_path / "summary.md").read_text()
