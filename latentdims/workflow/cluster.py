"""Check, before anything is submitted, whether a SLURM cluster will start the jobs of a run."""

import grp
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from latentdims.errors import InputError

OPTIONS = {  # of a rule's resources: the option of sbatch
    "slurm_partition": "--partition",
    "slurm_account": "--account",
    "qos": "--qos",
    "constraint": "--constraint",
    "nodes": "--nodes",
    "gpu": "--gpus",
    "gres": "--gres",
    "mem_mb": "--mem",
    "runtime": "--time",
}
LIMITS = {  # of a rule's resources: the limit of a partition
    "runtime": "MaxTime",
    "mem_mb": "MaxMemPerNode",
    "mem_mb_per_cpu": "MaxMemPerCPU",
    "nodes": "MaxNodes",
    "_cores": "MaxCPUsPerNode",
}
AFTER_FAILURE = " when they are tried again"


@dataclass(frozen=True)
class Request:
    """The resources that jobs of a rule request at one of their attempts, counted from 1."""

    rule: str
    attempt: int
    resources: Mapping[str, Any]

    @property
    def options(self) -> tuple[str, ...]:
        """Those of sbatch."""
        return tuple(
            f"{option}={self.resources[name]}"
            for name, option in OPTIONS.items()
            if self.resources.get(name)
        )

    @property
    def when(self) -> str:
        return AFTER_FAILURE if self.attempt > 1 else ""


def requests(dag: Any) -> Iterator[Request]:
    """The requests of the jobs of a plan of Snakemake that will be submitted, at their first and
    last attempt."""
    for job in dag.needrun_jobs():
        if not job.is_local:
            for attempt in sorted({1, 1 + job.restart_times}):
                job.attempt = attempt
                yield Request(job.rule.name, attempt, dict(job.resources.items()))
            job.attempt = 1


def check(requests: Iterable[Request], *, profile: str) -> None:
    """Raise InputError if the cluster would refuse jobs or never start them.

    Nothing is submitted. Limits of partitions are read first: if EnforcePartLimits is NO, SLURM
    accepts jobs beyond them and never starts them. profile: the file that the user should change.
    """
    if shutil.which("sbatch") is None:
        raise InputError(
            "there is no sbatch on this machine: run on a login node of a SLURM cluster, or leave "
            "PROFILE out to run on this machine"
        )
    partitions = _partitions()
    asked: set[tuple[str, ...]] = set()
    for request in requests:
        _compare(request, partitions, profile=profile)
        if request.options in asked:
            continue
        asked.add(request.options)
        answer = _ask("sbatch", "--test-only", *request.options, "--wrap=true")
        if answer.returncode:
            asked_for = " ".join(request.options)
            raise InputError(
                f"the cluster refuses the jobs of rule {request.rule} with {asked_for}"
                f"{request.when} ({_reason(answer.stderr)}); nothing was submitted. Change "
                f"slurm_partition in {profile}: partitions here are {_names()}"
            )


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False
    )


def _partitions() -> list[dict[str, str]]:
    """Output of `scontrol show partition` for each partition, by keyword; empty if it does not
    answer."""
    try:
        told = _ask("scontrol", "show", "partition", "--oneliner").stdout
    except OSError:
        return []
    lines = [line for line in told.splitlines() if line.startswith("PartitionName=")]
    return [dict(word.partition("=")[::2] for word in line.split()) for line in lines]


def _compare(request: Request, partitions: list[dict[str, str]], *, profile: str) -> None:
    """Raise InputError if no partition of a request would start its jobs."""
    names = str(request.resources.get("slurm_partition") or "").split(",")
    named = [
        partition
        for partition in partitions
        if partition["PartitionName"] in names or (names == [""] and partition["Default"] == "YES")
    ]
    obstacles = [_obstacle(partition, request) for partition in named]
    if obstacles and all(obstacles):
        found, change = obstacles[0] or ("", "")
        raise InputError(
            f"the jobs of rule {request.rule} would never start: {found}; nothing was submitted. "
            f"Under set-resources in {profile}, give {request.rule} another slurm_partition{change}"
        )


def _obstacle(partition: Mapping[str, str], request: Request) -> tuple[str, str] | None:
    """Why a partition would not start a request, and what to change besides the partition."""
    name, asked = partition["PartitionName"], request.resources
    if partition.get("State", "UP") != "UP":
        return f"the state of partition {name} is {partition['State']}", ""
    for resource, field in LIMITS.items():
        limit, wanted = _amount(partition.get(field, "")), asked.get(resource)
        if limit is not None and isinstance(wanted, int | float) and wanted > limit:
            resource = resource.replace("_cores", "threads")
            return (
                f"they ask for {resource}={wanted}{request.when}, and the limit of partition {name}"
                f" is {limit} ({field}={partition[field]})",
                f", or {resource}: {limit}",
            )
    for resource, words in (("slurm_account", "Accounts"), ("qos", "Qos")):
        wanted = asked.get(resource)
        allowed = partition.get(f"Allow{words}", "ALL").split(",")
        denied = partition.get(f"Deny{words}", "").split(",")
        if wanted and ((allowed != ["ALL"] and wanted not in allowed) or wanted in denied):
            return f"partition {name} does not take {resource}={wanted}", f", or {resource}"
    groups = partition.get("AllowGroups", "ALL").split(",")
    if groups != ["ALL"] and os.getuid() != 0 and not _groups() & set(groups):
        return f"partition {name} takes jobs of the groups {', '.join(groups)} only", ""
    return None


def _amount(limit: str) -> int | None:
    """A number, or the minutes of a time such as 1-12:30:00; None where there is no limit."""
    days, _, time = limit.rpartition("-")
    with suppress(ValueError):
        if ":" not in time:
            return int(limit)
        hours, minutes, _ = map(int, time.split(":"))
        return (int(days or 0) * 24 + hours) * 60 + minutes
    return None


def _groups() -> set[str]:
    """Names of the user's groups."""
    found = set()
    for number in (os.getgid(), *os.getgroups()):
        with suppress(KeyError):
            found.add(grp.getgrgid(number).gr_name)
    return found


def _reason(stderr: str) -> str:
    lines = [line.rpartition("error: ")[2] for line in stderr.splitlines() if "error" in line]
    return "; ".join(dict.fromkeys(lines)) or stderr.strip()


def _names() -> str:
    """Names of partitions, with their GPUs and with the state of nodes that take no jobs."""
    listed = _ask("sinfo", "--noheader", "--format", "%R|%G|%T")
    found = []
    for line in listed.stdout.splitlines():
        name, gres, state = line.split("|")
        useless = state if state.startswith(("drain", "down", "fail", "maint", "inval")) else ""
        words = [word for word in ("" if gres == "(null)" else gres, useless) if word]
        found.append(f"{name} ({', '.join(words)})" if words else name)
    return ", ".join(dict.fromkeys(found)) or "unknown (sinfo names none)"
