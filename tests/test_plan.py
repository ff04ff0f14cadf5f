"""What a run takes, before it starts: beside what runs took."""

import re
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import write_images
from test_run import listing
from workflow import ROOT, TINY, Workflow

from latentdims.planning import declared, disk, estimates, jobs, pace
from latentdims.planning.estimates import Taken
from latentdims.planning.finished import Finished
from latentdims.planning.jobs import Job, Jobs
from latentdims.planning.known import Known
from latentdims.planning.work import Work
from latentdims.steps.covariance import covariance
from latentdims.steps.generation import generate
from latentdims.steps.training import train
from latentdims.workflow import plan

GB = 10**9


def planned(folder: Path, monkeypatch, **given: str) -> list[str]:
    """Lines of a plan, on two cores."""
    monkeypatch.chdir(folder)
    arguments = f"--cores 2 --resources gpu=0 {given.pop('ARGS', '')}"
    return list(plan.plan({"CONFIG": "config.yaml", "ARGS": arguments, **given}))


def all_jobs(workflow: Workflow, *arguments: str) -> Jobs:
    """Those of a run from its beginning."""
    workflow.environment[jobs.ASKED] = "1"
    try:
        output = workflow.complete("--dry-run", "--forceall", *arguments)
    finally:
        del workflow.environment[jobs.ASKED]
    found = jobs.read(output.splitlines())
    assert found is not None
    return found


def sizes(told: Jobs, known: Known) -> dict[str, float]:
    """What files of each rule are estimated to hold, over what they hold."""
    of_rule: dict[str, tuple[float, float]] = defaultdict(lambda: (0, 0))
    for job in told.jobs:
        there = sum(Path(path).stat().st_size for path in job.outputs)
        estimate, found = of_rule[job.rule]
        of_rule[job.rule] = estimate + disk.size(job, known) * len(job.outputs), found + there
    return {rule: estimate / found for rule, (estimate, found) in of_rule.items()}


def same_memory(told: Jobs, known: Known) -> set[str]:
    """Rules of the jobs that declare what was known before they could."""
    checked = set()
    for job in told.jobs:
        if job.rule in declared.RULES or "member" in job.wildcards:
            assert job.memory == declared.megabytes(replace(job, memory=None), known), job.rule
            checked.add(job.rule)
    return checked


def job_of(rule: str, **fields: object) -> Job:
    given = {"wildcards": {}, "params": {}, "outputs": (), "log": (), "memory": None, **fields}
    return Job(rule=rule, **given)


# Beside a run that has ended.


@pytest.fixture(scope="module")
def told(finished) -> Jobs:
    return all_jobs(finished)


@pytest.fixture
def known(finished, told, monkeypatch) -> Known:
    """As it is before any of them runs."""
    monkeypatch.chdir(finished.folder)
    return Known(told.settings, {path for job in told.jobs for path in job.outputs})


def test_jobs_are_those_that_snakemake_counts(finished, told):
    counted: dict[str, int] = defaultdict(int)
    for job in told.jobs:
        counted[job.rule] += 1
    expected = finished.planned("--forceall")
    del expected["all"]
    assert counted == expected and told.cores == 2


def test_files_become_half_to_twice_as_large(told, known):
    ratios = sizes(told, known)
    assert all(1 / 2 < ratio < 2 for ratio in ratios.values()), ratios


def test_memory_is_known_before_its_rule_knows_it(told, known):
    assert {"train", "covariance", "align", "clip", "generate"} <= same_memory(told, known)


def test_time_of_every_job_is_estimated(told, known):
    work = Work(known)
    assert all((work.seconds(job) or 0) > 0 for job in told.jobs)


def test_what_is_finished_is_not_counted_and_tells_what_others_take(
    finished, tmp_path, monkeypatch
):
    assert planned(finished.folder, monkeypatch) == ["Nothing to be done."]
    copy = finished.copy(tmp_path / "copy")
    (copy.folder / "results" / "shapes" / "mlp" / "seed1" / "clipping.h5").unlink()
    lines = planned(copy.folder, monkeypatch, TARGET="results/shapes/mlp/seed1/clipping.h5")
    (row,) = [line for line in lines if line.startswith("clip ")]
    assert row.split()[1] == "1" and " *" in row
    log = copy.folder / "results" / "logs" / "clip" / "shapes" / "mlp" / "seed0.log"
    seconds = float(re.search(r"done in ([\d.]+) s", log.read_text())[1])
    assert plan.spoken(seconds) in row
    assert [line for line in lines if line.startswith("1 job: about ")]


