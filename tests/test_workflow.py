"""The workflow as a whole: what it plans, what it makes, what it repeats, and how it fails."""

import re
import tarfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from workflow import TINY

from latentdims import storage
from latentdims.figures import catalogue
from latentdims.workflow import memory

FIGURES = len(catalogue.drawn(seeds=2))


def test_plan_of_a_small_configuration(fresh):
    per_network = {"train": 2, "covariance": 2, "align": 2, "clip": 2, "generate": 2}
    expected = {rule: 2 * count for rule, count in per_network.items()}
    expected |= {"prepare": 1, "samples": 1, "figure": 2 * FIGURES, "summary": 1, "all": 1}
    assert fresh.planned() == Counter(expected)


@pytest.mark.slow
def test_seeds_that_are_trained_together_are_one_job_of_each_network(fresh):
    plan = fresh.planned()
    together = ("--config", "training={epochs: 1, together: true}")
    assert fresh.planned(*together) == Counter({**plan, "train": 2})
    # And their files are those that later rules ask for.
    folder = fresh.folder / "results" / "shapes" / "cnn"
    fresh.complete("results/shapes/cnn/seed1/covariance.h5", *together)
    assert {path.parent.name for path in folder.glob("*/network.h5")} == {"seed0", "seed1"}
    assert "train" not in fresh.planned("results/shapes/cnn/seed0/covariance.h5", *together)


def test_pairs_with_the_first_seed_alone(fresh):
    output = fresh.complete("--dry-run", "--config", "seeds=3", "alignment={pairs: first}")
    third = next(
        line
        for line in output.splitlines()
        if "input:" in line and "mlp/seed2/network.h5, results/shapes/mlp/seed0/network.h5" in line
    )
    assert "seed1" not in third


def test_one_seed_has_no_pairs_to_draw(fresh):
    plan = fresh.planned("--config", "seeds=1")
    assert plan["figure"] == 2 * (FIGURES - len(catalogue.OF_PAIRS))


@pytest.mark.slow
def test_covariances_in_parts_are_the_same(again):
    name = "results/shapes/cnn/seed1/covariance.h5"
    with h5py.File(again.folder / name) as file:
        whole = storage.arrays(file)
    again.complete("--quiet", "--config", "covariance={parts: 3}", "--", name)
    assert [path.name for path in (again.folder / name).parent.glob("covariance*")] == [
        "covariance.h5"
    ]
    with h5py.File(again.folder / name) as file:
        merged = storage.arrays(file)
    assert whole.keys() == merged.keys()
    for key, values in whole.items():
        # Sums of n products in another order; the largest layer has 200 images at 100 positions.
        rounding = 20_000 * np.finfo(np.float64).eps * max(1, np.abs(values).max())
        np.testing.assert_allclose(merged[key], values, rtol=0, atol=rounding, err_msg=key)


@pytest.mark.slow
def test_every_artefact_is_there_and_whole(finished):
    results = finished.folder / "results"
    for network in TINY["networks"]:
        for seed in range(2):
            folder = results / "shapes" / network / f"seed{seed}"
            for kind in ("network", "covariance", "alignment", "clipping", "generation"):
                with storage.read(folder / f"{kind}.h5") as file:
                    assert storage.settings(file)["seed"] == seed
        for figure in catalogue.drawn(seeds=2):
            path = results / "figures" / "shapes" / network / f"{figure}.svg"
            assert "<svg" in path.read_text()
            assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    table = (results / "summary.csv").read_text()
    assert table.startswith("comparison,dataset,network,seed,partner,layer,quantity,")
    report = (results / "report.html").read_text()
    assert all(figure in report for figure in catalogue.drawn(seeds=2))
    assert list(results.rglob("*.partial")) == list(results.rglob(".*")) == []
    logs = (results / "logs" / "covariance" / "shapes" / "cnn" / "seed1.log").read_text()
    assert re.search(r"done in .* MB", logs)


