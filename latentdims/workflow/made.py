"""What a finished run has made, as Snakemake says of it when nothing is to be done."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ASKED = "LATENTDIMS_ARCHIVE"  # the variable of the environment that asks for it
BEGINS = "made: "  # a line of output
ELSEWHERE = "download"  # the rule whose files all configurations share


@dataclass(frozen=True)
class Made:
    """Paths are as Snakemake has them, from its working folder.

    settings: the configuration, complete. images: those that were prepared. files: all other
    results. logs: of their jobs, whether they are there or not.
    """

    settings: Mapping[str, Any]
    images: tuple[str, ...]
    files: tuple[str, ...]
    logs: tuple[str, ...]


def lines(dag: Any, settings: Mapping[str, Any]) -> Iterator[str]:
    """Lines that `read` takes, from a plan of Snakemake: the configuration, then each job."""
    yield BEGINS + json.dumps(settings, default=str)
    for job in dag.jobs:
        kept = [str(path) for path in job.output if not path.is_flagged("temp")]
        if kept and job.rule.name != ELSEWHERE:
            logs = [str(path) for path in job.log]
            yield BEGINS + json.dumps({"rule": job.rule.name, "files": kept, "logs": logs})


def read(output: Iterable[str]) -> Made | None:
    """From the output of Snakemake; None where it says nothing of this kind."""
    told = [json.loads(line.removeprefix(BEGINS)) for line in output if line.startswith(BEGINS)]
    if not told:
        return None
    settings, *jobs = told

    def of(key: str, *, prepared: bool) -> tuple[str, ...]:
        chosen = (job[key] for job in jobs if (job["rule"] == "prepare") == prepared)
        return tuple(sorted({path for paths in chosen for path in paths}))

    logs = {*of("logs", prepared=True), *of("logs", prepared=False)}
    images, files = of("files", prepared=True), of("files", prepared=False)
    return Made(settings, images, files, tuple(sorted(logs)))
