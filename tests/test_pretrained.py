"""configs/own/efficientnet.yaml, on a few small pictures: a network that ImageNet trained."""

import csv
import importlib.util
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from workflow import ROOT, Workflow

pytestmark = pytest.mark.slow

CONFIG = yaml.safe_load((ROOT / "configs/own/efficientnet.yaml").read_text(encoding="utf-8"))
SITES = CONFIG["networks"]["efficientnet"]["sites"]
SIDE, SPLITS = 64, {"train": 36, "test": 20}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    asked = dict(CONFIG["datasets"]["photographs"])
    asked |= {f"{split}_samples": number for split, number in SPLITS.items()} | {"size": SIDE}
    config = {**CONFIG, "datasets": {"photographs": asked}, "results": "results"}
    workflow = Workflow(tmp_path_factory.mktemp("pretrained") / "code", config)
    random = np.random.default_rng(0)
    for split, number in [(name, each) for name in SPLITS for each in range(SPLITS[name])]:
        path = workflow.folder / f"photographs/{split}/class{number % 3}/{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((80, 80), Image.Resampling.BICUBIC).save(path)
    command = [sys.executable, "configs/own/efficientnet.py", "weights"]
    subprocess.run(command, cwd=workflow.folder, check=True)
    workflow.complete("--quiet", "--", "results/summary.csv")
    return workflow.folder


def at_sites(folder, seed, images):
    """(n, positions, channels) at each site in float64, by hooks."""
    spec = importlib.util.spec_from_file_location("own", folder / "configs/own/efficientnet.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)
    module, seen = own.make((3, SIDE, SIDE), 1000), {}
    module.load_state_dict(torch.load(folder / f"weights/{seed}.pt"))
    for site in SITES:
        module.get_submodule(site).register_forward_hook(
            lambda _, __, output, site=site: seen.update({site: output})
        )
    with torch.no_grad():
        module.double().eval()(images)
    return {site: found.flatten(2).movedim(1, 2).numpy() for site, found in seen.items()}


def test_similarity_with_its_noisy_copy_is_that_of_its_hooks(done):
    preprocessing = CONFIG["networks"]["efficientnet"]["preprocessing"]
    mean, std = (torch.tensor(preprocessing[key])[:, None, None] for key in ("mean", "std"))
    with h5py.File(done / "results/resources/photographs.h5") as file:
        shown = {
            split: (torch.from_numpy(file[f"{split}/images"][()]).double() / 255 - mean) / std
            for split in SPLITS
        }
    both = [{split: at_sites(done, seed, x) for split, x in shown.items()} for seed in (0, 1)]
    path = done / "results/photographs/efficientnet/seed1/alignment.h5"
    with h5py.File(path) as file:
        assert file["epoch"][()].tolist() == [1]
        for site in SITES:
            x, y = ({split: each[split][site] for split in SPLITS} for each in both)
            flat = [each["train"].reshape(-1, each["train"].shape[-1]) for each in (x, y)]
            left, _, right = np.linalg.svd(flat[0].T @ flat[1])
            for place, split in enumerate(("train", "test")):
                a, b = (each[split].reshape(-1, each[split].shape[-1]) for each in (x, y))
                norms = np.linalg.norm(a) * np.linalg.norm(b)
                found = file[f"seed0/{site}/similarity"][0, place, 0]
                assert found == pytest.approx(np.sum(a @ left @ right * b) / norms, abs=1e-4)
            null = file[f"seed0/{site}/similarity_null"][:, 0, 1]
            assert (file[f"seed0/{site}/similarity"][0, 1] > null.max(0)).all()


def test_accuracy_of_other_classes_is_undefined(done):
    with (done / "results/summary.csv").open(newline="") as file:
        rows = {row["quantity"]: row["value"] for row in csv.DictReader(file)}
    assert rows["accuracy"] == "" and rows["similarity"] and rows["participation_ratio"]
    told = (done / "results/summary.md").read_text()
    assert "its 1000 outputs are not the 3 classes of the data set" in told
