"""Comparisons in the workflow: the example of docs/comparing.md, with few images."""

import copy
import csv
from collections import Counter

import h5py
import numpy as np
import pytest
from test_comparisons_config import EXAMPLE
from test_plan import all_jobs, same_memory, sizes
from workflow import Workflow

from latentdims.planning.known import Known
from latentdims.planning.work import Work

pytestmark = pytest.mark.slow

SMALL = {
    **copy.deepcopy(EXAMPLE),
    "datasets": {
        "shapes": {"source": "embedded", "train_samples": 160, "test_samples": 80},
        "more": {"source": "embedded", "train_samples": 120, "test_samples": 60, "seed": 7},
    },
    "seeds": 2,
    "training": {"epochs": 1},
    "generation": {"draws": 1, "white_draws": 0},
    "alignment": {"null_pairings": 3},
}
NAMES = ("data", "families", "widths")
DRAWN = ["data/pairs.svg", "families/layers.svg", "widths/pairs.svg", "widths/widths.svg"]
TARGETS = ["--", "results/comparing/summary.csv"]
TARGETS += [f"results/comparing/figures/comparisons/{name}" for name in DRAWN]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    workflow = Workflow(tmp_path_factory.mktemp("comparing") / "code", SMALL)
    workflow.complete("--quiet", *TARGETS)
    return workflow


@pytest.fixture
def again(done, tmp_path):
    return done.copy(tmp_path / "again")


def table(workflow: Workflow) -> list[dict[str, str]]:
    with (workflow.folder / "results/comparing/summary.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["comparison"]]


def scores(workflow: Workflow, name: str, own: str, partner: str, layer: str) -> dict:
    """Similarity of centred test images at the last epoch, by the seeds of the partner and own."""
    folder = workflow.folder / "results/comparing/comparisons" / name / own
    found = {}
    for seed in range(SMALL["seeds"]):
        with h5py.File(folder / f"seed{seed}/alignment.h5") as file:
            for place, group in file.get(partner, {}).items():
                found[int(place.removeprefix("seed")), seed] = group[layer]["similarity"][-1, 1, 1]
    return found


@pytest.mark.parametrize(
    ("name", "own", "partner", "layer", "pairs"),
    [
        ("widths", "shapes/cnn_x0p5", "shapes/cnn_x2", "layer2", [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ("families", "shapes/mlp", "shapes/cnn", "layer1~layer2", [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ("data", "more/mlp", "shapes/mlp", "layer1", [(0, 1), (1, 0)]),  # of other random starts
        ("data", "shapes/mlp", "shapes/mlp@0", "layer1", [(0, 1), (1, 0)]),
        ("data", "more/mlp", "more/mlp", "layer2", [(0, 1)]),
    ],
)
def test_rows_are_means_over_all_pairs_of_seeds(done, name, own, partner, layer, pairs):
    found = scores(done, name, own, partner, layer)
    assert sorted(found) == pairs
    rows = [
        row
        for row in table(done)
        if (row["comparison"], f"{row['dataset']}/{row['network']}") == (name, own)
        and (row["partner"], row["layer"], row["quantity"]) == (partner, layer, "similarity")
        and (row["split"], row["centring"], row["null"]) == ("test", "centred", "")
    ]
    (row,) = rows
    assert float(row["value"]) == pytest.approx(np.mean(list(found.values())), abs=1e-9)
    assert int(row["n"]) == (2 if own == partner else 4)
    assert bool(row["low"]) == (own != partner)  # two networks alone have no interval


def test_nulls_and_curves_are_there(done):
    rows = table(done)
    nulls = Counter(row["null"] for row in rows if row["quantity"] == "cka")
    assert nulls[""] == nulls["untrained"] + _of_one_epoch(rows)
    assert {row["quantity"] for row in rows if row["at"]} == {"subspace_overlap_activation"}
    assert {row["comparison"] for row in rows} == set(NAMES)


def _of_one_epoch(rows: list[dict[str, str]]) -> int:
    """Rows of pairs of which neither has another state."""
    return sum(
        row["network"] == "mlp@0" and row["quantity"] == "cka" and not row["null"] for row in rows
    )


def test_figures_and_the_report(done):
    figures = done.folder / "results/comparing/figures/comparisons"
    assert sorted(path.relative_to(figures).as_posix() for path in figures.rglob("*.svg")) == DRAWN
    assert not done.planned()["comparison_figure"]  # there are no others
    shown = (done.folder / "results/comparing/overview.html").read_text()
    assert "<h3>Comparisons</h3>" in shown and "layer1~layer2" in shown
    written = (done.folder / "results/comparing/summary.md").read_text()
    assert "| families | shapes/mlp | shapes/cnn | layer1~layer2 |" in written


def test_what_runs_again(again):
    """Nothing; of another match, that comparison alone; of another training, what is of it."""
    assert again.planned(*TARGETS) == Counter()
    changed = copy.deepcopy(SMALL)
    changed["comparisons"]["families"]["match"] = {"layer2": "layer1"}
    again.configure(changed)
    planned = again.planned(*TARGETS)
    of_figures = planned.pop("comparison_figure")
    assert planned == Counter(compare_covariance=2, compare_align=2, summary=1), planned
    assert of_figures >= 1
    changed = copy.deepcopy(SMALL)
    changed["networks"]["mlp"]["training"] = {"epochs": 2}
    again.configure(changed)
    planned = again.planned(*TARGETS)
    assert planned["train"] == 4  # two seeds on two data sets
    assert planned["compare_covariance"] == 6 + 2  # of data, and of families, where mlp is the own


def test_a_plan_knew_what_comparisons_take(done, monkeypatch):
    told = all_jobs(done, *TARGETS)
    monkeypatch.chdir(done.folder)
    known = Known(told.settings, {path for job in told.jobs for path in job.outputs})
    assert {"compare_covariance", "compare_align"} <= same_memory(told, known)
    ratios = sizes(told, known)
    assert all(1 / 2 < ratio < 2 for ratio in ratios.values()), ratios
    assert all((Work(known).seconds(job) or 0) > 0 for job in told.jobs)
