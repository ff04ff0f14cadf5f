"""Networks that others have written, in the workflow: the example of docs/own.md, word for word."""

import copy
import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from workflow import Workflow

from latentdims.figures import catalogue

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "own.md").read_text(encoding="utf-8")
(MODELS,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLE, TORCHVISION = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
FIGURES = catalogue.drawn(seeds=2)
OF_A_SEED = ("train", "covariance", "align", "clip", "generate")
OWN = {"describe": 1, **dict.fromkeys(OF_A_SEED, 2), "figure": len(FIGURES), "summary": 1, "all": 1}
SITES = ["2", "5"]


def small(**networks: Any) -> dict[str, Any]:
    """The page's example with few images, and a function that is imported from another file."""
    data = {"shapes": {"source": "embedded", "train_samples": 200, "test_samples": 100}}
    networks = {**copy.deepcopy(EXAMPLE["networks"]), **networks}
    return {
        **EXAMPLE,
        "datasets": data,
        "networks": networks,
        "seeds": 2,
        "training": {"epochs": 1},
    }


def sites(workflow: Workflow, network: str) -> subprocess.CompletedProcess[str]:
    """What `make sites` prints."""
    return subprocess.run(
        [sys.executable, "-m", "latentdims.workflow.sites"],
        cwd=workflow.folder,
        env={**os.environ, "CONFIG": "config.yaml", "NETWORK": network},
        capture_output=True,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The example beside a network of a family, run; the function lies beside what is named."""
    workflow = Workflow(
        tmp_path_factory.mktemp("own") / "code",
        small(mlp={"architecture": "mlp", "widths": [12]}),
    )
    workflow.folder.joinpath("written.py").write_text(MODELS, encoding="utf-8")
    workflow.folder.joinpath("my_models.py").write_text("from written import make\n")
    workflow.complete("--quiet")
    return workflow


@pytest.fixture
def again(done, tmp_path):
    """A copy of it, to be changed."""
    return done.copy(tmp_path / "again")


def test_every_site_is_measured(done):
    results = done.folder / "results" / "own"
    described = json.loads((results / "shapes/own/architecture.json").read_text())
    assert [site["name"] for site in described["sites"]] == list(map(str, range(9)))
    assert [weight["reads"] for weight in described["weights"]] == ["images", "2", "7"]
    assert not (results / "shapes/mlp/architecture.json").exists()
    with (results / "summary.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["network"] == "own"]

    def layers(quantity):
        return {row["layer"] for row in rows if row["quantity"] == quantity}

    assert layers("similarity") == {*SITES}
    assert layers("weight_eigenvalue") == {"0", "3", "8"}
    accuracy, *single = [
        row for row in rows if row["quantity"] == "accuracy" and row["split"] == "test"
    ]
    assert 2 < float(accuracy["value"]) < 60 and accuracy["n"] == "2"
    assert [row["seed"] for row in single] == ["0", "1"]
    for name in FIGURES:
        drawn = (results / f"figures/shapes/own/{name}.svg").read_text(encoding="utf-8")
        assert "<svg" in drawn
    assert "chain of blocks" in (results / "summary.md").read_text(encoding="utf-8")


def test_the_table_of_sites_is_the_page_s(done):
    (shown,) = re.findall(r"```text\n(own, for images.*?)```", PAGE, re.DOTALL)
    assert sites(done, "own").stdout == shown
    of_family = sites(done, "mlp").stdout.splitlines()
    assert of_family[2:] == [
        "images      3 x 32 x 32   3                  layer1",
        "layer1      12            12        yes      classifier",
        "classifier  10            10        output",
        "Networks are drawn.",
    ]
    wrong = sites(done, "onw")
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: NETWORK=onw: config.yaml has")
    assert sites(done, "").stderr == "error: NETWORK=: name a network of config.yaml: own, mlp\n"


def test_an_edit_runs_what_it_reaches(again):
    """Of the file that is named, and of the one beside it."""
    assert again.planned() == Counter()
    again.edit("written.py", "from torch import nn", "from torch import nn  # PyTorch")
    assert again.planned() == Counter()
    again.edit("written.py", "nn.GELU()", "nn.ReLU()")
    assert again.planned() == Counter(OWN | {"consensus": 0}) - Counter(consensus=1)
    again.edit("written.py", "nn.ReLU()", "nn.GELU()")
    again.edit("my_models.py", "make", "make as make")
    assert again.planned()["describe"] == 1 and again.planned()["train"] == 2


def test_a_setting_runs_what_it_reaches(again):
    again.configure(small(mlp={"architecture": "mlp", "widths": [13]}))
    found = again.planned()
    assert found["describe"] == 0 and found["train"] == 2
    config = small(mlp={"architecture": "mlp", "widths": [12]})
    config["networks"]["own"]["sites"] = ["2", "8"]
    again.configure(config)
    measured = Counter(OWN) - Counter(describe=1, train=2, figure=2)  # of networks alone
    assert again.planned() == measured
    config["networks"]["own"]["sites"] = ["2", "55"]
    again.configure(config)
    refused = again.run("--dry-run")
    assert "networks.own.sites: no part '55' runs; did you mean '5'" in refused.stdout


def test_without_records_nothing_runs_again(again):
    (again.folder / ".snakemake").rename(again.folder / "records")
    assert again.planned() == Counter()


def test_what_cannot_be_measured_is_said_before_anything_is_trained(done, tmp_path):
    workflow = done.copy(tmp_path / "wrong")
    config = small()
    config["results"] = "results/wrong"
    config["networks"]["own"]["sites"] = ["2", "55"]
    workflow.configure(config)
    failed = workflow.run("--quiet")
    assert failed.returncode and "sites: no part '55' runs; did you mean '5'" in failed.stderr
    results = workflow.folder / "results" / "wrong"
    assert not list(results.rglob("network.h5"))
    config["networks"]["own"]["architecture"] = "my_model.py:make"
    workflow.configure(config)
    refused = workflow.run("--quiet")
    assert refused.returncode and "there is no file my_model.py" in refused.stderr
    assert not (results / "logs" / "train").exists()


def test_a_network_is_run_with_its_own_data_sets_alone(done, tmp_path):
    workflow = done.copy(tmp_path / "apart")
    config = small()
    config["datasets"]["more"] = {"source": "embedded", "train_samples": 90, "test_samples": 40}
    config["networks"]["own"]["datasets"] = ["more"]
    config["networks"]["mlp"] = {"architecture": "mlp", "widths": [12]}
    workflow.configure(config)
    planned = workflow.complete("--dry-run")
    made = {
        line.split("/seed")[0].split()[-1] for line in planned.splitlines() if "network.h5" in line
    }
    assert not any("shapes/own" in each for each in made)
    assert workflow.planned()["train"] == 4
    config["networks"]["own"]["datasets"] = ["mor"]
    workflow.configure(config)
    refused = workflow.run("--dry-run")
    assert "networks.own.datasets: no data set 'mor'; did you mean 'more'" in refused.stdout


def test_a_model_of_torchvision_is_refused_by_name(done, tmp_path):
    workflow = done.copy(tmp_path / "named")
    network = {**TORCHVISION["networks"]["resnet18"], "architecture": "torchvision:resnet81"}
    workflow.configure(small(resnet18=network))
    refused = workflow.run("--dry-run")
    assert "networks.resnet18.architecture: torchvision has no 'resnet81'" in refused.stdout
