"""The summary and every figure, from files whose numbers are known."""

import csv
import json

import h5py
import numpy as np
import pytest

from latentdims import storage, summary
from latentdims.figures import reproduction, style

SEEDS = 3
LAYERS = {"layer1": 4, "classifier": 2}  # and their neurons
FAN_IN = 6
PUBLISHED = {
    "d": {
        "n": {
            "test_accuracy": [42.7],
            "test_loss": [1.25],
            "similarity_train_uncentred_trained/layer1": [0.8, 0.9],
        }
    }
}


def write(file, name, data):
    storage.write(file, name, data, units="1", description="made up")


@pytest.fixture
def files(tmp_path):
    """Files of three seeds: accuracy 50 + seed, similarities 0.5 + (r + s) / 10, and so on."""
    paths = {kind: [] for kind in summary.KINDS}
    for seed in range(SEEDS):
        for kind in summary.KINDS:
            path = tmp_path / f"{kind}{seed}.h5"
            with storage.create(path, settings={}) as file:
                globals()[f"fill_{kind}"](file, seed)
            paths[kind].append(str(path))
    with storage.create(tmp_path / "consensus.h5", settings={}) as file:
        write(file, "layer1/similarity", np.full((2, 2, SEEDS), 0.9))
    return paths | {"consensus": [str(tmp_path / "consensus.h5")]}


def fill_network(file, seed):
    for split in storage.SPLITS:
        write(file, f"history/{split}_accuracy", [10.0, 30.0, 50.0 + seed])
        write(file, f"history/{split}_loss", [2.3, 1.5, 1.0])


def fill_alignment(file, seed):
    for layer, neurons in LAYERS.items():
        values = np.arange(neurons, 0, -1.0)
        for name in ("second_moment", "covariance"):
            write(file, f"spectra/{layer}/{name}", [np.ones(neurons), values])
            write(file, f"spectra/{layer}/{name}_held_out", [np.ones(neurons), values])
            write(file, f"spectra/{layer}/{name}_identified", [np.arange(neurons) < 1] * 2)
        # The edge is (1 + sqrt(6 / 4))² / 18 = 0.275 for layer1: one weight lies far above it.
        trained = [5, *[0.05] * (neurons - 1)]
        write(file, f"spectra/{layer}/weight", [values / 100, trained])
        file[f"spectra/{layer}"].attrs.update(fan_in=FAN_IN, neurons=neurons)
        for partner in range(seed):
            group = f"seed{partner}/{layer}"
            score = 0.5 + (seed + partner) / 10
            write(file, f"{group}/similarity", np.full((2, 2, 2), score))
            write(file, f"{group}/similarity_shuffled", np.full((2, 2, 2), -0.1))
            for kind in ("activation", "weight"):
                write(file, f"{group}/{kind}_overlap", [np.eye(2)] * 2)
                write(file, f"{group}/{kind}_subspace", np.ones((2, neurons)))


def fill_clipping(file, seed):
    write(file, "reference_accuracy", 50.0 + seed)
    for basis in ("activation", "random", "weight"):
        for layer in LAYERS if basis == "weight" else ["layer1"]:
            write(file, f"{basis}/{layer}/rank", [1, 2, 3])
            write(file, f"{basis}/{layer}/accuracy", [20.0, 49.5 + seed, 50.0 + seed])


def fill_generation(file, seed):
    file.attrs["classes"] = 10
    write(file, "reference_accuracy", 50.0 + seed)
    write(file, "reference_calibration_error", 3.0)
    write(file, "accuracy", [30.0 + seed, 32.0 + seed])
    write(file, "loss", [2.0, 2.2])
    write(file, "calibration_error", [4.0, 8.0])
    write(file, "similarity/layer1", [0.8, 0.9])
    file.attrs["procedure"] = json.dumps({"rank": "all"})
    for name, rank in {"flattened": None, "wide": "all", "few_1": 1, "few_2": 2}.items():
        for measure, value in (("accuracy", 40.0), ("loss", 2.0), ("calibration_error", 5.0)):
            write(file, f"variants/{name}/{measure}", [value, value])
        if rank:
            file[f"variants/{name}"].attrs["procedure"] = json.dumps({"rank": rank})
            write(file, f"variants/{name}/similarity/layer1", [0.7, 0.6])


def summarised(files, tmp_path):
    summary.summarise(
        inputs=files,
        runs=[("d", "n", seed) for seed in range(SEEDS)],
        networks=[("d", "n")],
        table=tmp_path / "summary.csv",
        comparison=tmp_path / "summary.md",
        published=PUBLISHED,
    )