def test_memory_is_declared_within_a_factor_of_two(finished):
    """Of what the jobs took, with Snakemake's own where it runs beside them on a cluster."""
    found = {}
    for path in (finished.folder / "results" / "logs").rglob("*.log"):
        for taken, declared in re.findall(r"at most (\d+) of (\d+) MB", path.read_text()):
            on_cluster = 0 if "figures" in path.parts or path.stem == "summary" else memory.RUNNER
            found[path] = int(declared) / (int(taken) + on_cluster)
    assert len(found) == 22 + 2 * FIGURES + 1
    assert {path: ratio for path, ratio in found.items() if not 1 <= ratio <= 2} == {}


def test_networks_of_different_seeds_differ(finished):
    weights = []
    for seed in range(2):
        path = finished.folder / "results" / "shapes" / "mlp" / f"seed{seed}" / "network.h5"
        with h5py.File(path) as file:
            weights.append(file["weights/layer1"][()])
    assert not np.array_equal(weights[0][0], weights[1][0])
    assert not np.array_equal(weights[0][-1], weights[1][-1])


def assert_clear(done, *words: str) -> None:
    """A failure that names what is wrong, without a traceback."""
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert [word for word in words if word not in output] == []
    assert "Traceback" not in output


def test_a_misspelt_key_stops_before_anything_runs(fresh):
    done = fresh.run("--config", "sedes=3")
    assert_clear(done, "configuration: sedes: unknown key; did you mean 'seeds'?")
    assert not (fresh.folder / "results").exists()


def test_a_missing_archive_stops_before_anything_runs(fresh):
    override = "datasets={shapes: {source: imagefolder, path: nowhere.tar}}"
    assert_clear(fresh.run("--config", override), "datasets.shapes.path", "nowhere.tar")


def test_a_figure_of_pairs_of_a_single_network_is_refused(again):
    figure = "results/figures/shapes/mlp/alignment.svg"
    done = again.run(figure, "--config", "seeds=1", "--force")
    assert_clear(done, "seed0/alignment.h5: a single network has no pairs; give seeds: 2 or more")


def test_a_truncated_archive_leaves_no_file_of_images(fresh, tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (2000, 32), dtype=np.uint8)
    (tmp_path / "pixels").write_bytes(rows.tobytes())
    archive = tmp_path / "photos.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "pixels", "train/a/0.png")
    archive.write_bytes(archive.read_bytes()[:20_000])
    override = f"datasets={{shapes: {{source: imagefolder, path: {archive}}}}}"
    done = fresh.run("results/resources/shapes.h5", "--config", override)
    assert_clear(done, "photos.tar.gz", "not a whole tar archive", "error: ")
    assert not (fresh.folder / "results" / "resources").exists()


def test_a_network_file_cut_short_is_named_and_made_again_and_nothing_else_is_lost(again):
    folder = Path("results/shapes/mlp/seed0")
    network = again.folder / folder / "network.h5"
    network.write_bytes(network.read_bytes()[:5000])
    kept = {
        path: path.read_bytes() for path in (again.folder / folder.parent / "seed1").glob("*.h5")
    }
    said = again.complete("--", f"{folder}/covariance.h5")
    assert f"such as {folder}/network.h5 (damaged)" in said
    assert network.stat().st_size > 5000
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_a_loss_that_is_not_finite_is_explained(fresh):
    done = fresh.run(
        "results/shapes/mlp/seed0/network.h5", "--config", "training={learning_rate: 1e30}"
    )
    assert_clear(done, "step ", "of epoch 1 with learning rate 1e+30")
    log = (fresh.folder / "results" / "logs" / "train" / "shapes" / "mlp" / "seed0.log").read_text()
    assert "error: training.learning_rate" in log
    assert not (fresh.folder / "results" / "shapes" / "mlp" / "seed0" / "network.h5").exists()
