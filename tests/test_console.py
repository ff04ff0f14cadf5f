"""What a person sees of a run, from recorded output of Snakemake 9.27.1 and its SLURM executor."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from latentdims.workflow import console
from latentdims.workflow.console import Console, duration
from latentdims.workflow.explanation import explained

HEADINGS = """\
Using workflow specific profile profiles/default for setting default command line arguments.
Config file config.yaml is extended by additional config specified via the command line.
Results: mine
Workflow defines that rule train is eligible for caching between workflows (use the --cache argument to enable this).
Assuming unrestricted shared filesystem usage.

SNAKEMAKE
=========
  Date: 2026-11-26 05:56:35
  Python version: 3.11.7 (main, May  9 2026, 07:35:25) [GCC 12.2.0]
  Command: /project/.venv/lib/python3.11/site-packages/snakemake/__main__.py --cores 2
  Config file(s): ['config.yaml']

Building DAG of jobs...
"""
PLAN = """\
Using shell: /usr/bin/bash
Provided cores: 2
Rules claiming more threads will be scaled down.
Provided resources: gpu=Resource("gpu", 1)
Conda environments: ignored
Job stats:
job        count
-------  -------
prepare        1
train          2
all            1
total          4

"""
PREPARE = """\
Select jobs to execute...
Execute 1 jobs...

[Thu Nov 26 05:56:36 2026]
localrule prepare:
    output: mine/resources/shapes.h5
    log: mine/logs/prepare/shapes.log
    jobid: 1
    reason: Missing output files: mine/resources/shapes.h5
    wildcards: dataset=shapes
    resources: tmpdir=/tmp, runtime=30, mem_mb=304, mem=304 MB, mem_mib=290
[Thu Nov 26 05:56:37 2026]
Finished jobid: 1 (Rule: prepare)
1 of 4 steps (25%) done
"""
TRAIN = """\
Select jobs to execute...
Execute 1 jobs...

[Thu Nov 26 05:56:37 2026]
rule train:
    input: mine/resources/shapes.h5
    output: mine/shapes/mlp/seed{seed}/network.h5
    log: mine/logs/train/shapes/mlp/seed{seed}.log
    jobid: {jobid}
    reason: Missing output files: mine/shapes/mlp/seed{seed}/network.h5; Input files updated by another job: mine/resources/shapes.h5
    wildcards: dataset=shapes, network=mlp, seed={seed}
    resources: tmpdir=/tmp, gpu=1, runtime=60, mem_mb=597, mem=597 MB, mem_mib=570
"""
FINISHED = """\
[Thu Nov 26 05:58:41 2026]
Finished jobid: {jobid} (Rule: {rule})
{done} of 4 steps (50%) done
"""
ALL = """\
[Thu Nov 26 05:59:31 2026]
localrule all:
    input: mine/summary.csv
    jobid: 0
    reason: Input files updated by another job: mine/summary.csv
    resources: tmpdir=/tmp
"""
FAILED = """\
error: training.learning_rate: the loss of seed 1 is nan at step 2
RuleException:
CalledProcessError in file "/project/rules/networks.smk", line 55:
Command 'set -euo pipefail;  /project/.venv/bin/python /project/.snakemake/scripts/tmp_5hc2qx4.train.py' returned non-zero exit status {status}.
[Thu Nov 26 05:56:41 2026]
Error in rule train:
    message: {message}
    jobid: 5
    input: mine/resources/shapes.h5
    output: mine/shapes/mlp/seed1/network.h5
    log: mine/logs/train/shapes/mlp/seed1.log{more} (check log file(s) for error details)
Logfile mine/logs/train/shapes/mlp/seed1.log:
================================================================================
2026-11-26 05:56:40,356 device: cpu, torch 2.13.0+cpu
rule figure:
    jobid: 99
