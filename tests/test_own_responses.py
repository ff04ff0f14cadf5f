"""Responses that are brought, in the workflow: the example of docs/responses.md, word for word."""

import csv
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from workflow import Workflow

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "responses.md").read_text(encoding="utf-8")
(SCRIPT,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FIRST, ADDED = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
IMAGES = "results/responses/resources/shapes.h5"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """As the page says: the images, then the responses, then everything; with few images."""
    data = {"shapes": {"source": "embedded", "train_samples": 240, "test_samples": 120}}
    small = {**FIRST, "datasets": data, "seeds": 2, "training": {"epochs": 1}}
    workflow = Workflow(tmp_path_factory.mktemp("responses") / "code", small)
    workflow.complete("--quiet", "all", "--", IMAGES)
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=workflow.folder, check=True)
    workflow.configure({**small, **ADDED})
    workflow.complete("--quiet")
    return workflow


def rows(workflow: Workflow) -> list[dict[str, str]]:
    with (workflow.folder / "results/responses/summary.csv").open() as file:
        return list(csv.DictReader(file))


def test_responses_are_compared_with_one_another_and_with_networks(done):
    found = Counter(
        (row["comparison"], row["network"], row["partner"], row["null"])
        for row in rows(done)
        if row["quantity"] == "variance_explained" and row["split"] == "test"
    )
    assert found["", "cortex", "", ""] == 2  # centrings
    assert found["", "cortex", "", "untrained"] == 0
    assert found["brain", "mlp", "shapes/cortex", ""] == 2 * 3  # layers
    assert found["brain", "mlp", "shapes/cortex", "untrained"] == 2 * 3
    undefined = [row for row in rows(done) if row["network"] == "cortex" and not row["value"]]
    assert {"accuracy", "loss"} <= {row["quantity"] for row in undefined}
    written = (done.folder / "results/responses/summary.md").read_text(encoding="utf-8")
    assert "shapes, cortex: only its responses are known" in written


def test_other_responses_run_again_what_is_of_them(done, tmp_path):
    again = done.copy(tmp_path / "again")
    assert again.planned() == Counter()
    path = again.folder / "subject1.h5"
    path.touch()
    assert again.planned() == Counter()
    path.write_bytes((again.folder / "subject0.h5").read_bytes())
    planned = again.planned()
    assert planned["adopt"] == 1 and planned["train"] == 0
    assert planned["compare_align"] == 2 + 1  # both networks beside it, and itself
    assert (planned["align"], planned["clip"], planned["generate"]) == (1, 1, 1)


def test_a_subject_without_its_file_is_named_before_anything_runs(done, tmp_path):
    again = done.copy(tmp_path / "again")
    (again.folder / "subject1.h5").unlink()
    failed = again.run("--dry-run")
    words = "networks.cortex.responses: there is no file, subject1.h5, for seed 1;"
    assert failed.returncode and words in failed.stdout + failed.stderr
