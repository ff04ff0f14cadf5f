"""The workflow on a real SLURM cluster, that of tests/slurm/cluster.sh: make test-slurm."""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from faults import artefacts
from workflow import TINY, Workflow

from latentdims.workflow import waiting

pytestmark = pytest.mark.slurm

FLAGS = ("--workflow-profile", "profiles/slurm", "--latency-wait", "10")
FLAGS += ("--slurm-init-seconds-before-status-checks", "2")  # a cluster of our own may be asked
FLAGS += ("--max-status-checks-per-second", "2")
SMALL = {**TINY, "networks": {"mlp": TINY["networks"]["mlp"]}}
NETWORK = "results/shapes/mlp/seed0/network.h5"
GPU_PARTITION = "train:slurm_partition=gpu"  # --set-resources replaces that of the profile
FIELDS = ("jobid", "comment", "state", "partition", "tres-per-job", "minmemory", "numcpus")
FIELDS += ("timelimit",)


def on_cluster(folder: Path, config: dict[str, Any]) -> Workflow:
    workflow = Workflow(folder, config)
    workflow.flags = FLAGS
    return workflow


def jobs() -> list[dict[str, str]]:
    """What every job since the cluster started has asked for, as the cluster tells it."""
    layout = ",".join(f"{name}:80" for name in FIELDS)
    told = subprocess.run(
        ["squeue", "--states", "all", "--noheader", "--Format", layout],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = []
    for line in told.splitlines():
        cells = [line[80 * i : 80 * (i + 1)].strip() for i in range(len(FIELDS))]
        job = dict(zip(FIELDS, cells, strict=True))
        job["rule"] = job["comment"].removeprefix("rule_").partition("_wildcards")[0]
        found.append(job)
    return found


@pytest.fixture
def new_jobs():
    """The jobs that this test has submitted so far."""
    before = {job["jobid"] for job in jobs()}
    return lambda: [job for job in jobs() if job["jobid"] not in before]


def wait_for(job: Any, rule: str, *states: str) -> str:
    """Number of the first job of a rule that is in one of the states."""
    for _ in range(600):
        for each in job():
            if each["rule"] == rule and each["state"] in states:
                return each["jobid"]
        time.sleep(0.2)
    raise AssertionError(f"no job of rule {rule} gets to {states}: {job()}")


def memory_by_rule(workflow: Workflow) -> dict[str, set[str]]:
    """What the jobs of each rule say in their logs that they were given."""
    found: dict[str, set[str]] = {}
    for path in (workflow.folder / "results/logs").rglob("*.log"):
        for given in re.findall(r"with at most \d+ of (\d+) MB", path.read_text()):
            found.setdefault(
                path.relative_to(workflow.folder / "results/logs").parts[0], set()
            ).add(f"{given}M")
    return found


def test_the_embedded_experiment(tmp_path, new_jobs):
    """All of it, with what was asked for read back; the same bytes as on this machine alone."""
    workflow = on_cluster(tmp_path / "cluster", TINY)
    workflow.complete("--quiet")
    memory = memory_by_rule(workflow)
    per_network = ("train", "covariance", "align", "clip", "generate")
    assert Counter(job["rule"] for job in new_jobs()) == {
        "prepare": 1,
        **dict.fromkeys(per_network, 4),
    }
    for job in new_jobs():
        gpu = job["rule"] in per_network
        half_an_hour = job["rule"] == "prepare"
        assert job["state"] == "COMPLETED"
        assert job["tres-per-job"] == ("gres:gpu:1" if gpu else "N/A")
        assert job["partition"] == ("gpu" if gpu else "cpu")
        assert job["minmemory"] in memory[job["rule"]]
        assert job["numcpus"] == "1"
        assert job["timelimit"] == ("30:00" if half_an_hour else "1:00:00")
    assert not workflow.planned()
    here = Workflow(tmp_path / "here", TINY)
    here.complete("--quiet")
    assert artefacts(workflow) == artefacts(here)


def test_a_job_out_of_memory_gets_more(tmp_path, new_jobs):
    workflow = on_cluster(tmp_path / "code", {**SMALL, "training": {"epochs": 3000}})
    workflow.complete(
        NETWORK, "--set-resources", GPU_PARTITION, "train:mem_mb=200 if attempt == 1 else 3000"
    )
    trained = [job for job in new_jobs() if job["rule"] == "train"]
    assert sorted(job["minmemory"] for job in trained) == ["200M", "3000M"]
    assert {job["state"] for job in trained if job["minmemory"] == "3000M"} == {"COMPLETED"}


def test_a_job_out_of_time_goes_on_where_it_was(tmp_path, new_jobs, monkeypatch):
    short = Workflow(tmp_path / "short", {**SMALL, "training": {"epochs": 2000}})
    short.complete(NETWORK, "--quiet")
    log = short.folder / "results/logs/train/shapes/mlp/seed0.log"
    took = float(re.search(r"done in ([\d.]+) s", log.read_text())[1])
    long = {**SMALL, "training": {"epochs": int(2000 * 150 / took)}}  # two and a half minutes
    monkeypatch.setenv("LATENTDIMS_CHECKPOINT_SECONDS", "2")
    workflow = on_cluster(tmp_path / "code", long)
    workflow.complete(
        NETWORK, "--set-resources", GPU_PARTITION, "train:runtime=1 if attempt == 1 else 60"
    )
    trained = {job["timelimit"]: job["state"] for job in new_jobs() if job["rule"] == "train"}
    assert trained == {"1:00": "TIMEOUT", "1:00:00": "COMPLETED"}
    log = (workflow.folder / "results/logs/train/shapes/mlp/seed0.log").read_text()
    assert "resuming from" in log
    assert "epoch 1 of" not in log
    here = Workflow(tmp_path / "here", long)
    here.complete(NETWORK, "--quiet")
    assert (workflow.folder / NETWORK).read_bytes() == (here.folder / NETWORK).read_bytes()


def test_a_cancelled_job_is_submitted_again(tmp_path, new_jobs):
    workflow = on_cluster(tmp_path / "code", {**SMALL, "training": {"epochs": 2000}})
    process = workflow.start(NETWORK)
    subprocess.run(["scancel", wait_for(new_jobs, "train", "RUNNING")], check=True)
    output, errors = process.communicate()
    assert process.returncode == 0, output + errors
    states = sorted(job["state"] for job in new_jobs() if job["rule"] == "train")
    assert states == ["CANCELLED", "COMPLETED"]


def test_a_run_that_was_killed_is_taken_up_again(tmp_path, new_jobs):
    """Its jobs go on without it, beside those of the next run."""
    workflow = on_cluster(tmp_path / "code", SMALL)
    process = workflow.start("results/shapes/mlp/seed0/clipping.h5")
    wait_for(new_jobs, "train", "RUNNING")
    process.kill()
    process.communicate()
    workflow.complete("results/shapes/mlp/seed0/clipping.h5", "--quiet")
    here = Workflow(tmp_path / "here", SMALL)
    here.complete("results/shapes/mlp/seed0/clipping.h5", "--quiet")
    assert artefacts(workflow) == artefacts(here)


def test_an_interrupted_run_cancels_its_jobs(tmp_path, new_jobs):
    workflow = on_cluster(tmp_path / "code", {**SMALL, "training": {"epochs": 100000}})
    process = workflow.start(NETWORK)
    wait_for(new_jobs, "train", "RUNNING")
    process.send_signal(2)
    process.communicate()
    assert process.returncode != 0
    wait_for(new_jobs, "train", "CANCELLED")


def test_what_is_edited_during_a_run_stops_its_jobs(tmp_path, new_jobs):
    workflow = on_cluster(tmp_path / "code", SMALL)
    process = workflow.start("results/shapes/mlp/seed0/covariance.h5")
    wait_for(new_jobs, "train", "RUNNING", "COMPLETED")
    wait_for(new_jobs, "train", "COMPLETED")
    workflow.configure({**SMALL, "training": {"epochs": 7}})
    process.communicate()
    assert process.returncode != 0
    told = [path.read_text() for path in workflow.folder.rglob("rule_covariance/**/*.log")]
    assert any("configuration or code was edited during the run" in t for t in told)
    assert not (workflow.folder / "results/shapes/mlp/seed0/covariance.h5").exists()


@pytest.mark.parametrize(
    ("partition", "message"),
    [
        (
            "nope",
            "--partition=nope --gpus=1 --time=60 (invalid partition",
        ),  # memory is not known yet
        ("cpu", "(allocation failure: Requested node configuration is not available)"),
    ],
)
def test_a_wrong_partition_is_refused_before_anything_is_submitted(
    partition, message, tmp_path, new_jobs
):
    workflow = on_cluster(tmp_path / "code", SMALL)
    workflow.edit(
        "profiles/slurm/profile.yaml", "{slurm_partition: gpu}", f"{{slurm_partition: {partition}}}"
    )
    done = workflow.run(NETWORK)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert message in output
    assert "Change slurm_partition in profiles/slurm/profile.yaml" in output
    assert "partitions here are cpu, gpu (gpu:made-up:2)" in output
    assert "Traceback" not in output
    assert new_jobs() == []


@pytest.fixture
def partition():
    """Changes the partition with GPUs until the test ends."""

    def change(**values: str) -> None:
        words = [f"{name}={value}" for name, value in values.items()]
        subprocess.run(["scontrol", "update", "PartitionName=gpu", *words], check=True)

    yield change
    change(State="UP", MaxTime="UNLIMITED")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"MaxTime": "20"},
            "they ask for runtime=60, and the limit of partition gpu is 20 (MaxTime=00:20:00)",
        ),
        (
            {"MaxTime": "90"},
            "they ask for runtime=120 when they are tried again, and the limit of partition gpu "
            "is 90 (MaxTime=01:30:00)",
        ),
        ({"State": "DRAIN"}, "the state of partition gpu is DRAIN"),
    ],
)
def test_a_partition_that_would_never_start_a_job_is_named(
    values, message, tmp_path, new_jobs, partition
):
    """SLURM itself takes the jobs: EnforcePartLimits is NO."""
    partition(**values)
    done = on_cluster(tmp_path / "code", SMALL).run(NETWORK)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"Error: the jobs of rule train would never start: {message}" in output
    assert "in profiles/slurm/profile.yaml, give train another slurm_partition" in output
    assert "Traceback" not in output
    assert new_jobs() == []