Finished jobid: 2 (Rule: train)
================================================================================
"""
SUBMITTED = "Job {jobid} has been submitted with SLURM jobid 71 (log: /project/.snakemake/slurm_logs/rule_train/shapes_mlp_1/71.log).\n"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def seen(tmp_path, told) -> Iterator[Console]:
    console = Console(tmp_path, tell=told.append)
    yield console
    console.end()


def read(seen: Console, *texts: str) -> None:
    for text in texts:
        for line in text.splitlines(keepends=True):
            seen.read(line)


def write_log(folder: Path, text: str, *, seed: int = 1, age: float = 0) -> None:
    log = folder / f"mine/logs/train/shapes/mlp/seed{seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = text.splitlines()
    log.write_text("".join(f"2026-11-26 05:56:40,356 {line}\n" for line in lines))
    os.utime(log, (time.time() - age,) * 2)


def test_a_table_then_a_line_for_each_job_that_ends(seen, told, tmp_path):
    read(seen, HEADINGS, PLAN, PREPARE, TRAIN.format(seed=1, jobid=5))
    write_log(tmp_path, "device: cpu\ndone in 123.4 s, with at most 250 of 597 MB")
    read(seen, FINISHED.format(jobid=5, rule="train", done=2))
    whole = next((tmp_path / "mine" / "logs").glob("run-*.log"))
    assert told == [
        "3 jobs to run:",
        "  prepare    1",
        "  train      2",
        f"The whole log: mine/logs/{whole.name}",
        "  1 of 3  prepare  shapes                                0.0 s",
        "  2 of 3  train    shapes/mlp/seed1                 2 min 03 s",
    ]
    assert not seen.complete
    read(seen, ALL, FINISHED.format(jobid=0, rule="all", done=4))
    assert seen.complete
    assert len(told) == 6
    seen.end()
    everything = HEADINGS, PLAN, PREPARE, TRAIN.format(seed=1, jobid=5)
    assert whole.read_text().startswith("".join(everything))


def test_what_a_job_of_another_time_has_logged_is_not_believed(seen, told, tmp_path):
    write_log(tmp_path, "done in 5000.0 s", age=60)
    read(seen, HEADINGS, PLAN, TRAIN.format(seed=1, jobid=5))
    read(seen, FINISHED.format(jobid=5, rule="train", done=2))
    assert told[-1].endswith("0.0 s")


def test_a_job_that_failed_is_named_with_its_own_error_and_its_log(seen, told, tmp_path):
    read(seen, HEADINGS, PLAN, PREPARE, TRAIN.format(seed=1, jobid=5))
    write_log(tmp_path, "error: training.learning_rate: too large")
    read(seen, FAILED.format(status=1, message="None", more=""))
    read(seen, TRAIN.format(seed=0, jobid=2), FINISHED.format(jobid=2, rule="train", done=3))
    assert [line.replace("after 0.0 s", "") for line in told[-3:-1]] == [
        "failed: train shapes/mlp/seed1 : training.learning_rate: too large",
        "        its log: mine/logs/train/shapes/mlp/seed1.log",
    ]
    assert told[-1].startswith("  2 of 3  train    shapes/mlp/seed0")
    (job, reason), *others = seen.failed.values()
    assert (job.name, reason) == ("train shapes/mlp/seed1", "training.learning_rate: too large")
    assert others == []


@pytest.mark.parametrize(
    ("log", "message", "status", "reason"),
    [
        ("Traceback\n  File x\nValueError: found 3", "None", 1, "ValueError: found 3"),
        (None, "None", 137, "training.learning_rate: the loss of seed 1 is nan at step 2"),
        ("device: cpu", "None", 137, "killed, perhaps because memory ran out"),
        ("device: cpu", "SLURM-job '71' failed, SLURM status is: 'TIMEOUT'.", 1, "'TIMEOUT'."),
        ("epoch 3 of 5, step 120", "None", 1, "epoch 3 of 5, step 120"),
    ],
)
def test_the_reason_of_a_failure(log, message, status, reason, seen, told, tmp_path):
    read(seen, HEADINGS, PLAN, PREPARE, TRAIN.format(seed=1, jobid=5))
    if log:
        write_log(tmp_path, log)
    read(seen, FAILED.format(status=status, message=message, more=""))
    seen.end()
    assert told[-2].endswith(reason)


def test_jobs_of_a_cluster_that_are_tried_again(seen, told, tmp_path):
    slurm = tmp_path / "71.log"
    read(seen, HEADINGS, "SLURM run ID: 12\n", PLAN, PREPARE)
    read(seen, TRAIN.format(seed=1, jobid=5), SUBMITTED.format(jobid=5))
    slurm.write_text("slurmstepd: error: *** JOB 71 CANCELLED DUE TO TIME LIMIT ***\n")
    read(seen, FAILED.format(status=1, message="SLURM-job '71' failed", more=f", {slurm}"))
    read(seen, "Trying to restart job 5.\n", TRAIN.format(seed=1, jobid=5))
    read(seen, SUBMITTED.format(jobid=5), FINISHED.format(jobid=5, rule="train", done=2))
    assert told[-4].endswith("*** JOB 71 CANCELLED DUE TO TIME LIMIT ***")
    assert told[-3].endswith(str(slurm))
    assert told[-2] == "        train shapes/mlp/seed1 is tried again"
    assert told[-1].startswith("  2 of 3  train    shapes/mlp/seed1")
    assert seen.failed == {}


def test_long_jobs_say_how_far_they_are_once_a_minute(seen, told, tmp_path, monkeypatch):
    read(seen, HEADINGS, PLAN, PREPARE)
    read(seen, TRAIN.format(seed=0, jobid=2), TRAIN.format(seed=1, jobid=5))
    write_log(tmp_path, "epoch 3 of 5, step 120")
    before = len(told)
    seen.look()
    now = time.monotonic()
    monkeypatch.setattr(console.time, "monotonic", lambda: now + 125)
    seen.look()
    seen.look()
    assert [" ".join(line.split()) for line in told[before:]] == [
        "... train shapes/mlp/seed1 2 min 05 s epoch 3 of 5, step 120",
        "... train shapes/mlp/seed0 2 min 05 s no log yet",
    ]
    monkeypatch.setattr(console, "LISTED", 1)
    monkeypatch.setattr(console.time, "monotonic", lambda: now + 250)
    seen.look()
    assert told[-1] == "...  and 1 more"


def test_a_dry_run_says_what_would_run_and_why_and_writes_nothing(tmp_path, told):
    planned = Console(tmp_path, dry=True, tell=told.append)
    jobs = PREPARE.split("Execute 1 jobs...")[1].split("[Thu Nov 26 05:56:37")[0]
    read(planned, HEADINGS, PLAN, jobs, TRAIN.format(seed=1, jobid=5), ALL, PLAN)
    planned.end()
    assert [" ".join(line.split()) for line in told] == [
        *("3 jobs to run:", "prepare 1", "train 2", "prepare shapes missing output files"),
        "train shapes/mlp/seed1 missing output files",
    ]
    assert list(tmp_path.iterdir()) == []


def test_where_results_lie_and_whether_all_are_asked_for(seen):
    read(seen, HEADINGS, "Nothing to be done (all requested files are present and up to date).\n")
    assert (seen.results, seen.whole, seen.nothing_to_do) == (Path("mine"), True, True)
    read(seen, "Part of the results: /elsewhere/my results\n")
    assert (seen.results, seen.whole) == (Path("/elsewhere/my results"), False)


def test_words_of_the_workflow_are_passed_on(seen, told):
    read(seen, HEADINGS, "latentdims: squeue does not answer; waiting\n", "others: are not\n")
    assert told == ["squeue does not answer; waiting"]


TRACEBACK = """\
Traceback (most recent call last):

  File "/project/.venv/lib/python3.11/site-packages/snakemake/common/__init__.py", line 79, in f
    key, val = arg.split("=", 1)
    ^^^^^^^^

