"""Plans of Snakemake in forks of a process that has imported it: two of the four seconds of each.

Nothing here may import the package: a fork takes that of the folder that it works in.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["snakemake.cli"])


def snakemake(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What `python -m snakemake` does in a folder."""
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place, name) for name in ("output", "errors")]
        for stream in streams:
            stream.touch()
        process = FORKS.Process(target=_main, args=(arguments, folder, environment, streams))
        process.start()
        process.join()
        output, errors = (stream.read_text(encoding="utf-8") for stream in streams)
    assert process.exitcode is not None
    return subprocess.CompletedProcess(arguments, process.exitcode, output, errors)


def _main(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Sequence[Path]
) -> None:
    for descriptor, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY), descriptor)
    assert not any(name.split(".")[0] == "latentdims" for name in sys.modules)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [str(folder), *filter(_is_installed, sys.path)]
    sys.argv = ["snakemake", *arguments]
    from snakemake import cli

    cli.main(sys.argv[1:])


def _is_installed(place: str) -> bool:
    """Whether a path of modules is neither the repository nor its tests."""
    path = Path(place).resolve()
    return path != TESTS.parent and TESTS not in (path, *path.parents)