def test_another_folder_tells_what_jobs_take(finished, tmp_path, monkeypatch):
    copy = Workflow(tmp_path / "new", TINY)
    lines = planned(copy.folder, monkeypatch, LIKE=str(finished.folder / "results"))
    assert all(
        " * " in line for line in lines[1:] if line.startswith(("clip ", "train ", "align "))
    )


def test_nothing_is_written(tmp_path, monkeypatch):
    folder = Workflow(tmp_path / "new", TINY).folder
    before = listing(folder)
    lines = planned(folder, monkeypatch)
    assert lines[0].split()[:2] == ["rule", "jobs"] and any(
        line.startswith("train") for line in lines
    )
    assert not any("?" in line for line in lines)  # all is known beforehand
    assert listing(folder) == before


# Time.


def processed(work) -> float:
    """Seconds of the processor, whatever else runs."""
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_steps_take_a_third_to_three_times_what_is_estimated(name, tmp_path, settings):
    network = {
        "mlp": {"architecture": "mlp", "widths": [512, 256]},
        "cnn": {"architecture": "cnn", "channels": [16, 32], "kernel_size": 5, "stride": 2},
    }[name]
    shape = (1, 32, 32)
    images = write_images(tmp_path / "results/resources/x.h5", train=4000, test=1000, shape=shape)
    made = settings("mlp", seed=0) | {"network": network}
    made["training"] = {**made["training"], "epochs": 2, "batch_size": 128}
    place, common = tmp_path / "network.h5", {"images": images, "settings": made, "device": "cpu"}
    procedures = {"published": {**PROCEDURE, "draws": 4}}
    after = {"network": place, **common}
    steps = {
        "train": lambda: train(output=place, **common),
        "covariance": lambda: covariance(partners={}, output=tmp_path / "c.h5", **after),
        "generate": lambda: generate(
            others={}, output=tmp_path / "g.h5", procedures=procedures, **after
        ),
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    took = {rule: processed(work) for rule, work in steps.items()}
    torch.set_num_threads(threads)
    params = {"settings": made, "partners": [], "part": None, "others": []}
    params |= {"procedures": procedures, "retraining": None}
    known = Known(resolved(network, made, tmp_path / "results"))
    work = Work(known)
    wildcards = {"dataset": "x", "network": "n"}
    begin = work.seconds(job_of("merge"))
    for rule, seconds in took.items():
        job = job_of(rule, wildcards=wildcards, params=params, outputs=("one",))
        estimate = work.seconds(job) - begin
        assert seconds / 3 < estimate < 3 * seconds, (rule, seconds, estimate)


PROCEDURE = {
    "classifiers": [],
    "images": None,
    "covariances": "own",
    "layers": "all",
    "rank": "all",
    "width": 1.0,
}


def resolved(network, made, results: Path) -> dict:
    """What a plan reads of a configuration of one network."""
    return {
        "results": str(results),
        "datasets": {"x": {"source": "embedded"}},
        "networks": {"n": network},
        "preprocessing": {"x": {"n": made["preprocessing"]}},
        "recipes": {"n": made["training"]},
        "adopted": {},
        "kept": {},
        "alignment": {"epochs": "ends"},
    }


def test_the_default_run_takes_half_to_twice_what_is_estimated(monkeypatch):
    """README.md says how long it takes on two cores, whose speed is that of docs/performance.md."""
    monkeypatch.setattr(pace, "products", lambda: 95.5e9)
    found = {"cnn": pace.Pace(4.0e-5, 12e-5), "mlp": pace.Pace(1.5e-5, 4.5e-5)}
    monkeypatch.setattr(pace, "of", lambda network, _: found[network["architecture"]])
    told = all_jobs(Workflow(ROOT), "--config", "results=results/never")
    assert len(told.jobs) == 57
    assert 107 / 2 < estimates.seconds(estimates.of(told), 2) < 2 * 107


# What is printed.


def taken(rule="train", **fields) -> Taken:
    given = {"seconds": 60.0, "measured": False, "memory": 1000.0, "guessed": False, "size": 1e6}
    return Taken(rule, **given | fields)


def told_of(cores: int | None = 2) -> Jobs:
    return Jobs({"results": "results"}, cores, ())


def test_the_total_in_words():
    line, *_ = plan.total([taken()] * 4, told_of(), free=71 * GB)
    assert line == (
        "4 jobs: about 2 min on 2 cores, at most 2.0 GB at once, 4.0 MB of disk; 71 GB are free in "
        "results"
    )
    line, *_ = plan.total([taken()] * 4, told_of(None), free=71 * GB)
    assert "about 4 min of jobs one after the other, at most 1.0 GB" in line


def test_short_disks_and_memory_are_warned_of():
    lines = list(plan.total([taken(size=9 * GB, memory=1e9)], told_of(), free=7 * GB))
    short, large = [line for line in lines if line.startswith("warning: ")]
    assert short == "warning: the disk is short of 2.0 GB in results"
    assert large.startswith("warning: a job of train may take 1000000 GB, and this machine has ")
    assert not any("warning" in line for line in plan.total([taken()], told_of(), free=7 * GB))


def test_what_is_not_known_yet_is_said():
    unknown = taken(seconds=None, size=None, guessed=True)
    lines = [*plan.table([unknown]), *plan.total([unknown], told_of(), free=GB)]
    assert lines[1].split() == ["train", "1", "?", "?", "1.0", "GB", "?", "?"]
    assert "? not known yet: plan again after `prepare` and `describe` have run" in lines


def test_stages_wait_for_one_another():
    chain = [taken("train"), taken("covariance"), taken("align")]
    assert estimates.seconds(chain, 8) > 180
    assert estimates.seconds([taken()] * 8, 8) < 70


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.42, "0.42 s"),
        (9.0, "9 s"),
        (59, "59 s"),
        (90, "2 min"),
        (7200, "2.0 h"),
        (3e5, "3.5 days"),
    ],
)
def test_times_are_said_as_estimates(seconds, said):
    assert plan.spoken(seconds) == said


