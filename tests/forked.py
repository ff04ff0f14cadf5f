"""Snakemake in forks of a process that has imported it: two of the four seconds that a plan takes.

Nothing here may import the package: a fork takes that of the folder that it works in.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli"])


def snakemake(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Sequence[Path]
) -> int | None:
    """The exit status of `python -m snakemake`; streams: files for its output and its errors."""
    process = FORKS.Process(target=_main, args=(arguments, folder, environment, streams))
    process.start()
    process.join()
    return process.exitcode


def _main(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Sequence[Path]
) -> None:
    for descriptor, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), descriptor)
    assert not any(name.split(".")[0] == "latentdims" for name in sys.modules)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = str(folder)
    sys.argv = ["snakemake", *arguments]
    from snakemake import cli

    cli.main(sys.argv[1:])
