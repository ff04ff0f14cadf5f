"""Time, memory and disk of each job of a run: from similar jobs that ran before, else estimated."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentdims.planning import declared, disk
from latentdims.planning.finished import Finished
from latentdims.planning.jobs import Job, Jobs
from latentdims.planning.known import Known
from latentdims.planning.work import Work
from latentdims.workflow import memory

# One after the other, each waits for one of those before it.
STAGES: Sequence[frozenset[str]] = (
    frozenset({"download"}),
    frozenset({"prepare"}),
    frozenset({"samples", "describe"}),
    frozenset({"train", "adopt"}),
    frozenset({"covariance", "compare_covariance"}),
    frozenset({"merge"}),
    frozenset({"align", "clip", "generate", "compare_align", "consensus"}),
    frozenset({"figure", "summary"}),
    frozenset({"comparison_figure", "reproduction"}),
)
BEGIN = 8.0  # seconds until Snakemake has planned its jobs, and torch is imported
BETWEEN = 0.1  # and between two of them


@dataclass(frozen=True)
class Taken:
    """By one job: seconds, None if unknown, and whether they are measured; MB; bytes, None if
    unknown. guessed: whether its memory will be declared better later."""

    rule: str
    seconds: float | None
    measured: bool
    memory: float
    guessed: bool
    size: float | None


def of(jobs: Jobs, other: Path | None = None) -> list[Taken]:
    """For each job. other: results of a similar run, whose times also count."""
    made = {path for job in jobs.jobs for path in job.outputs}
    known = Known(jobs.settings, made)
    work, finished = Work(known), Finished.before(jobs.jobs, known.results, other)
    return [_of(job, known, work, finished) for job in jobs.jobs]


def _of(job: Job, known: Known, work: Work, finished: Finished) -> Taken:
    seconds = finished.seconds(job)
    megabytes = declared.megabytes(job, known)
    unknown = memory.MARGIN * (memory.RUNNER + memory.UNKNOWN)
    return Taken(
        job.rule,
        work.seconds(job) if seconds is None else seconds,
        seconds is not None,
        unknown if megabytes is None else megabytes,
        megabytes is None,
        _size(job, known, finished),
    )


def _size(job: Job, known: Known, finished: Finished) -> float | None:
    """Bytes that its files will have beyond those that they replace."""
    total = 0.0
    for path in job.outputs:
        found = finished.size(path)
        one = disk.size(job, known) if found is None else found
        if one is None:
            return None
        total += one
    return total


def seconds(taken: Sequence[Taken], cores: int | None) -> float:
    """For all jobs that are known, on a number of idle cores: shared evenly, or as long as the
    longest jobs of each stage, one after the other; without cores, one after the other."""
    known = [each for each in taken if each.seconds is not None]
    total = sum(each.seconds or 0 for each in known)
    if cores is None:
        return total
    longest = sum(
        max((each.seconds or 0 for each in known if each.rule in stage), default=0)
        for stage in STAGES
    )
    return BEGIN + BETWEEN * len(taken) + max(total / cores, longest)


def at_once(taken: Sequence[Taken], cores: int | None) -> float:
    """MB of the largest jobs, one per core."""
    return sum(sorted((each.memory for each in taken), reverse=True)[: cores or 1])


def by_rule(taken: Sequence[Taken]) -> Mapping[str, list[Taken]]:
    """In the order in which rules first occur."""
    found: dict[str, list[Taken]] = {}
    order = [rule for stage in STAGES for rule in sorted(stage)]
    for each in sorted(
        taken, key=lambda each: order.index(each.rule) if each.rule in order else len(order)
    ):
        found.setdefault(each.rule, []).append(each)
    return found


def free(folder: Path) -> float:
    """Free bytes on the disk of a folder, or of the nearest existing folder above."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    return shutil.disk_usage(there).free
