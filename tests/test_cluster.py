"""What is said where a cluster would refuse jobs; on a real one in tests/slurm."""

import os
from types import SimpleNamespace

import pytest

from latentdims.errors import InputError
from latentdims.workflow import cluster, waiting
from latentdims.workflow.cluster import Request

TRAIN = {"slurm_partition": "gpu", "gpu": 1, "mem_mb": 4000, "runtime": 60}
REQUESTS = [Request("train", 1, TRAIN)]
TWICE = [*REQUESTS, Request("train", 2, {**TRAIN, "mem_mb": 8000, "runtime": 120})]
REFUSES = """#!/bin/sh
echo "sbatch: error: invalid partition specified: gpu" >&2
exit 1
"""
ACCEPTS = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
"""
PARTITIONS = """#!/bin/sh
echo "short|(null)|idle"
echo "long|gpu:a100:4|drained"
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
        "slurm_partition in profile.yaml: partitions here are short, long (gpu:a100:4, drained)"
    )


def test_nothing_is_said_or_submitted_where_the_cluster_accepts(commands):
    put, folder = commands
    put("sbatch", ACCEPTS)
    align = Request("align", 1, {"mem_mb": 2000, "gpu": 0})
    cluster.check([*REQUESTS, *REQUESTS, align], profile="profile.yaml")
    asked = (folder / "asked").read_text().splitlines()
    assert asked == [
        "--test-only --partition=gpu --gpus=1 --mem=4000 --time=60 --wrap=true",
        "--test-only --mem=2000 --wrap=true",
    ]


def test_no_sbatch(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="there is no sbatch on this machine"):
        cluster.check(REQUESTS, profile="profile.yaml")