@pytest.fixture
def rows(files, tmp_path):
    summarised(files, tmp_path)
    with (tmp_path / "summary.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == list(summary.Row._fields)
    return {(row["layer"], row["quantity"], row["at"]): row for row in table}


@pytest.mark.parametrize(
    ("layer", "quantity", "value", "n"),
    [
        ("", "test_accuracy", 51, 3),
        ("layer1", "similarity_test_centred_trained", 0.7, 3),
        ("layer1", "variance_explained_train_uncentred_initial", (0.36 + 0.49 + 0.64) / 3, 3),
        ("layer1", "similarity_train_centred_shuffled", -0.1, 3),
        ("layer1", "variance_explained_test_uncentred_shuffled", -0.01, 3),
        ("layer1", "variance_explained_by_mean_test_centred_trained", 0.81, 3),
        ("layer1", "identified_eigenvectors_covariance", 1, 3),
        ("layer1", "learned_components_theory", 1, 3),
        ("layer1", "learned_components_simulation", 1, 3),
        ("layer1", "participation_ratio_covariance", 10**2 / 30, 3),
        ("layer1", "rank_within_1_point_activation", 2, 3),
        ("classifier", "rank_within_1_point_weight", 2, 3),
        ("", "generated_accuracy", 32, 3),
        ("", "generated_accuracy_deviation_over_draws", 2**0.5, 6),
        ("", "generated_accuracy_flattened", 40, 3),
        ("", "generated_retention_flattened", (30 / 40 + 30 / 41 + 30 / 42) / 3, 3),
        ("", "generated_loss_wide", 2, 3),
        ("layer1", "generated_similarity_few_1", 0.65, 3),
        ("", "chance_accuracy", 10, 3),
        ("layer1", "learned_components_initial", 4, 3),
        ("layer1", "marchenko_pastur_edge", (1 + 1.5**0.5) ** 2 / 18, 3),
        ("", "generated_retention", (21 / 40 + 22 / 41 + 23 / 42) / 3, 3),
        ("", "generated_loss", 2.1, 3),
        ("", "generated_calibration_error", 6, 3),
        ("", "test_calibration_error", 3, 3),
        ("layer1", "generated_similarity", 0.85, 3),
    ],
)
def test_values(rows, layer, quantity, value, n):
    row = rows[layer, quantity, ""]
    assert float(row["value"]) == pytest.approx(value)
    assert int(row["n"]) == n
    if not quantity.endswith("draws") and quantity != "chance_accuracy":
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])


@pytest.mark.parametrize(
    ("layer", "quantity", "at", "value"),
    [
        ("", "test_accuracy_by_epoch", 1, 30),
        ("layer1", "eigenvalue_covariance_trained", 2, 3),
        ("layer1", "eigenvalue_weight_initial", 4, 0.01),
        ("layer1", "subspace_overlap_weight_trained", 3, 1),
        ("layer1", "clipped_accuracy_random", 2, 50.5),
    ],
)
def test_points_of_curves(rows, layer, quantity, at, value):
    row = rows[layer, quantity, str(at)]
    assert float(row["value"]) == pytest.approx(value)
    assert float(row["low"]) <= value <= float(row["high"])


def test_published_numbers_have_a_column(rows):
    assert rows["layer1", "similarity_train_uncentred_trained", ""]["published"] == "0.8;0.9"
    assert rows["", "test_accuracy", ""]["published"] == "42.7"
    assert rows["", "train_accuracy", ""]["published"] == ""


def test_reproduction_figure_shows_both(rows, tmp_path):
    drawing = reproduction.draw({"table": str(tmp_path / "summary.csv")})
    style.save(drawing, svg=tmp_path / "figure.svg", pdf=tmp_path / "figure.pdf")
    text = (tmp_path / "figure.svg").read_text()
    for word in ("published", "ours", "accuracy (%)", "similarity s", "n, layer 1: similarity s"):
        assert word in text


def test_comparison_shows_published_numbers(rows, tmp_path):
    lines = (tmp_path / "summary.md").read_text().splitlines()
    trained = next(line for line in lines if "test accuracy, trained" in line)
    assert trained == (
        "| d | n |  | test accuracy, trained | 51.0 % [48.5 %, 53.5 %] | 3 | 42.7 % |"
    )


def test_a_published_number_of_any_unit_is_beside_ours(rows, tmp_path):
    line = "| d | n |  | test loss | 1.000 nats [1.000 nats, 1.000 nats] | 3 | 1.250 nats |"
    assert line in (tmp_path / "summary.md").read_text().splitlines()


def test_what_no_network_reaches_is_empty(files, tmp_path, caplog):
    """An accuracy above chance, of which some is retained, and a rank that is enough."""
    with h5py.File(files["generation"][1], "r+") as file:
        file["reference_accuracy"][()] = 10.0
    with h5py.File(files["clipping"][2], "r+") as file:
        file["random/layer1/accuracy"][:] = 20.0
    with caplog.at_level("INFO"):
        summarised(files, tmp_path)
    with (tmp_path / "summary.csv").open() as file:
        empty = {row["quantity"]: row for row in csv.DictReader(file) if not row["value"]}
    assert {name for name in empty if "power_law" not in name} == {
        "rank_within_1_point_random",
        *(f"generated_retention{way}" for way in ("", "_flattened", "_wide", "_few_1", "_few_2")),
    }
    assert all((row["low"], row["high"], row["n"]) == ("", "", "3") for row in empty.values())
    assert "rank_within_1_point_random/layer1" in caplog.text
    said = "- d, n: retention: the trained network of seed 1 is at chance, 10.0 %\n"
    assert said in (tmp_path / "summary.md").read_text()


def test_comparison_shows_similarities_and_ways_of_drawing(rows, tmp_path):
    text = (tmp_path / "summary.md").read_text()
    null = "-0.100 [-0.100, -0.100]"
    assert f"| d | n | layer1 | s | unrelated images |{f' {null} |' * 4}" in text
    assert "| d | n | layer1 | s² | untrained |" in text
    wide = next(line for line in text.splitlines() if "drawn, wide" in line)
    assert "40.0 % [40.0 %, 40.0 %]" in wide


def test_two_seeds_have_no_interval(files, tmp_path):
    summary.summarise(
        inputs={kind: files[kind][:2] for kind in summary.KINDS} | {"consensus": []},
        runs=[("d", "n", seed) for seed in range(2)],
        networks=[("d", "n")],
        table=tmp_path / "summary.csv",
        comparison=tmp_path / "summary.md",
        published={},
    )
    with (tmp_path / "summary.csv").open() as file:
        assert all(row["low"] == row["high"] == "" for row in csv.DictReader(file))
