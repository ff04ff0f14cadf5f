"""What one invocation leaves to another: cached results, and none of two versions."""

import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from workflow import TINY, Workflow

SMALL = {**TINY, "networks": {"mlp": {"architecture": "mlp", "widths": [12, 8]}}}
FOLDER = Path("results/shapes/mlp")


def networks(workflow: Workflow) -> list[bytes]:
    return [(workflow.folder / FOLDER / f"seed{seed}/network.h5").read_bytes() for seed in (0, 1)]


def ran(workflow: Workflow) -> set[str]:
    """The jobs whose scripts ran: they have written to their logs."""
    logs = workflow.folder / "results" / "logs"
    written = [path for path in logs.rglob("*.log") if path.stat().st_size]
    return {path.relative_to(logs).with_suffix("").as_posix() for path in written}


@pytest.mark.slow
def test_two_folders_share_what_they_have_in_common(tmp_path, monkeypatch):
    """Data and networks come from the cache, each seed its own; a change of what a network depends
    on is not taken from it."""
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    targets = [str(FOLDER / f"seed{seed}/network.h5") for seed in (0, 1)]
    first, second, edited = (
        Workflow(tmp_path / name, SMALL) for name in ("first", "second", "edited")
    )
    first.complete(*targets, "--cache")
    second.complete(*targets, "--cache")
    assert ran(first) == {"prepare/shapes", "train/shapes/mlp/seed0", "train/shapes/mlp/seed1"}
    assert ran(second) == set()
    one, other = networks(first)
    assert one != other
    assert networks(second) == [one, other]
    for seed in (0, 1):
        with h5py.File(second.folder / targets[seed]) as file:
            assert f'"seed": {seed}' in file.attrs["settings"]
    edited.edit("latentdims/models/blocks.py", "bound = 1 /", "bound = 0.5 /")
    edited.complete(*targets, "--cache")
    with (
        h5py.File(edited.folder / targets[0]) as ours,
        h5py.File(first.folder / targets[0]) as file,
    ):
        scaled = file["weights/layer1"][0] / 2
        np.testing.assert_array_equal(ours["weights/layer1"][0], scaled)
    assert ran(edited) == {"train/shapes/mlp/seed0", "train/shapes/mlp/seed1"}
    # A cached file that is cut short is mended for all, by the command that finds it.
    cached = (second.folder / targets[1]).resolve()
    cached.write_bytes(other[: len(other) // 3])
    needs_it = str(FOLDER / "seed1/covariance.h5")
    done = second.run(needs_it, "--cache")
    assert "perhaps cut short" in done.stdout + done.stderr
    assert f"in the shared cache as {cached}; it was moved to" in done.stdout + done.stderr
    done = second.run("--dry-run", needs_it)
    assert "gone from the shared cache; a run makes it again" in done.stdout + done.stderr
    second.complete(needs_it, "--cache")
    assert networks(first) == networks(second) == [one, other]


@pytest.fixture
def going_on(tmp_path):
    """A workflow, and a way to edit it when its first network is there, before the next."""
    workflow = Workflow(tmp_path / "code", SMALL)

    def run(edit) -> subprocess.CompletedProcess[str]:
        targets = [str(FOLDER / f"seed{seed}/clipping.h5") for seed in (0, 1)]
        process = workflow.start("--cores", "1", *targets)
        while not list(workflow.folder.glob("results/shapes/mlp/*/network.h5")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        edit()
        output, errors = process.communicate()
        return subprocess.CompletedProcess([], process.returncode, output, errors)

    return workflow, run


@pytest.mark.slow
def test_code_that_is_edited_during_a_run_stops_it(going_on):
    workflow, run = going_on
    done = run(
        lambda: workflow.edit(
            "latentdims/interventions/components.py", "sizes.of(x.device).ranks", "4"
        )
    )
    assert done.returncode != 0
    assert "clip.py was edited during the run" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    # Jobs that the edit does not reach go on.
    assert len(list(workflow.folder.glob("results/shapes/mlp/*/covariance.h5"))) == 2
    assert not list(workflow.folder.rglob("clipping.h5"))
    assert workflow.planned(str(FOLDER / "seed1/clipping.h5"))["clip"] == 1
    assert "train" not in workflow.planned(str(FOLDER / "seed1/clipping.h5"))


@pytest.mark.slow
def test_a_configuration_that_is_edited_during_a_run_counts_for_the_next(going_on):
    workflow, run = going_on
    edited = {**SMALL, "training": {"epochs": 2}}
    done = run(lambda: workflow.configure(edited))
    assert done.returncode == 0, done.stderr
    for path in workflow.folder.glob("results/shapes/mlp/*/*.h5"):
        with h5py.File(path) as file:
            assert '"epochs": 1' in file.attrs["settings"]
    assert workflow.planned(str(FOLDER / "seed1/clipping.h5"))["train"] == 2  # and a partner