def show(put, *partitions: str) -> None:
    """What scontrol tells of partitions, beside what every one says."""
    lines = (f"PartitionName={each} TRES=cpu=4,mem=62.50G,node=1" for each in partitions)
    put("scontrol", "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))


@pytest.mark.parametrize(
    ("partition", "resources", "message"),
    [
        (
            "MaxTime=00:45:00",
            {},
            "they ask for runtime=60, and the limit of partition gpu is 45 (MaxTime=00:45:00); "
            "nothing was submitted. Under set-resources in profile.yaml, give train another "
            "slurm_partition, or runtime: 45",
        ),
        ("MaxTime=00:45:00", {"runtime": 40}, None),
        ("MaxTime=1-00:00:00", {"runtime": 1441}, "is 1440 (MaxTime=1-00:00:00)"),
        ("MaxTime=UNLIMITED MaxNodes=UNLIMITED MaxCPUsPerNode=UNLIMITED", {}, None),
        ("MaxMemPerNode=3000", {}, "they ask for mem_mb=4000, and the limit of partition gpu is"),
        ("MaxMemPerNode=3000", {"mem_mb": "<TBD>"}, None),  # not known before its input is there
        ("MaxMemPerCPU=3000", {"mem_mb": 0, "mem_mb_per_cpu": 3500}, "is 3000 (MaxMemPerCPU=3000)"),
        ("MaxNodes=2", {"nodes": 3}, "they ask for nodes=3, and the limit"),
        ("MaxCPUsPerNode=8", {"_cores": 9}, "they ask for threads=9"),
        ("State=DOWN", {}, "the state of partition gpu is DOWN"),
        ("State=UP", {}, None),
        ("AllowAccounts=a,b", {"slurm_account": "c"}, "does not take slurm_account=c"),
        ("AllowAccounts=a,c", {"slurm_account": "c"}, None),
        ("DenyAccounts=a,c", {"slurm_account": "c"}, "does not take slurm_account=c"),
        ("AllowQos=long", {"qos": "short"}, "does not take qos=short"),
    ],
)
def test_limits_of_partitions_count_whatever_sbatch_says(partition, resources, message, commands):
    put, _ = commands
    put("sbatch", ACCEPTS)
    show(put, "cpu Default=YES MaxTime=00:01:00", f"gpu Default=NO {partition}")
    asked = [Request("train", 1, {**TRAIN, **resources})]
    if message is None:
        cluster.check(asked, profile="profile.yaml")
        return
    with pytest.raises(InputError) as error:
        cluster.check(asked, profile="profile.yaml")
    assert str(error.value).startswith("the jobs of rule train would never start: ")
    assert message in str(error.value)


def test_what_jobs_ask_for_when_they_are_tried_again_counts(commands):
    put, folder = commands
    put("sbatch", ACCEPTS)
    show(put, "gpu Default=NO MaxTime=01:30:00")
    with pytest.raises(InputError, match=r"runtime=120 when they are tried again, .* gpu is 90 "):
        cluster.check(TWICE, profile="profile.yaml")
    show(put, "gpu Default=NO MaxTime=02:00:00")
    (folder / "asked").unlink()
    cluster.check(TWICE, profile="profile.yaml")
    assert "--mem=8000 --time=120" in (folder / "asked").read_text()


def test_jobs_ask_for_what_they_would_at_their_last_attempt():
    class Job:
        rule, restart_times, attempt = SimpleNamespace(name="train"), 2, 1
        is_local = False

        @property
        def resources(self):
            return {"runtime": 60 * self.attempt}

    local = SimpleNamespace(is_local=True)
    dag = SimpleNamespace(needrun_jobs=lambda: [Job(), local])
    found = [(each.rule, each.attempt, each.resources["runtime"]) for each in cluster.requests(dag)]
    assert found == [("train", 1, 60), ("train", 3, 180)]


def test_the_default_partition_and_lists_of_partitions(commands):
    put, _ = commands
    put("sbatch", ACCEPTS)
    show(put, "a Default=NO MaxTime=00:10:00", "b Default=YES MaxTime=00:20:00")
    with pytest.raises(InputError, match="limit of partition b is 20"):
        cluster.check([Request("align", 1, {"runtime": 30})], profile="profile.yaml")
    cluster.check(
        [Request("align", 1, {"slurm_partition": "a,b", "runtime": 15})], profile="profile.yaml"
    )


def test_groups(commands, monkeypatch):
    put, _ = commands
    put("sbatch", ACCEPTS)
    show(put, "gpu Default=NO AllowGroups=physics,chemistry")
    cluster.check(REQUESTS, profile="profile.yaml") if os.getuid() == 0 else None
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(InputError, match="takes jobs of the groups physics, chemistry only"):
        cluster.check(REQUESTS, profile="profile.yaml")


QUEUE = """#!/bin/sh
cat "$(dirname "$0")/queue"
"""
SILENT = """#!/bin/sh
echo "slurm_load_jobs error: Unable to contact slurm controller" >&2
exit 1
"""


def test_what_waits_for_what_may_never_come_is_said_once_in_a_while(commands):
    put, folder = commands
    put("squeue", QUEUE)
    said: list[str] = []
    now = 0.0
    watch = waiting.Watch(said.append, folder, clock=lambda: now)
    (folder / "queue").write_text(
        f"PartitionTimeLimit|rule_train_wildcards_shapes_mlp_0|{folder}\n"
        f"PartitionTimeLimit|rule_train_wildcards_shapes_mlp_1|{folder}\n"
        f"Priority|rule_clip_wildcards_shapes_mlp_1|{folder}\n"
        f"Resources|rule_clip_wildcards_shapes_mlp_0|{folder}\n"
        f"QOSMaxGRESPerUser|rule_generate_wildcards_shapes_mlp_0|{folder}\n"
        f"JobHeldUser|rule_train_wildcards_other|{folder}/of another run\n"
        f"JobHeldUser|no job of a workflow|{folder}\n"
    )
    expected = [
        "cluster: 2 jobs of rule train may wait for ever: PartitionTimeLimit (they ask for more "
        "time than the partition allows)",
        "cluster: 1 job of rule generate may wait for ever: QOSMaxGRESPerUser",
    ]
    watch.look()
    assert sorted(said) == sorted(expected)
    now = 590.0
    watch.look()
    assert len(said) == 2
    now = 610.0
    watch.look()
    assert sorted(said) == sorted(2 * expected)


def test_an_outage_of_squeue_is_said(commands):
    put, folder = commands
    said: list[str] = []
    now = 0.0
    watch = waiting.Watch(said.append, folder, clock=lambda: now)
    put("squeue", SILENT)
    watch.look()
    now = 300.0
    watch.look()
    assert len(said) == 1
    assert said[0].startswith("cluster: squeue has not answered since ")
    assert "(slurm_load_jobs error: Unable to contact slurm controller)" in said[0]
    (folder / "queue").write_text("")
    put("squeue", QUEUE)
    watch.look()
    assert said[1].startswith("cluster: squeue answers again")
    put("squeue", SILENT)  # another outage is said at once
    watch.look()
    assert len(said) == 3
