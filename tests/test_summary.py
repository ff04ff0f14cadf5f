"""The summary and every figure, from files whose numbers are known."""

# ruff: noqa: F811 (fixtures)

import csv
import re

import h5py
import numpy as np
import pytest
from known_files import SEEDS, files, place, rows, summarised, tables  # noqa: F401 (fixtures)

from latentdims.figures import reproduction, style
from latentdims.steps import summary


@pytest.mark.parametrize(
    ("key", "value", "n"),
    [
        (place("accuracy", split="test"), 51, 3),
        (place("accuracy", split="test", seed="2"), 52, 1),
        (place("similarity", "layer1", "test", "centred"), 0.63, 3),
        (place("similarity", "layer1", "train", "uncentred", "0", "untrained"), 0.6, 3),
        (
            place("variance_explained", "layer1", "train", "uncentred", "0", "untrained"),
            (0.25 + 0.36 + 0.49) / 3,
            3,
        ),
        (place("similarity", "layer1", "train", "centred", "2", "unrelated"), 0, 3),
        (place("similarity_above_untrained", "layer1", "test", "centred"), 0.1, 3),
        (place("similarity_p", "layer1", "test", "centred"), 1 / 6, 3),
        (place("cka", "layer1", "test", "centred"), 0.63, 3),
        (place("cca", "layer1", "train", "centred"), 0.45, 3),
        (place("cca", "layer1", "train", "centred", "2", "unrelated"), 0.1, 3),
        (place("mutual_neighbours", "layer1", "test", "centred"), 0.315, 3),
        (place("mutual_neighbours", "layer1", "test", "centred", "0", "untrained"), 0.265, 3),
        (place("mutual_neighbours", "layer1", "test", "centred", "2", "unrelated"), 0.3, 3),
        (place("variance_explained_by_mean", "layer1", "test", "centred"), 0.81, 3),
        (place("identified_eigenvectors", "layer1", "train", "centred"), 1, 3),
        (place("learned_components_theory", "layer1"), 1, 3),
        (place("learned_components_simulation", "layer1"), 1, 3),
        (place("learned_components_initial", "layer1"), 4, 3),
        (place("marchenko_pastur_edge", "layer1"), (1 + 1.5**0.5) ** 2 / 18, 3),
        (place("participation_ratio", "layer1", "train", "uncentred"), 10**2 / 30, 3),
        (place("participation_ratio", "layer1", "train", "centred"), 14**2 / 54, 3),
        (place("rank_within_1_point_activation", "layer1", "test"), 2, 3),
        (place("rank_within_1_point_weight", "classifier", "test"), 2, 3),
        (place("generated_accuracy", split="test"), 32, 3),
        (place("generated_accuracy", split="test", null="white"), 20, 3),
        (place("generated_accuracy_above_white", split="test"), 12, 3),
        (place("generated_accuracy_deviation_over_draws", split="test"), 2**0.5, 6),
        (place("generated_accuracy_flattened", split="test"), 40, 3),
        (place("retention_above_chance", split="test"), 22 / 41, 3),
        (place("retention_above_white", split="test"), 12 / 31, 3),
        (place("retention_above_white", split="test", seed="1"), 12 / 31, 1),
        (place("retention_above_chance_flattened", split="test"), 30 / 41, 3),
        (place("generated_loss", split="test"), 2.1, 3),
        (place("generated_calibration_error", split="test"), 6, 3),
        (place("calibration_error", split="test"), 3, 3),
        (place("generated_similarity", "layer1", "train", "uncentred"), 0.85, 3),
        (place("generated_similarity_few_1", "layer1", "train", "uncentred"), 0.65, 3),
        (place("chance_accuracy"), 10, 3),
        (place("accuracy_by_epoch", split="test", epoch="", at="1"), 30, 3),
        (place("eigenvalue", "layer1", "train", "centred", at="2"), 4, 3),
        (place("eigenvalue", "layer1", "test", "uncentred", at="2"), 1.5, 3),
        (place("weight_eigenvalue", "layer1", epoch="0", null="untrained", at="4"), 0.01, 3),
        (place("subspace_overlap_weight", "layer1", at="3"), 0.9, 3),
        (place("subspace_overlap_activation", "layer1", null="unrelated", at="3"), 0.2, 3),
        (place("clipped_accuracy_random", "layer1", "test", epoch="", at="2"), 50.5, 3),
    ],
)
def test_values(rows, key, value, n):
    epochless = ("rank_within", "marchenko")
    row = rows.get(key) or rows[(*key[:4], "", *key[5:])]
    assert row["epoch"] == key[4] or key[0].startswith(epochless)
    assert float(row["value"]) == pytest.approx(value)
    assert int(row["n"]) == n
    without = ("learned", "identified", "rank_within", "chance", "similarity_p")
    if n != 3 or key[0].startswith(without):
        assert row["low"] == row["high"] == ""
    else:
        rounding = 1e-9
        assert float(row["low"]) - rounding <= float(row["value"]) <= float(row["high"]) + rounding


