"""Networks whose checkpoints were written by plain PyTorch code, in the workflow."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from test_plan import all_jobs, same_memory, sizes
from torch import nn
from torch.nn import functional
from workflow import Workflow

from latentdims.figures import catalogue
from latentdims.planning.known import Known

pytestmark = pytest.mark.slow

MODELS = """
from torch import nn


def make(image_shape, classes, width=5):
    return nn.Sequential(
        nn.Conv2d(image_shape[0], width, 5, stride=4),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * 49, 7),
        nn.ReLU(),
        nn.Linear(7, classes),
    )
"""
SITES = ["2", "5"]  # of 5 and 7 channels
MEAN, STD = [0.41, 0.52, 0.33], [0.23, 0.31, 0.28]
OWN = {"architecture": "my_models.py:make", "sites": SITES}
OWN |= {"preprocessing": {"mean": MEAN, "std": STD}}
OLD = "results/shapes/mlp/seed{seed}/network.h5"
NETWORKS = {
    "mlp": {"architecture": "mlp", "widths": [9, 6]},
    "old": {
        "architecture": "mlp",
        "widths": [9, 6],
        "checkpoints": {"path": OLD, "epochs": [2]},
        "untrained": OLD,
    },
    "own": OWN
    | {
        "checkpoints": {
            "path": "runs/{seed}_{epoch:02d}.pt",
            "key": "model.weights",
            "prefix": "module.",
            "epochs": [1, 3],
        }
    },
    "start": OWN | {"checkpoints": "runs/{seed}.safetensors", "untrained": "runs/start{seed}.pt"},
    "thousand": OWN | {"classes": 17, "checkpoints": "runs/thousand{seed}.pt"},
}
CONFIG = {
    "datasets": {"shapes": {"source": "embedded", "train_samples": 120, "test_samples": 60}},
    "networks": NETWORKS,
    "seeds": 2,
    "training": {"epochs": 2, "learning_rate": 0.05},
    "alignment": {"epochs": "kept", "null_pairings": 5},
    "generation": {"draws": 2, "classifiers": ["retrained"]},
}
PAGE = (Path(__file__).parents[1] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(EXAMPLE,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
OF_A_SEED = ("adopt", "covariance", "align", "clip", "generate")


def made(classes=10) -> nn.Sequential:
    namespace = {}
    exec(MODELS, namespace)
    return namespace["make"]((3, 32, 32), classes)


def shown(file: h5py.File, split: str) -> torch.Tensor:
    """Images as the network sees them, by its own preprocessing, not that of the data set."""
    pixels = torch.from_numpy(file[f"{split}/images"][()]).double() / 255
    mean, std = (torch.tensor(each).double()[:, None, None] for each in (MEAN, STD))
    return (pixels - mean) / std


def write_checkpoints(folder: Path) -> None:
    """What a training of one's own keeps: another loop, other names, other formats."""
    (folder / "runs").mkdir()
    with h5py.File(folder / "results/resources/shapes.h5") as file:
        x, labels = shown(file, "train").float(), torch.from_numpy(file["train/labels"][()])
    for seed in (0, 1):
        torch.manual_seed(40 + seed)
        torch.save(made(17).state_dict(), folder / f"runs/thousand{seed}.pt")
        module = made()
        torch.save(module.state_dict(), folder / f"runs/start{seed}.pt")
        optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
        for epoch in (1, 2, 3):
            for batch in torch.randperm(len(x)).split(30):
                optimiser.zero_grad()
                functional.cross_entropy(module(x[batch]), labels[batch]).backward()
                optimiser.step()
            weights = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
            kept = {"epoch": epoch, "model": {"weights": weights}, "adam": optimiser.state_dict()}
            torch.save(kept, folder / f"runs/{seed}_{epoch:02d}.pt")
        save_file(module.state_dict(), folder / f"runs/{seed}.safetensors")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """All networks but the first adopted; that one is trained, and adopted from its file."""
    trained = {**CONFIG, "networks": {"mlp": NETWORKS["mlp"]}}
    workflow = Workflow(tmp_path_factory.mktemp("adopted") / "code", trained)
    workflow.complete("--quiet", "--", *(OLD.format(seed=seed) for seed in (0, 1)))
    (workflow.folder / "my_models.py").write_text(MODELS, encoding="utf-8")
    write_checkpoints(workflow.folder)
    workflow.configure(CONFIG)
    workflow.complete("--quiet", "--", "results/summary.csv")
    return workflow


@pytest.fixture
def again(done, tmp_path):
    """A copy of it, to be changed."""
    return done.copy(tmp_path / "again")


@pytest.fixture(scope="module")
def results(done):
    return done.folder / "results"


