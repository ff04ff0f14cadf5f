"""summary.csv, every row beside the same number from the files."""

import csv
import json
import math

import fabricated
import h5py
import numpy as np
import pytest
import rows
import rows_along
import rows_of_draws
from workflow import TINY

from latentdims import storage
from latentdims.models import architecture
from latentdims.steps import summary

SEEDS = 4
WIDTHS = {"layer1": 17, "layer2": 17, "classifier": fabricated.CLASSES}
COLUMNS = ("quantity", "layer", "split", "centring", "epoch", "null", "at", "seed")
NUMBERS = ("value", "low", "high")

EXACT = 1e-9  # relative: sums of some hundred float64, and their logarithms
ROUNDING = 1e-12  # absolute, of differences: 50 times the spacing of float64 at 100 %
# The quantile of 4,000 simulated curves lies, in two of three cases, within 2.5 % of that of many
# (√(0.05 · 0.95 / 4000) = 0.0034 over the density there, 0.14 / q for t of three degrees); that of
# 40,000 within 0.8 %. Four times as much.
BAND = 0.11


@pytest.fixture(scope="module", params=["above", "at their null"])
def files(request, tmp_path_factory):
    """Of four seeds, random numbers, with a consensus."""
    folder = tmp_path_factory.mktemp("rows")
    found = fabricated.files(folder, layers=2, width=17, seeds=SEEDS, draws=3)
    random = np.random.default_rng(5)
    with storage.create(folder / "consensus.h5", settings={}) as file:
        architecture.write(file, fabricated.described(WIDTHS))
        fabricated.axes(file)
        for layer in ("layer1", "layer2", "classifier"):
            scores = random.uniform(-0.3, 1, (2, 2, SEEDS))
            fabricated.write(file, f"{layer}/similarity", scores, "epoch", "split", "seed")
    for path in found["alignment"]:
        raise_nulls(path)
    for seed, path in enumerate(found["generation"]):
        with h5py.File(path, "r+") as file:
            set_reference(file, seed, random, at_null=request.param != "above")
    return found | {"consensus": [str(folder / "consensus.h5")]}


def set_reference(file, seed, random, *, at_null):
    """Above all nulls; or, of seed 1 that of white draws, and of seed 2 that of chance, exactly.

    Then the mean over folds, moved to that of all images, is rounded above it.
    """
    null = (
        100 / json.loads(file.attrs["architecture"])["classes"]
        if seed == 2
        else file["variants/white/accuracy"][()].mean()
    )
    own = null if at_null and seed in (1, 2) else 99 + seed / 10
    folds = file["reference_accuracy_folds"]
    for _ in range(100):
        folds[...] = random.uniform(20, 90, len(folds))
        if (folds[()] + (own - folds[()].mean()) - own).mean() > 0:
            break
    file["reference_accuracy"][()] = own


def raise_nulls(path):
    """So that the scores of layers lie among those of unrelated images, in different places."""
    with h5py.File(path, "r+") as file:
        for group in (name for name in file if name.startswith("seed")):
            for place, layer in enumerate(architecture.layers(file, group)):
                null = file[f"{group}/{layer}/similarity_null"]
                rise = np.linspace(0.1 * place, 0.9, len(null))
                null[...] += rise[:, None, None, None]


def summarised(files, folder, seeds):
    summary.summarise(
        inputs={kind: files[kind] for kind in (*summary.KINDS, "consensus")},
        runs=[("d", "n", seed) for seed in range(seeds)],
        networks=[("d", "n")],
        table=folder / "summary.csv",
        comparison=folder / "summary.md",
        published={},
    )
    return folder / "summary.csv"


def table(path, dataset, network):
    with path.open(encoding="utf-8", newline="") as file:
        lines = [row for row in csv.DictReader(file) if not row["published"]]
    own = [row for row in lines if (row["dataset"], row["network"]) == (dataset, network)]
    found = {tuple(row[column] for column in COLUMNS): row for row in own}
    assert len(found) == len(own)  # no row stands twice
    return found


