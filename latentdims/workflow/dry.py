"""A dry run of Snakemake, which has the workflow say more of its plan and leaves nothing behind."""

from collections.abc import Sequence
from pathlib import Path

from latentdims.errors import InputError
from latentdims.workflow import asked
from latentdims.workflow.console import Console
from latentdims.workflow.explanation import explained
from latentdims.workflow.job import INTERRUPTED
from latentdims.workflow.process import follow


def run(command: Sequence[str], folder: Path, *, asking: str) -> Console:
    """What was read of a command with `--dry-run`.

    folder: where Snakemake works. asking: the variable of the environment that has the workflow say
    more. Raises InputError for what cannot be run, and KeyboardInterrupt where it is interrupted.
    """
    environment = {**asked.environment(folder), asking: "1"}
    fresh = not (folder / ".snakemake").exists()
    status, console = follow(list(command), folder, environment, quiet=True)
    if fresh:
        asked.clear(folder / ".snakemake")
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status:
        raise InputError(explained(console.lines) or f"Snakemake ended with status {status}")
    return console