def plain(results: Path, seed: int) -> nn.Sequential:
    """The module at its last epoch, in float64, loaded by nobody but PyTorch."""
    module = made()
    kept = torch.load(results.parent / f"runs/{seed}_03.pt")["model"]["weights"]
    module.load_state_dict({name.removeprefix("module."): kept[name] for name in kept})
    return module.double().eval()


def representations(results: Path, seed: int, split: str) -> dict[str, np.ndarray]:
    """(rows, channels) at each site, by hooks; rows are images times positions."""
    module, seen = plain(results, seed), {}
    for name in SITES:
        module.get_submodule(name).register_forward_hook(
            lambda _, __, output, name=name: seen.setdefault(name, output)
        )
    with h5py.File(results / "resources/shapes.h5") as file, torch.no_grad():
        module(shown(file, split))
    rows = {name: each.movedim(1, -1).flatten(0, -2) for name, each in seen.items()}
    return {name: each.numpy() for name, each in rows.items()}


def opened(results: Path, network: str, kind: str, seed: int = 1) -> h5py.File:
    return h5py.File(results / f"shapes/{network}/seed{seed}/{kind}.h5")


# Representations in float32 err by their rounding after some hundred products, and moments by as
# much, relative to the largest.
NEAR = {"rtol": 0, "atol": 2e-5}


@pytest.mark.parametrize("split", ["train", "test"])
def test_moments_are_those_of_the_module_s_own_hooks(results, split):
    first, own = (representations(results, seed, split) for seed in (0, 1))
    for layer in SITES:
        x, y = first[layer], own[layer]
        with opened(results, "own", "covariance") as file:
            assert file["epoch"][()].tolist() == [1, 3]
            group, size = file[f"{split}/{layer}"], (y**2).mean(0).max()
            assert group["count"][-1] == len(y)
            np.testing.assert_allclose(group["mean"][-1], y.mean(0), **NEAR)
            covariance = np.cov(y.T, bias=True)
            np.testing.assert_allclose(group["covariance"][-1] / size, covariance / size, **NEAR)
            cross = (x - x.mean(0)).T @ (y - y.mean(0)) / len(y)
            found = group["cross_covariance/seed0"][-1]
            np.testing.assert_allclose(found / size, cross / size, **NEAR)


def angular(x: np.ndarray, y: np.ndarray) -> float:
    """As netrep (Williams et al. 2021) computes it: `netrep.metrics.LinearMetric(alpha=1)`, the
    distance of two representations (rows, channels), centred, after the best rotation."""
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return np.arccos(np.clip(np.linalg.svd(x.T @ y, compute_uv=False).sum(), -1, 1))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """Kornblith et al. 2019, from Gram matrices of the rows."""
    grams = [(z - z.mean(0)) @ (z - z.mean(0)).T for z in (x, y)]
    norms = [np.linalg.norm(gram) for gram in grams]
    return (grams[0] * grams[1]).sum() / (norms[0] * norms[1])


def whitened_cosine(x: np.ndarray, y: np.ndarray) -> float:
    """As rsatoolbox compares dissimilarities, `compare(method="cosine_cov")`: squared Euclidean
    ones, whitened by their covariance for noise that is the same for all rows (Diedrichsen et al.
    2021)."""
    first, second = np.triu_indices(len(x), 1)
    contrasts = np.eye(len(x))[first] - np.eye(len(x))[second]
    a, b = (((contrasts @ z) ** 2).sum(1) for z in (x, y))
    solved = np.linalg.solve((contrasts @ contrasts.T) ** 2, np.stack([a, b], axis=1))
    return (a @ solved[:, 1]) / np.sqrt((a @ solved[:, 0]) * (b @ solved[:, 1]))


def test_peers_measure_the_same(results):
    first, own = (representations(results, seed, "test") for seed in (0, 1))
    for layer in SITES:
        with (
            opened(results, "own", "covariance") as moments,
            opened(results, "own", "covariance", seed=0) as partner,
        ):
            cross = moments[f"test/{layer}/cross_covariance/seed0"][-1]
            powers = [
                np.linalg.norm(file[f"test/{layer}/covariance"][-1]) for file in (moments, partner)
            ]
        ours = np.linalg.norm(cross) ** 2 / np.prod(powers)
        assert ours == pytest.approx(cka(first[layer], own[layer]), abs=1e-4)
        if layer == SITES[-1]:  # one row for each image
            assert ours == pytest.approx(whitened_cosine(first[layer], own[layer]), abs=1e-4)
    first, own = (representations(results, seed, "train") for seed in (0, 1))
    with opened(results, "own", "alignment") as file:
        centrings = list(file["centring"].asstr()[()])
        for layer in SITES:
            cosine = file[f"seed0/{layer}/similarity"][-1, 0, centrings.index("centred")]
            assert np.arccos(cosine) == pytest.approx(angular(first[layer], own[layer]), abs=1e-4)


