"""Time the steps of the commit in whose checkout this runs, as pairs.py asks.

python -P side.py FOLDER OPTIONS, with the checkout as working folder and PYTHONPATH as pairs.py has
it. The modules `of_commit` are those of the checkout. The first line of the output lists what can
be timed; then each line of the input names a step, and a line of the output has its seconds.
"""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

PACKAGED = Path("benchmarks", "__init__.py").exists()  # not in older commits


def of_commit(name: str, package: str = "benchmarks") -> Any:
    """A module of the checkout."""
    return importlib.import_module(f"{package}.{name}" if PACKAGED else name)


bench, steps, workers = map(of_commit, ("bench", "steps", "workers"))
workflow = of_commit("workflow", "tests")

TEST_SHARE = 5  # training images for each test image


def main(folder: Path, *, archive: str | None, samples: int, least: float) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what jobs print is no answer
    tutorial = prepared(folder, archive, samples)
    images = Path(archive) if archive else None
    found = {step.name: step for step in steps.steps(tutorial, images)}
    ways: dict[str, Callable[[], float]] = {
        "whole tutorial": lambda: bench.whole(folder / "again", tutorial.config),
        "start of a job": start_of_a_job,
        "plan of the default experiment": lambda: plan(folder / "plan"),
    }
    started = functools.cache(lambda: workers.start(tutorial, images))
    print(json.dumps([*ways, *found]), file=answers)
    for name in map(str.strip, sys.stdin):
        way = ways.get(name) or functools.partial(side_by_side, started, name, found[name].alone)
        print(shortest(way, least), file=answers)
    if started.cache_info().currsize:
        for worker in started():
            worker.shutdown()


def prepared(folder: Path, archive: str | None, samples: int) -> Any:
    """A finished run of the tutorial, which the steps read."""
    tutorial, _ = bench.opened(folder, Path(archive) if archive else None)
    if archive is None:
        dataset = tutorial.config["datasets"]["cifar10"]
        counts = {"train_samples": samples, "test_samples": samples // TEST_SHARE}
        kept = {"preprocessing": dataset["preprocessing"]}
        tutorial.config["datasets"]["cifar10"] = {"source": "embedded", **counts, **kept}
    done = folder / "prepared"
    if not done.exists():
        bench.whole(tutorial.folder, tutorial.config)
        done.touch()
    return tutorial


def shortest(way: Callable[[], float], least: float) -> float:
    """Of as many times as begin within `least` seconds."""
    end = time.monotonic() + least
    taken = [way()]
    while time.monotonic() < end:
        taken.append(way())
    return min(taken)


def side_by_side(started: Callable[[], Any], name: str, alone: bool) -> float:
    """Seconds of a step as the workflow runs it: one on each core, over their number."""
    taken = started()[: 1 if alone else None]
    return seconds(lambda: workers.run(taken, name)) / len(taken)


def start_of_a_job() -> float:
    """Seconds in which a process loads what scripts/train.py imports."""
    lines = Path("scripts/train.py").read_text(encoding="utf-8").splitlines()
    imports = [line for line in lines if line.startswith(("from ", "import "))]
    command = [sys.executable, "-c", "\n".join(imports)]
    return seconds(lambda: subprocess.run(command, check=True))


def plan(folder: Path) -> float:
    """Seconds of `snakemake -n` for the default experiment."""
    shutil.rmtree(folder, ignore_errors=True)
    config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    planned = workflow.Workflow(folder, config)
    return seconds(lambda: planned.complete("--dry-run"))


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(Path(sys.argv[1]), **json.loads(sys.argv[2]))
