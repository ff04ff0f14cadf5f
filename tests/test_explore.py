"""docs/explore.py: from a results folder to three figures."""

import ast
import re
import runpy
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml

import latentdims
from latentdims.results.opened import open_results

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "explore.py"
TEXT = NOTEBOOK.read_text(encoding="utf-8")


@pytest.fixture
def drawn(finished, monkeypatch):
    """The figures that it draws of the tiny experiment."""
    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.setattr(latentdims, "open_results", open_results, raising=False)
    monkeypatch.setenv("RESULTS", str(finished.folder / "results"))
    plt.close("all")
    runpy.run_path(str(NOTEBOOK))
    yield [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")


def test_it_draws_what_the_files_hold(drawn, finished):
    """Where only the ends were measured, of two networks on one data set."""
    along, vectors, compared = drawn
    folder = finished.folder / "results/shapes/mlp"
    with h5py.File(folder / "seed1/alignment.h5", locking=False) as file:
        scores = file["seed0/layer2/similarity"][:, 1, 1] ** 2  # test images, centred
        nulls = file["seed0/layer2/similarity_null"][:, :, 1, 1] ** 2
    top, bottom = along.axes
    np.testing.assert_array_equal(top.lines[0].get_xydata(), [[0, scores[0]], [1, scores[1]]])
    np.testing.assert_allclose(top.lines[1].get_ydata(), nulls.mean(0))
    leading = []
    for line, seed in zip(bottom.lines, (0, 1), strict=True):
        with h5py.File(folder / f"seed{seed}/network.h5", locking=False) as file:
            np.testing.assert_array_equal(line.get_ydata(), file["history/test_accuracy"])
            weights = file["weights/layer1"][-1].astype(float)
        leading.append(np.linalg.eigh(weights.T @ weights)[1][:, :-13:-1])  # of 12 neurons
    third = leading[0][:, 2]
    like = leading[1][:, abs(third @ leading[1]).argmax()]
    for number, vector in ((2, third), (8 + 2, like)):
        shown = vectors.axes[number].images[0].get_array()  # (H, W, 3)
        expected = vector.reshape(3, 32, 32).transpose(1, 2, 0)
        # Two steps of training change little; float32 is finer.
        assert abs(np.corrcoef(shown.ravel(), expected.ravel())[0, 1]) > 1 - 1e-8
    spectrum, shares = compared.axes
    assert len(spectrum.lines) == 4
    assert len(shares.containers) == 2  # trained and untrained
    trained = shares.containers[0].lines[0].get_ydata()
    np.testing.assert_allclose(trained[1], scores[1])


def test_it_needs_nothing_else():
    names = set()
    for node in ast.walk(ast.parse(TEXT)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        assert not isinstance(node, ast.ImportFrom)
    assert names == {"json", "os", "latentdims", "matplotlib.pyplot", "numpy"}


def test_its_configuration_makes_what_it_reads():
    (config,) = re.findall(r"make run CONFIG=(\S+)", TEXT)
    made = yaml.safe_load((ROOT / config).read_text(encoding="utf-8"))
    assert f'"{made["results"]}"' in TEXT
    assert f'NETWORK = "{next(iter(made["networks"]))}"' in TEXT
    assert len(made["datasets"]) == 2
    assert made["alignment"]["epochs"] == "kept"
