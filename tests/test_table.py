"""Rows of the table: what they are of, and as they are read again."""

import pytest

from latentdims.results import markdown
from latentdims.results.table import Row, is_of_output, read_csv, write_csv


def row(layer="", **columns):
    known = {"dataset": "d", "network": "n", "quantity": "loss", "value": 0.5, "unit": "nats"}
    return Row(**{**known, "low": 0.25, "high": 1.5, "n": 3, **columns}, layer=layer)


@pytest.mark.parametrize("output", ["fc", None])
def test_of_the_output_are_rows_of_its_layer(output):
    outputs = {("d", "n"): output, ("d", "other"): "conv1"}
    found = [layer for layer in ("", "conv1", "fc", "layer1") if is_of_output(row(layer), outputs)]
    assert found == ([output] if output else [])
    assert not is_of_output(row("fc", network="none"), outputs)


def test_means_are_read_as_they_were_written(tmp_path):
    means = [
        row(low=None, high=None, epoch=2.0, split="test", published="0.5;0.75"),
        row("layer1", comparison="c", partner="p", centring="centred", null="untrained", epoch=0.0),
    ]
    write_csv(tmp_path / "summary.csv", [*means, row(seed=0), row(at=1.0)])
    assert read_csv(tmp_path / "summary.csv") == means
    write_csv(tmp_path / "summary.csv", [row(value=float("nan"))])
    assert (tmp_path / "summary.csv").read_text().splitlines()[1].endswith(",,,,0.25,1.5,3,nats,")


def test_headlines_keep_the_order_of_layers():
    rows = [
        row(layer, quantity="similarity", split="train", centring="uncentred", unit="1")
        for layer in ("block9", "block10")
    ]
    rows.append(row(quantity="accuracy", split="test", unit="percent"))
    written = markdown.tables(rows, {}, {}).partition("**Similarity")[0]
    lines = [line.split(" | ")[2:4] for line in written.splitlines() if line.startswith("| d ")]
    assert lines == [
        ["", "test accuracy, trained"],
        ["block9", "similarity s, training images, uncentred"],
        ["block10", "similarity s, training images, uncentred"],
    ]
