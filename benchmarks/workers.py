"""Ours as the workflow runs it: jobs side by side, each in a process with one thread; on a GPU, one
alone."""

import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.step import Step
from benchmarks.steps import steps
from benchmarks.tutorial import Tutorial
from latentdims.device import deterministic
from latentdims.workflow import heap

CORES = len(os.sched_getaffinity(0))
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

Workers = Sequence[ProcessPoolExecutor]

_steps: dict[str, Step] = {}  # of the process that is a worker
_results: dict[str, Any] = {}


def start(tutorial: Tutorial, archive: Path | None) -> Workers:
    """One for each core, or one on a GPU, that waits for names of steps."""
    os.environ |= dict.fromkeys(THREADS, "1")  # read where a worker loads its libraries
    given = (tutorial.folder, tutorial.config, tutorial.device, archive)
    workers = [
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin, initargs=given)
        for _ in range(CORES if tutorial.device == "cpu" else 1)
    ]
    for begun in [worker.submit(int) for worker in workers]:
        begun.result()
    for name in THREADS:
        del os.environ[name]
    return workers


def run(workers: Workers, name: str) -> None:
    """The same step in every worker at once, until all are done."""
    for done in [worker.submit(_run, name) for worker in workers]:
        done.result()


def result(worker: ProcessPoolExecutor, name: str) -> Any:
    """What the last run of a step returned."""
    return worker.submit(_result, name).result()


def synchronise() -> None:
    """Wait for what a GPU was told to do, where there is one."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _begin(folder: Path, config: Mapping[str, Any], device: str, archive: Path | None) -> None:
    heap.keep()
    deterministic(device)  # the settings of every job
    torch.set_num_threads(1)
    _steps.update((step.name, step) for step in steps(Tutorial(folder, config, device), archive))


def _run(name: str) -> None:
    _results.clear()
    _forget()
    _results[name] = _steps[name].ours()
    synchronise()


def _forget() -> None:
    """What functions remember in a process: each job begins without."""
    for module, of in list(sys.modules.items()):
        if module.split(".")[0] == "latentdims":
            for value in vars(of).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _result(name: str) -> Any:
    return _results[name]
