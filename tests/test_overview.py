"""What the report opens with: what was run, what was found, and every figure with its caption."""

import json
import re

import pytest
import torch

from latentdims.figures import catalogue
from latentdims.results import overview
from latentdims.results.table import HEADLINES, Row


def row(network, layer, quantity, value, *, low=None, high=None, **more):
    unit = {"accuracy": "percent", "loss": "nats"}.get(quantity.rpartition("_")[2], "1")
    more = {"dataset": "d", "split": "test", "centring": "centred" if layer else "", **more}
    columns = {"network": network, "layer": layer, "quantity": quantity, **more}
    return Row(value=value, low=low, high=high, n=3, unit=unit, **columns)


def test_headline_has_a_column_for_each_network_and_for_what_is_published():
    explained = "variance_explained"
    rows = [
        row("deep", "", "generated_accuracy", 31.26),
        row("deep", "", "accuracy", 43.14, low=42.9, high=43.4, published="42.7;42.4"),
        row("deep", "layer1", explained, -0.0001),
        row("deep", "layer2", explained, float("nan")),  # undefined
        row("deep", "classifier", explained, 0.9),
        row("deep", "layer1", explained, 0.2, null="unrelated", epoch=0.0),
        row("deep", "layer1", explained, 0.1, null="unrelated", epoch=5.0),
        row("deep", "layer1", "effective_rank", 7),
        row("flat", "", "loss_of_one_run", 1.25, published="1.2"),
        row("flat", "", "accuracy", 57),
        row("flat", "", "loss", 1.25, published="1.2"),
        row("deep", "", "accuracy", 12, dataset="other"),
    ]
    words = {(key[0], key[3]): said for key, said in HEADLINES.items()}
    assert overview.headline(rows, "d", outputs={("d", "deep"): "classifier"}) == [
        ["quantity", "deep", "deep, published", "flat", "flat, published"],
        [words["accuracy", ""], "43.1 % [42.9 %, 43.4 %]", "42.7 %, 42.4 %", "57.0 %", ""],
        [words["generated_accuracy", ""], "31.3 %", "", "", ""],
        [f"{words[explained, '']}, layer 1", "0.000", "", "", ""],
        [f"{words[explained, '']}, layer 2", "", "", "", ""],
        ["loss, test", "", "", "1.250 nats", "1.200 nats"],
    ]


def opening(workflow) -> str:
    """The page that the report opens with, as HTML."""
    report = (workflow.folder / "results" / "report.html").read_text(encoding="utf-8")
    return json.loads(re.search(r"var workflow_desc = (.*);", report)[1])


@pytest.mark.parametrize(
    "said",
    [
        "Shared latent dimensions",
        "config.yaml",
        "<td>shapes</td><td>200</td><td>100</td><td>3\u00a0×\u00a032\u00a0×\u00a032</td><td>10</td>",
        "source: embedded",
        "architecture: mlp, widths: [12, 8]",
        "architecture: cnn, channels: [4, 6], kernel size: 5, stride: 3",
        "<td>0, 1</td>",
        "batch size: 128, epochs: 1, learning rate: 0.01, momentum: 0.9",
        "other ways: flattened",
        f"torch {torch.__version__} on cpu",
        "An interval needs at least three networks.",
        "variance explained s², test images, centred",
    ],
)
def test_report_opens_with_what_was_run_and_found(finished, said):
    assert said in opening(finished)


def test_report_shows_every_figure_with_its_caption_in_the_order_of_the_pipeline(finished):
    page = opening(finished)
    assert "System Message" not in page
    names = re.findall(r"<h3>Network (\w+)</h3>", page)
    assert names == ["cnn", "mlp"]
    shown = re.findall(r"<figure>.*?<svg.*?</svg>.*?<figcaption>\s*(.*?)</figcaption>", page, re.S)
    assert len(shown) == 1 + len(names) * len(catalogue.drawn(seeds=3))
    assert all("<p>" in caption for caption in shown)
    assert "Training images of the data set" in shown[0]
    assert "Accuracy and cross-entropy" in shown[1]
    assert "networks drawn from its" in shown[-1]
    order = ["What was run", "What was found", "Data set shapes", "Configuration", "Workflow"]
    assert [page.index(f"<h2>{title}") for title in order] == sorted(
        page.index(f"<h2>{title}") for title in order
    )