def expected(files):
    made = rows.of(files)
    last = h5py.File(files["network"][0])["epoch"][-1]
    made |= dict(rows_along.of([h5py.File(path) for path in files["alignment"]]))
    return made | dict(rows_of_draws.of([h5py.File(p) for p in files["generation"]], last))


def check(found, wanted):
    """Every row of one is in the other, with the same numbers."""
    assert found.keys() == wanted.keys()
    wrong = [
        f"{' '.join(filter(None, key))}: {name} {row[name] or 'empty'}, expected {number}"
        for key, row in found.items()
        for name, number, tolerance in numbers(key, wanted[key])
        if not close(float(row[name] or "nan"), number, tolerance)
    ]
    wrong += [
        f"{key}: n {row['n']}" for key, row in found.items() if int(row["n"]) != wanted[key][3]
    ]
    wrong += [f"{key}: {row['unit']}" for key, row in found.items() if row["unit"] != unit(key[0])]
    assert not wrong, f"{len(wrong)} of {len(found)} rows:\n" + "\n".join(wrong[:40])


def unit(quantity):
    if quantity == "eigenvalue":
        return "activation^2"
    if "loss" in quantity:
        return "nats"
    return "percent" if "accuracy" in quantity or "calibration_error" in quantity else "1"


def close(value, number, tolerance):
    return (math.isnan(value) and math.isnan(number)) or abs(value - number) <= tolerance


def numbers(key, wanted):
    """Each number with its absolute tolerance; the ends of a band are simulated."""
    value, low, high, _ = wanted
    band = bool(key[COLUMNS.index("at")]) and key[COLUMNS.index("null")] != "unrelated"
    yield "value", value, EXACT * abs(value) + ROUNDING
    for name, end in (("low", low), ("high", high)):
        wide = simulated(key, value, end) if band and not math.isnan(end) else 0
        yield name, end, EXACT * max(abs(value), abs(end)) + ROUNDING + wide


def simulated(key, value, end):
    """How far an end moves if the half width does by BAND, on the scale of its range.

    Next to an end of the range, as overlaps of whole spaces are, rounding decides on the width.
    """
    bottom, top = range_of(*key[:2])
    if not bottom + 1e-6 < value < top - 1e-6:
        return np.inf
    if np.isinf(top):
        return abs(end) * BAND * abs(np.log(end / value)) * 1.2
    shares = (np.array([value, end]) - bottom) / (top - bottom)
    centre, at = np.log(shares / np.maximum(1 - shares, 1e-300))
    moved = [centre + (at - centre) * factor for factor in (1 - BAND, 1 + BAND)]
    return (top - bottom) * max(abs(1 / (1 + math.exp(-z)) - shares[1]) for z in moved)


def range_of(quantity, layer):
    if "loss" in quantity or "eigenvalue" in quantity or "amplification" in quantity:
        return 0, np.inf
    if "participation_ratio" in quantity:  # along training: of fabricated files alone
        return 1, WIDTHS[layer]
    if "similarity" in quantity:
        return -1, 1
    return 0, 100 if "accuracy" in quantity else 1


def test_every_row_of_fabricated_files(files, tmp_path):
    check(table(summarised(files, tmp_path, SEEDS), "d", "n"), expected(files))


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_every_row_of_a_finished_run(finished, network):
    folder = finished.folder / "results/shapes" / network
    files = {
        kind: [str(folder / f"seed{seed}/{kind}.h5") for seed in range(TINY["seeds"])]
        for kind in summary.KINDS
    }
    wanted = expected(files | {"consensus": []})
    check(table(finished.folder / "results/summary.csv", "shapes", network), wanted)


UNLIKE = [pytest.param(name, marks=pytest.mark.slow) for name in ("scattering", "resnet")]


@pytest.mark.parametrize("study", [*UNLIKE, "adopted"], indirect=True)
def test_every_row_of_networks_of_unlike_layers(study, tmp_path):
    files = study.summarised
    found = table(summarised(files, tmp_path, len(files["network"])), "d", "n")
    check(found, expected(files))