def test_nulls_have_the_band_of_their_pairings(rows):
    row = rows[place("similarity", "layer1", "train", "centred", null="unrelated")]
    low, high = np.quantile(np.repeat(np.linspace(-0.1, 0.1, 5), 3), [0.025, 0.975])
    assert (float(row["low"]), float(row["high"])) == pytest.approx((low, high))


def test_published_numbers_have_a_column_and_the_interval_of_one_run(rows):
    similarity = place("similarity", "layer1", "train", "uncentred")
    assert rows[similarity]["published"] == "0.8;0.9"
    assert rows[place("accuracy", split="test")]["published"] == "42.7"
    assert rows[place("accuracy", split="train")]["published"] == ""
    for name in ("accuracy", "loss"):
        mean = rows[place(name, split="test")]
        one = rows[place(f"{name}_of_one_run", split="test")]
        assert one["value"] == mean["value"] and one["published"] == mean["published"]
        assert float(one["low"]) <= float(mean["low"]) <= float(mean["high"]) <= float(one["high"])
    accuracy = [rows[place(n, split="test")] for n in ("accuracy", "accuracy_of_one_run")]
    narrow, wide = (float(row["high"]) - float(row["low"]) for row in accuracy)
    assert wide > 1.5 * narrow


def test_reproduction_figure_shows_both(rows, tmp_path):
    drawing = reproduction.draw({"table": str(tmp_path / "summary.csv")})
    style.save(drawing, svg=tmp_path / "figure.svg", pdf=tmp_path / "figure.pdf")
    text = (tmp_path / "figure.svg").read_text()
    for word in (
        "published",
        "ours, mean",
        "95 % of single runs",
        "accuracy (%)",
        "similarity s",
        "n, layer 1: similarity s",
    ):
        assert word in text


def test_comparison_shows_published_numbers(rows, tmp_path):
    lines = (tmp_path / "summary.md").read_text().splitlines()
    trained = next(line for line in lines if "test accuracy, trained" in line)
    assert re.fullmatch(
        r"\| d \| n \|  \| test accuracy, trained \| 51\.0 % \[48\.5 %, 53\.5 %\] \| 3 "
        r"\| \[4\d\.\d %, 5\d\.\d %\] \| 42\.7 % \|",
        trained,
    )


def test_a_published_number_of_any_unit_is_beside_ours(rows, tmp_path):
    text = (tmp_path / "summary.md").read_text()
    assert re.search(r"\| loss, test \| 1\.000 nats \[.*\] \| 3 \| \[.*\] \| 1\.250 nats \|", text)


def test_what_no_network_reaches_is_empty(files, tmp_path, caplog):
    """An accuracy above chance, of which some is retained, and a rank that is enough."""
    with h5py.File(files["generation"][1], "r+") as file:
        file["reference_accuracy"][()] = 10.0
    with h5py.File(files["clipping"][2], "r+") as file:
        file["random/layer1/accuracy"][:] = 20.0
    with caplog.at_level("INFO"):
        summarised(files, tmp_path)
    with (tmp_path / "summary.csv").open() as file:
        lines = [row for row in csv.DictReader(file) if not row["value"]]
    empty = {row["quantity"]: row for row in lines if not row["seed"]}
    ways = ("", "_flattened", "_wide", "_few_1", "_few_2")
    assert {name for name in empty if "power_law" not in name} == {
        "rank_within_1_point_random",
        *(f"retention_above_chance{way}" for way in ways),
        "retention_above_white",
    }
    assert all((row["low"], row["high"], row["n"]) == ("", "", "3") for row in empty.values())
    assert {row["seed"] for row in lines if row["quantity"] == "retention_above_white"} == {"", "1"}
    assert "rank_within_1_point_random/layer1" in caplog.text
    text = (tmp_path / "summary.md").read_text()
    for null, level in (("chance", 10), ("drawn, white", 20)):
        said = f"the trained network of seed 1 is not above {null}, {level}.0 %"
        assert f"- d, n: retention: {said}\n" in text


def test_comparison_shows_similarities_and_ways_of_drawing(rows, tmp_path):
    text = (tmp_path / "summary.md").read_text()
    null = "0.000 [-0.100, 0.100]"
    assert f"| d | n | layer1 | s | unrelated images |{f' {null} |' * 4}" in text
    assert "| d | n | layer1 | s² | untrained |" in text
    wide = next(line for line in text.splitlines() if "drawn, wide" in line)
    assert "40.0 % [40.0 %, 40.0 %]" in wide
    white = next(line for line in text.splitlines() if "drawn, channels, white" in line)
    assert "20.0 % [20.0 %, 20.0 %]" in white


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_have_no_interval(files, tmp_path, seeds):
    summary.summarise(
        inputs={kind: files[kind][:seeds] for kind in summary.KINDS} | {"consensus": []},
        runs=[("d", "n", seed) for seed in range(seeds)],
        networks=[("d", "n")],
        table=tmp_path / "summary.csv",
        comparison=tmp_path / "summary.md",
        published={},
    )
    with (tmp_path / "summary.csv").open() as file:
        given = [row for row in csv.DictReader(file) if row["null"] != "unrelated"]
    assert all(row["low"] == row["high"] == "" for row in given)