def test_accuracy_is_that_of_the_plain_module(results):
    for seed in (0, 1):
        with h5py.File(results / "resources/shapes.h5") as file, torch.no_grad():
            labels = file["test/labels"][()]
            guesses = plain(results, seed)(shown(file, "test")).argmax(1).numpy()
        accuracy = 100 * (guesses == labels).mean()
        log = (results / f"logs/adopt/shapes/own/seed{seed}.log").read_text()
        assert f"accuracy of the adopted network: {accuracy:.2f} % of test images" in log
        with opened(results, "own", "network", seed) as file:
            assert file["history/test_accuracy"][-1] == pytest.approx(accuracy)
            assert file["history/epoch"][()].tolist() == [1, 3]
            matrix, offset = (file[f"preprocessing/{name}"][()] for name in ("matrix", "offset"))
            np.testing.assert_allclose(matrix, np.diag(1 / (255 * np.array(STD))))
            np.testing.assert_allclose(offset, -np.array(MEAN) / STD)
        with opened(results, "own", "clipping", seed) as file:
            assert file["reference_accuracy"][()] == pytest.approx(accuracy)
            for layer, channels in zip(SITES, (5, 7), strict=True):
                assert file[f"activation/{layer}/rank"][-1] == channels
                assert file[f"activation/{layer}/accuracy"][-1] == pytest.approx(accuracy)