def test_lines_of_other_seeds_alone_are_measured(tmp_path):
    logs = tmp_path / "logs" / "train" / "x" / "n"
    logs.mkdir(parents=True)
    for seed, seconds in enumerate((3, 5, 400)):
        (logs / f"seed{seed}.log").write_text(f"done in {seconds}.0 s, with at most 9 of 9 MB\n")
    job = job_of("train", log=(str(logs / "seed2.log"),))
    assert Finished.before([job], tmp_path).seconds(job) == 4
    (logs / "seed0.log").write_text("interrupted\n")
    assert Finished.before([job], tmp_path).seconds(job) == 5
    assert Finished.before([job], tmp_path / "other").seconds(job) is None


def test_jobs_of_other_workflows_are_not_estimated():
    known = Known({"results": "results"})
    assert Work(known).seconds(job_of("theirs")) is None
    assert disk.size(job_of("theirs"), known) is None


# Bad input.


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"CONFIG": "none.yaml"}, ["none.yaml"]),
        ({"LIKE": "nowhere"}, ["LIKE: nowhere is not a results folder"]),
        ({"ARGS": "'"}, ["ARGS: No closing quotation"]),
        ({"ARGS": "--config seeds=many"}, ["seeds", "many"]),
        ({"TARGET": "results/nothing.h5"}, ["nothing makes results/nothing.h5"]),
    ],
)
def test_bad_input_is_told_in_one_line(given, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for name, value in {"CONFIG": "config.yaml", "ARGS": "", "TARGET": "", **given}.items():
        monkeypatch.setenv(name, value)
    assert plan.main() == 1
    output, said = capsys.readouterr()
    assert not output and said.startswith("error: ") and said.count("\n") == 1
    for word in words:
        assert word in said
