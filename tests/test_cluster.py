"""What is said where a cluster would refuse jobs; on a real one in tests/slurm."""

import pytest

from latentdims.errors import InputError
from latentdims.workflow import cluster

REQUESTS = {"train": {"slurm_partition": "gpu", "gpu": 1, "mem_mb": 4000, "runtime": 60}}
REFUSES = """#!/bin/sh
echo "sbatch: error: invalid partition specified: gpu" >&2
exit 1
"""
ACCEPTS = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
"""
PARTITIONS = """#!/bin/sh
echo "short (null)"
echo "long gpu:a100:4"
"""


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A folder of commands, the only ones there are besides those of /bin."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    def put(name, text):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    return put, tmp_path


def test_a_refusal_names_the_rule_the_reason_and_the_partitions(commands):
    put, _ = commands
    put("sbatch", REFUSES)
    put("sinfo", PARTITIONS)
    with pytest.raises(InputError) as error:
        cluster.check(REQUESTS, profile="profile.yaml")
    assert str(error.value) == (
        "the cluster refuses the jobs of rule train with --partition=gpu --gpus=1 --mem=4000 "
        "--time=60 (invalid partition specified: gpu); nothing was submitted. Change "
        "profile.yaml: partitions here are short, long (gpu:a100:4)"
    )


def test_nothing_is_said_or_submitted_where_the_cluster_accepts(commands):
    put, folder = commands
    put("sbatch", ACCEPTS)
    cluster.check({**REQUESTS, "align": {"mem_mb": 2000, "gpu": 0}}, profile="profile.yaml")
    asked = (folder / "asked").read_text().splitlines()
    assert asked == [
        "--test-only --partition=gpu --gpus=1 --mem=4000 --time=60 --wrap=true",
        "--test-only --mem=2000 --wrap=true",
    ]


def test_no_sbatch(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no sbatch on this machine"):
        cluster.check(REQUESTS, profile="profile.yaml")