ValueError: not enough values to unpack (expected 2, got 1)


During handling of the above exception, another exception occurred:


Traceback (most recent call last):

  File "/project/.venv/lib/python3.11/site-packages/snakemake/cli.py", line 2169, in args_to_api
    config=parse_config(args.config),

ValueError: Invalid config definition: Config entries have to be defined as name=value pairs.
"""
MISSING = """\
MissingInputException in rule prepare in file "/project/rules/data.smk", line 26:
Missing input files for rule prepare:
    output: results/resources/shapes.h5
    wildcards: dataset=shapes
    affected files:
        resources/photos.tar
"""


@pytest.mark.parametrize(
    ("said", "explanation"),
    [
        (
            'WorkflowError in file "/project/rules/common.smk", line 18:\n'
            "configuration: sedes: unknown key; did you mean 'seeds'?\n"
            '  File "/project/rules/common.smk", line 18, in <module>\n',
            "configuration: sedes: unknown key; did you mean 'seeds'?",
        ),
        (MISSING, MISSING.split("\n", 1)[1].rstrip()),
        (TRACEBACK, "ValueError: " + TRACEBACK.rstrip().rpartition("ValueError: ")[2]),
        (
            "usage: __main__.py [-h] [--dry-run]\n                [targets ...]\n"
            "__main__.py: error: unrecognized arguments: --nosuch\n",
            "unrecognized arguments: --nosuch",
        ),
        (
            "latentdims: clip: results of other settings are made again\n" + MISSING,
            MISSING.split("\n", 1)[1].rstrip(),
        ),
        ("Error: cores have to be specified\n", "cores have to be specified"),
        (
            "MissingRuleException:\nNo rule to produce results/summary.cvs (if you use input "
            "functions make sure that they don't raise unexpected exceptions).\n",
            "nothing makes results/summary.cvs; give a file as TARGET: docs/files.md lists them",
        ),
        (
            "WorkflowError:\nTarget rules may not contain wildcards. Please specify concrete files "
            "or a rule without wildcards at the command line.\n",
            "this rule makes several files; give a file as TARGET: docs/files.md lists them",
        ),
        (
            "ProtectedOutputException:\nWrite-protected output files for rule generate:\n"
            "    output: results/seed0/generation.h5\n    wildcards: seed=0\n"
            "    affected files:\n        results/seed0/generation.h5\n",
            "results/seed0/generation.h5: rule generate would replace this file, and you may not "
            "write to it: it is another user's, or write-protected",
        ),
        ("", ""),
    ],
)
def test_errors_of_planning_without_decorations(said, explanation):
    assert explained((HEADINGS + said).splitlines()) == explanation


def test_a_full_disk_ends_the_log_alone(seen, told, monkeypatch):
    read(seen, HEADINGS, PLAN)
    plain = Path.open
    full = {"a": Path("/dev/full")}
    monkeypatch.setattr(
        Path, "open", lambda path, mode, **options: plain(full.get(mode, path), mode, **options)
    )
    read(seen, PREPARE)
    assert told[-2:] == [
        "The log cannot be written any more: No space left on device",
        next(line for line in told if line.startswith("  1 of 3")),
    ]
    seen.end()


def test_durations_as_people_say_them():
    assert [duration(s) for s in (3.14, 59.94, 125.2, 3725)] == [
        *("3.1 s", "59.9 s", "2 min 05 s", "1 h 02 min")
    ]
