"""Files of three networks whose numbers are known, and the rows of their summary."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from fabricated import axes, described, write

from latentdims import storage
from latentdims.models import architecture
from latentdims.results.quantities import Name
from latentdims.steps import summary

SEEDS = 3


LAYERS = {"layer1": 4, "classifier": 2}  # and their neurons


FAN_IN = 6
NETWORK = replace(described(LAYERS, fan_in=FAN_IN), classes=10)


PUBLISHED = {
    "d": {
        "n": [
            {**Name("accuracy", split="test")._asdict(), "values": [42.7]},
            {**Name("loss", split="test")._asdict(), "values": [1.25]},
            {
                **Name("similarity", "layer1", "train", "uncentred")._asdict(),
                "values": [0.8, 0.9],
            },
        ]
    }
}


@pytest.fixture
def files(tmp_path):
    return filled(tmp_path)


def filled(folder):
    """Files of three seeds: accuracy 50 + seed, similarities 0.5 + (r + s) / 10, and so on."""
    paths = {kind: [] for kind in summary.KINDS}
    for seed in range(SEEDS):
        for kind in summary.KINDS:
            path = folder / f"{kind}{seed}.h5"
            with storage.create(path, settings={}) as file:
                architecture.write(file, NETWORK)
                globals()[f"fill_{kind}"](file, seed)
            paths[kind].append(str(path))
    with storage.create(folder / "consensus.h5", settings={}) as file:
        architecture.write(file, NETWORK)
        axes(file)
        scores = np.full((2, 2, SEEDS), 0.9)
        write(file, "layer1/similarity", scores, "epoch", "split", "seed")
    return paths | {"consensus": [str(folder / "consensus.h5")]}


def folds(value):
    """Four folds about a value, along a new axis."""
    return np.stack([np.asarray(value) + shift for shift in (-0.03, 0.01, 0.01, 0.01)])


def fill_network(file, seed):
    storage.axis(file, "epoch", [0.0, 2.0], units="epochs")
    storage.axis(file.create_group("history"), "epoch", [0.0, 1.0, 2.0], units="epochs")
    for what, values in (("accuracy", [10.0, 30.0, 50.0 + seed]), ("loss", [2.3, 1.5, 1.0])):
        for split in storage.SPLITS:
            write(file, f"history/{split}_{what}", values, "epoch")
        write(file, f"history/folds/test_{what}", folds(values), "fold", "epoch")


def fill_alignment(file, seed):
    axes(file)
    for layer, neurons in LAYERS.items():
        group = file.create_group(f"spectra/{layer}")
        values = np.arange(neurons, 0, -1.0)
        for number, name in enumerate(("second_moment", "covariance")):
            held_out = values / (number + 2)
            both = np.array([np.ones(neurons), values + number])
            write(group, name, both, "epoch", "rank")
            scales = np.arange(1, 5)[:, None, None]  # of which no number depends
            write(group, f"{name}_without_fold", scales * both, "fold", "epoch", "rank")
            write(group, f"{name}_held_out", [np.ones(neurons), held_out], "epoch", "rank")
            write(group, f"{name}_identified", [np.arange(neurons) < 1] * 2, "epoch", "rank")
        # The edge is (1 + sqrt(6 / 4))² / 18 = 0.275 for layer1: one weight lies far above it.
        trained = [5, *[0.05] * (neurons - 1)]
        write(group, "weight", [values / 100, trained], "epoch", "weight_rank")
        group.attrs.update(fan_in=FAN_IN, neurons=neurons)
        for partner in range(seed):
            fill_pair(file.create_group(f"seed{partner}/{layer}"), seed + partner, neurons)
        fill_final(file.create_group(f"final/{layer}"), seed, neurons)


def fill_pair(group, pair, neurons):
    """Scores of 0.5 + pair / 10 trained, less by 0.1 untrained, by 0.02 on test images, by 0.05
    centred."""
    score = np.array([[[0.4, 0.35], [0.38, 0.33]], [[0.5, 0.45], [0.48, 0.43]]]) + pair / 10
    null = np.linspace(-0.1, 0.1, 5)[:, None, None, None] + np.zeros((5, 2, 2, 2))
    write(group, "similarity", score, "epoch", "split", "centring")
    write(group, "similarity_folds", folds(score[:, 1]), "fold", "epoch", "centring")
    write(group, "similarity_null", null, "pairing", "epoch", "split", "centring")
    for number, name in enumerate(("cka", "cca")):
        values = score[..., 1] - number / 5
        write(group, name, values, "epoch", "split")
        write(group, f"{name}_folds", folds(values[:, 1]), "fold", "epoch")
        write(group, f"{name}_null", null[..., 0] + number / 10, "pairing", "epoch", "split")
    shares = score[:, 1, 1] / 2  # of test images, centred
    write(group, "mutual_neighbours", shares, "epoch")
    write(group, "mutual_neighbours_folds", folds(shares), "fold", "epoch")
    write(group, "mutual_neighbours_null", null[:, :, 0, 0] + 0.3, "pairing", "epoch")
    for kind in ("activation", "weight"):
        overlaps = np.array([[0.5] * neurons, [0.9] * neurons])
        write(group, f"{kind}_subspace", overlaps, "epoch", "k")
        unrelated = np.linspace(0.1, 0.3, 5)[:, None, None] + np.zeros((5, 2, neurons))
        unrelated[:, 0] += 0.4  # untrained
        write(group, f"{kind}_subspace_null", unrelated, "pairing", "epoch", "k")


def fill_final(group, seed, neurons):
    """Of a network and itself at its last epoch."""
    fill_pair(group, 2 * seed, neurons)
    for name, axis in (("variance", "rank"), ("cosine", "rank"), ("span", "k")):
        values = [[0.2] * neurons, [0.8 + seed / 20] * neurons]
        write(group, f"weight_{name}", values, "epoch", f"weight_{axis}")


def fill_clipping(file, seed):
    write(file, "reference_accuracy", 50.0 + seed)
    for basis in ("activation", "random", "weight"):
        for layer in LAYERS if basis == "weight" else ["layer1"]:
            group = file.create_group(f"{basis}/{layer}")
            storage.axis(group, "rank", [1, 2, 3])
            accuracy = np.array([20.0, 49.5 + seed, 50.0 + seed])
            write(group, "accuracy", accuracy, "rank")
            write(group, "accuracy_folds", folds(accuracy), "fold", "rank")


def fill_generation(file, seed):
    for measure, value in (("accuracy", 50.0 + seed), ("loss", 1.5)):
        write(file, f"reference_{measure}", value)
        write(file, f"reference_{measure}_folds", folds(value), "fold")
    write(file, "reference_calibration_error", 3.0)
    fill_draws(file, [30.0 + seed, 32.0 + seed], [2.0, 2.2], [4.0, 8.0])
    write(file, "similarity/layer1", [0.8, 0.9], "draw")
    file.attrs["procedure"] = json.dumps({"rank": "all"})
    ranks = {"flattened": None, "wide": "all", "few_1": 1, "few_2": 2, "white": "all"}
    for name, rank in ranks.items():
        group = file.create_group(f"variants/{name}")
        accuracy = 20.0 if name == "white" else 40.0
        fill_draws(group, [accuracy] * 2, [2.0] * 2, [5.0] * 2)
        if rank:
            group.attrs["procedure"] = json.dumps({"rank": rank})
            write(group, "similarity/layer1", [0.7, 0.6], "draw")


def fill_draws(group, accuracy, loss, calibration):
    for measure, values in (("accuracy", accuracy), ("loss", loss)):
        write(group, measure, values, "draw")
        write(group, f"{measure}_folds", folds(values).T, "draw", "fold")
    write(group, "calibration_error", calibration, "draw")


def summarised(files, tmp_path, published=PUBLISHED):
    summary.summarise(
        inputs=files,
        runs=[("d", "n", seed) for seed in range(SEEDS)],
        networks=[("d", "n")],
        table=tmp_path / "summary.csv",
        comparison=tmp_path / "summary.md",
        published=published,
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The folder of the summary, to be read only."""
    folder = tmp_path_factory.mktemp("tables")
    summarised(filled(folder), folder)
    return folder


@pytest.fixture
def rows(tables, tmp_path):
    """Rows by (quantity, layer, split, centring, epoch, null, at, seed)."""
    for name in ("summary.csv", "summary.md"):
        shutil.copy2(tables / name, tmp_path)
    with (tmp_path / "summary.csv").open() as file:
        table = list(csv.DictReader(file))
    assert ",".join(table[0]) == (
        "comparison,dataset,network,seed,partner,layer,quantity,split,centring,epoch,null,at,value,"
        "low,high,n,unit,published"
    )
    columns = ("quantity", "layer", "split", "centring", "epoch", "null", "at", "seed")
    found = {tuple(row[column] for column in columns): row for row in table}
    assert len(found) == len(table)  # no two rows are of the same number
    return found


def place(quantity, layer="", split="", centring="", epoch="2", null="", at="", seed=""):
    return quantity, layer, split, centring, epoch, null, at, seed