def test_what_waits_is_said_and_an_outage_of_squeue_is_survived(
    tmp_path, new_jobs, partition, monkeypatch
):
    outage = tmp_path / "outage"
    command = tmp_path / "bin" / "squeue"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\n[ -e {outage} ] && {{ echo "no controller" >&2; exit 1; }}\n'
        f'exec {shutil.which("squeue")} "$@"\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv(waiting.SECONDS, "1")
    process = on_cluster(tmp_path / "code", SMALL).start(NETWORK)
    wait_for(new_jobs, "prepare", "PENDING", "RUNNING")
    partition(State="DOWN")
    wait_for(new_jobs, "train", "PENDING")
    time.sleep(4)
    outage.touch()
    partition(State="UP")
    time.sleep(30)  # in which the job ends, and five queries would have failed
    outage.unlink()
    output, errors = process.communicate()
    assert process.returncode == 0, output + errors
    assert (
        "cluster: 1 job of rule train may wait for ever: PartitionDown (the partition takes no "
        "jobs now)" in errors
    )
    assert errors.count("PartitionDown") == 1
    assert errors.count("cluster: squeue has not answered since") == 1
    assert "(no controller); the run continues as soon as it does" in errors
    assert "cluster: squeue answers again" in errors


def test_a_machine_without_slurm_is_named(tmp_path, monkeypatch):
    commands = tmp_path / "bin"
    commands.mkdir()
    for folder in ("/bin", "/usr/bin"):
        for path in Path(folder).iterdir():
            if not path.name.startswith(("sbatch", "sinfo", "squeue", "sacct", "scontrol", "srun")):
                (commands / path.name).unlink(missing_ok=True)
                (commands / path.name).symlink_to(path)
    monkeypatch.setenv("PATH", str(commands))
    workflow = on_cluster(tmp_path / "code", SMALL)
    done = workflow.run(NETWORK)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "there is no sbatch on this machine" in output
    assert "Traceback" not in output
    assert not list(workflow.folder.glob("results/**/*.h5"))