def rows(results: Path, network: str) -> list[dict[str, str]]:
    with (results / "summary.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["network"] == network]


def test_one_that_is_adopted_from_its_own_file_is_the_trained_one_in_every_number(results):
    trained, old = (rows(results, name) for name in ("mlp", "old"))
    of_all = [row for row in trained if "_by_epoch" not in row["quantity"] or row["at"] != "1"]
    assert [{**row, "network": "mlp"} for row in old] == of_all
    assert len({row["quantity"] for row in old}) > 30
    for kind in ("covariance", "alignment", "clipping", "generation"):
        with opened(results, "mlp", kind) as file, opened(results, "old", kind) as other:
            found = {}
            file.visititems(lambda name, item, found=found: found.setdefault(name, item))
            for name, item in found.items():
                if isinstance(item, h5py.Dataset):
                    np.testing.assert_array_equal(item[()], other[name][()])


def test_without_untrained_networks_what_is_compared_with_them_is_left_out(results):
    told = (results / "summary.md").read_text()
    for name, known in (("own", False), ("start", True), ("thousand", False)):
        found = rows(results, name)
        nulls = {row["null"] for row in found}
        assert nulls == ({"", "unrelated", "untrained"} if known else {"", "unrelated"})
        quantities = {row["quantity"] for row in found}
        assert ("similarity_above_untrained" in quantities) == known
        assert ("learned_components_initial" in quantities) == known
        assert ("0" in {row["epoch"] for row in found}) == known
        assert (f"- shapes, {name}: untrained networks are not known" in told) == (not known)
    assert {row["epoch"] for row in rows(results, "own")} == {"", "3"}


def test_outputs_of_other_classes_have_no_accuracy(results):
    reason = "its 17 outputs are not the 10 classes of the data set"
    for kind, names in (
        ("network", ["history/test_accuracy", "history/train_loss", "history/folds/test_loss"]),
        ("clipping", ["reference_accuracy"]),
        ("generation", ["reference_accuracy", "reference_loss_folds"]),
    ):
        with opened(results, "thousand", kind) as file:
            assert kind == "network" or file.attrs["undefined"] == reason
            for name in names:
                assert np.isnan(file[name][()]).all() and file[name].attrs["reason"] == reason
    found = {row["quantity"]: row["value"] for row in rows(results, "thousand")}
    for quantity in ("accuracy", "loss", "calibration_error", "chance_accuracy"):
        assert found[quantity] == ""
    assert found["similarity"] and not any(name.startswith("clipped") for name in found)
    assert f"- shapes, thousand: {reason}" in (results / "summary.md").read_text()
    with opened(results, "thousand", "network") as file:
        assert file["weights/6"].shape == (1, 17, 7)


@pytest.mark.parametrize("network", ["own", "thousand"])
def test_figures_leave_out_what_is_not_known(results, network):
    words = {}
    for name, kinds in catalogue.SOURCES.items():
        paths = [results / f"shapes/{network}/seed{seed}" for seed in (0, 1)]
        files = {kind: [str(path / f"{kind}.h5") for path in paths] for kind in kinds}
        figure = import_module(f"latentdims.figures.{name}").draw(files)
        figure.canvas.draw()
        texts = [*figure.findobj(lambda item: hasattr(item, "get_text"))]
        words[name] = " ".join(text.get_text() for text in texts)
        assert "untrained" not in words[name]
    for name in ("clipping", "weights"):
        assert ("accuracy is undefined" in words[name]) == (network == "thousand")


def test_another_content_runs_again_what_follows_and_nothing_else(again):
    assert again.planned("--", "results/summary.csv") == Counter()
    path = again.folder / "runs/1_03.pt"
    os.utime(path)
    assert again.planned("--", "results/summary.csv") == Counter()
    shutil.copy(again.folder / "runs/1_02.pt", path)
    # Of seed 1, which has seed 0 as its partner.
    expected = dict.fromkeys(OF_A_SEED, 1) | {"summary": 1}
    assert again.planned("--", "results/summary.csv") == Counter(expected)


def test_what_is_not_there_is_said_while_the_run_is_planned(again):
    (again.folder / "runs/1_03.pt").unlink()
    refused = again.run("--dry-run")
    message = r"networks\.own\.checkpoints: there is no file, runs/1_03\.pt, for seed 1; give its"
    assert refused.returncode and re.search(message, refused.stdout + refused.stderr)


def test_the_example_of_the_page(again):
    (again.folder / "my_net.py").write_text(SCRIPT, encoding="utf-8")
    subprocess.run([sys.executable, "my_net.py"], cwd=again.folder, check=True)
    again.configure({**EXAMPLE, "datasets": CONFIG["datasets"]})
    files = [f"shapes/mine/seed1/{kind}.h5" for kind in ("alignment", "clipping")]
    again.complete("--quiet", "--", *(f"{EXAMPLE['results']}/{file}" for file in files))
    with h5py.File(again.folder / EXAMPLE["results"] / files[0]) as file:
        assert file["epoch"][()].tolist() == [0, 1]
        assert set(file["seed0"]) == {"0", "2", "3", "4", "6"}


def test_preprocessing_of_a_network_runs_again_what_follows(again):
    networks = {**NETWORKS, "own": {**NETWORKS["own"], "preprocessing": {"mean": MEAN}}}
    again.configure({**CONFIG, "networks": networks})
    expected = dict.fromkeys(OF_A_SEED, 2) | {"describe": 1, "summary": 1}
    assert again.planned("--", "results/summary.csv") == Counter(expected)


def test_a_plan_knew_what_adopted_networks_take(done, monkeypatch):
    told = all_jobs(done, "--", "results/summary.csv")
    monkeypatch.chdir(done.folder)
    known = Known(told.settings, {path for job in told.jobs for path in job.outputs})
    assert "adopt" in same_memory(told, known)
    ratios = sizes(told, known)
    del ratios["describe"]  # some kB, by how many sites there could be
    assert all(1 / 2 < ratio < 2 for ratio in ratios.values()), ratios


def test_folders_share_what_they_adopt_by_its_content(done, tmp_path):
    """Whatever the paths are called; another content under the same path is not taken for it."""
    (tmp_path / "cache").mkdir()
    found = {}
    for name, runs in (("one", "runs"), ("two", "elsewhere")):
        start = {"checkpoints": f"{runs}/{{seed}}.safetensors", "untrained": f"{runs}/{{seed}}.pt"}
        folder = Workflow(tmp_path / name, {**CONFIG, "networks": {"start": OWN | start}})
        folder.environment |= {"SNAKEMAKE_OUTPUT_CACHE": str(tmp_path / "cache")}
        (folder.folder / runs).mkdir()
        shutil.copy(done.folder / "my_models.py", folder.folder)
        for seed in (0, 1):
            old, new = done.folder / "runs", folder.folder / runs
            shutil.copy(old / f"start{seed}.pt", new / f"{seed}.pt")
            trained = 0 if name == "two" else seed
            shutil.copy(old / f"{trained}.safetensors", new / f"{seed}.safetensors")
        targets = [f"results/shapes/start/seed{seed}/network.h5" for seed in (0, 1)]
        folder.complete("--quiet", "--cache", "--", *targets)
        found[name] = [(folder.folder / target).resolve() for target in targets]
    assert {path.parent for paths in found.values() for path in paths} == {tmp_path / "cache"}
    assert found["one"][0] == found["two"][0]
    assert len({*found["one"], *found["two"]}) == 3
    for path, seed in ((found["one"][1], 1), (found["two"][1], 0)):
        with h5py.File(path) as file:
            weights = load_file(done.folder / f"runs/{seed}.safetensors")["4.weight"]
            np.testing.assert_array_equal(file["weights/4"][-1].reshape(weights.shape), weights)
