"""The jobs that Snakemake would run, from the plan of a dry run."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ASKED = "LATENTDIMS_PLAN"  # the variable of the environment that asks for them
BEGINS = "planned: "  # a line of output


@dataclass(frozen=True)
class Job:
    """A job that would run. Paths are relative to the working folder of Snakemake.

    params: of its rule. log: shows how long it took after it has run. memory: MB that it declares,
    None if not known yet.
    """

    rule: str
    wildcards: Mapping[str, str]
    params: Mapping[str, Any]
    outputs: tuple[str, ...]
    log: tuple[str, ...]
    memory: float | None


@dataclass(frozen=True)
class Jobs:
    """All of them. settings: the configuration, complete. cores: of this machine that they share;
    None where they run elsewhere."""

    settings: Mapping[str, Any]
    cores: int | None
    jobs: tuple[Job, ...]


def lines(dag: Any, settings: Mapping[str, Any]) -> Iterator[str]:
    """Lines that `read` takes, from a plan of Snakemake: the configuration, then each job; none
    without a job, as at the end of a dry run."""
    found = [_plain(job) for job in dag.needrun_jobs() if job.output]
    cores = dag.workflow.cores if dag.workflow.nodes is None else None
    for each in [{"settings": settings, "cores": cores}, *found] if found else []:
        yield BEGINS + json.dumps(each, default=str)


def _plain(job: Any) -> dict[str, Any]:
    memory = job.resources.get("mem_mb")
    return {
        "rule": job.rule.name,
        "wildcards": dict(job.wildcards.items()),
        "params": {name: value for name, value in job.params.items() if name != "code"},
        "outputs": [str(path) for path in job.output],
        "log": [str(path) for path in job.log],
        "memory": memory if isinstance(memory, int | float) else None,
    }


def read(output: Iterable[str]) -> Jobs | None:
    """From the output of Snakemake; None if there is nothing to do."""
    told = [json.loads(line.removeprefix(BEGINS)) for line in output if line.startswith(BEGINS)]
    if not told:
        return None
    about, *jobs = told
    paths = ("outputs", "log")
    found = (Job(**job | {name: tuple(job[name]) for name in paths}) for job in jobs)
    return Jobs(about["settings"], about["cores"], tuple(found))
