"""summary.csv, every row beside the same number from the files."""

import csv
import math

import fabricated
import numpy as np
import pytest
import rows
import rows_of_draws
from workflow import TINY

from latentdims import storage, summary

SEEDS = 4
COLUMNS = ("quantity", "layer", "split", "centring", "epoch", "null", "at", "seed")
NUMBERS = ("value", "low", "high")

EXACT = 1e-9  # relative: sums of some hundred float64, and their logarithms
# The quantile of 4,000 simulated curves lies, in two of three cases, within 2.5 % of that of many
# (√(0.05 · 0.95 / 4000) = 0.0034 over the density there, 0.14 / q for t of three degrees); that of
# 40,000 within 0.8 %. Four times as much.
BAND = 0.11


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of four seeds, random numbers, with a consensus; two networks are at their null."""
    folder = tmp_path_factory.mktemp("rows")
    found = fabricated.files(folder, layers=2, width=17, seeds=SEEDS, draws=3)
    random = np.random.default_rng(5)
    with storage.create(folder / "consensus.h5", settings={}) as file:
        fabricated.axes(file)
        for layer in ("layer1", "layer2", "classifier"):
            scores = random.uniform(-0.3, 1, (2, 2, SEEDS))
            fabricated.write(file, f"{layer}/similarity", scores, "epoch", "split", "seed")
    return found | {"consensus": [str(folder / "consensus.h5")]}


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
    last = rows.h5py.File(files["network"][0])["epoch"][-1]
    return made | dict(rows_of_draws.of([rows.h5py.File(p) for p in files["generation"]], last))


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
    assert not wrong, f"{len(wrong)} of {len(found)} rows:\n" + "\n".join(wrong[:40])


def close(value, number, tolerance):
    return (math.isnan(value) and math.isnan(number)) or abs(value - number) <= tolerance


def numbers(key, wanted):
    """Each number with its absolute tolerance; the ends of a band are simulated."""
    value, low, high, _ = wanted
    band = bool(key[COLUMNS.index("at")]) and key[COLUMNS.index("null")] != "unrelated"
    for name, number in zip(NUMBERS, (value, low, high), strict=True):
        size = max(abs(value), abs(number))
        wide = BAND * abs(number - value) * (1 + abs(np.log(number / value))) if band else 0
        yield name, number, EXACT * size + (0 if math.isnan(wide) else wide)


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
