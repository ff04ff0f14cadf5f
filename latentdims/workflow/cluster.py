"""Asking a SLURM cluster, before anything is submitted, whether it will take the jobs of a run."""

import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from latentdims.errors import InputError

OPTIONS = {  # of a rule's resources: the option of sbatch
    "slurm_partition": "--partition",
    "slurm_account": "--account",
    "gpu": "--gpus",
    "gres": "--gres",
    "mem_mb": "--mem",
    "runtime": "--time",
}


def check(requests: Mapping[str, Mapping[str, Any]], *, profile: str) -> None:
    """Raise InputError where the cluster would refuse the jobs of a rule; submits nothing.

    requests: what jobs ask for, by the name of their rule. profile: the file to be mended.
    """
    if shutil.which("sbatch") is None:
        raise InputError(
            "there is no sbatch on this machine: run on a login node of a SLURM cluster, or leave "
            "PROFILE out to run on this machine"
        )
    for rule, resources in requests.items():
        options = [
            f"{option}={resources[name]}" for name, option in OPTIONS.items() if resources.get(name)
        ]
        asked = subprocess.run(
            ["sbatch", "--test-only", *options, "--wrap=true"],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if asked.returncode:
            raise InputError(
                f"the cluster refuses the jobs of rule {rule} with {' '.join(options)} "
                f"({_reason(asked.stderr)}); nothing was submitted. Change {profile}: partitions "
                f"here are {_partitions()}"
            )


def _reason(stderr: str) -> str:
    lines = [line.rpartition("error: ")[2] for line in stderr.splitlines() if "error" in line]
    return "; ".join(dict.fromkeys(lines)) or stderr.strip()


def _partitions() -> str:
    """Names of partitions, those with GPUs marked."""
    listed = subprocess.run(
        ["sinfo", "--noheader", "--format", "%R %G"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    lines = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    found = [name if gres == "(null)" else f"{name} ({gres})" for name, gres in lines]
    return ", ".join(found) or "unknown (sinfo names none)"
