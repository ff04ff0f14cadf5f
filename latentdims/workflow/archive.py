"""What `make archive` calls: one tar of a finished run, for a journal or a repository of data.

    CONFIG=config.yaml ARGS= TO= WITH= REPLACE= python -m latentdims.workflow.archive

CONFIG, PROFILE and ARGS are those of `make run`. TO names the file, in place of `<results>.tar`;
WITH=images adds the prepared images; REPLACE=yes replaces an archive that is there. The same run
gives the same bytes.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from latentdims import errors
from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError
from latentdims.workflow import asked, dry, enclosed, lock, made, run, tar
from latentdims.workflow.console import Console, in_bytes
from latentdims.workflow.job import INTERRUPTED
from latentdims.workflow.made import Made


def main() -> int:
    """Write the archive that the variables ask for; the exit status."""
    try:
        archive(os.environ)
    except (InputError, OSError) as error:
        print(f"error: {errors.of_machine(error) or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        lock.release()
    return 0


def archive(given: Mapping[str, str], *, tell: Callable[[str], object] = print) -> Path:
    """Write an archive, say what it holds, and return its path.

    Raises InputError for what is asked for wrongly, and where the run is not finished; OSError
    where a file cannot be read or the archive not be written: then there is none, or the old one.
    """
    arguments = asked.words("ARGS", given)
    if asked.words("TARGET", given):
        raise InputError("TARGET: an archive is of all results; leave it out")
    with_images = _chosen("WITH", "images", given)
    command = [*asked.command(given), *arguments, "--dry-run"]
    folder = asked.folder(arguments)
    if (folder / ".snakemake").is_dir():  # so that no run changes files meanwhile
        lock.take(folder / ".snakemake")
    console = dry.run(command, folder, asking=made.ASKED)
    for line in console.told:
        tell(line)
    found, results = _finished(console), folder / console.results
    path = _destination(given, results)
    kept = [*found.files, *(found.images if with_images else ())]
    files = _files([folder / each for each in kept], results)
    files |= _logs([folder / each for each in found.logs], results)
    images = [folder / each for each in found.images]
    apart = None if with_images else _sums(images, results)
    texts = enclosed.texts(asked.config(given), arguments, found.settings, results.name, apart)
    _check_room(path, sum(each.stat().st_size for each in files.values()))
    tar.write(path, results.name, {**files, **texts})
    number = f"{len(files) + len(texts) + 1} files"
    tell(f"{path}: {number}, {in_bytes(path.stat().st_size)}")
    if apart:
        tell("Prepared images are left out, with their checksums inside; WITH=images adds them.")
    return path


def _finished(console: Console) -> Made:
    """What has been made. Raises InputError where something is yet to be made."""
    if console.counts:
        jobs = ", ".join(f"{rule} {count}" for rule, count in console.counts.items())
        raise InputError(
            f"the run in {console.results} is not finished, or out of date; what is left to run: "
            f"{jobs}; first: make run, with the same CONFIG and ARGS"
        )
    if not console.whole:
        raise InputError("ARGS: an archive is of all results; leave out what asks for a part")
    found = made.read(console.lines)
    if not console.nothing_to_do or found is None:
        raise InputError(
            "this version of Snakemake does not say that nothing is to be done; use that of "
            "envs/requirements.txt"
        )
    if not run.has_report(console.folder / console.results):
        raise InputError(
            f"{console.results / 'report.html'} is missing or older than what it shows; first: "
            "make run, with the same CONFIG and ARGS"
        )
    return found


def _chosen(name: str, choice: str, given: Mapping[str, str]) -> bool:
    """Whether a variable holds its one choice, and not nothing."""
    if given.get(name, "") not in ("", choice):
        raise InputError(f"{name}: {given[name]}, expected {choice} or nothing")
    return given.get(name) == choice


def _destination(given: Mapping[str, str], results: Path) -> Path:
    """Where the archive is to lie: beside the results, unless TO says where."""
    replace = _chosen("REPLACE", "yes", given)
    named = given.get("TO")
    path = Path(expanded(named)) if named else results.with_name(f"{results.name}.tar")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"TO: {path} is no file in a folder that is there")
    if path.resolve().is_relative_to(results.resolve()):
        raise InputError(f"TO: {path} lies among the results; name a file outside of {results}")
    if path.exists() and not replace:
        raise InputError(f"{path} is there; REPLACE=yes replaces it, TO= names another file")
    return path


def _files(paths: Sequence[Path], results: Path) -> dict[str, Path]:
    """Files that must be there, by their places in the archive."""
    found = {enclosed.place(path, results): path for path in paths}
    found[enclosed.place(results / "report.html", results)] = results / "report.html"
    for path in found.values():
        if not path.is_file():
            raise InputError(f"{path} is missing; first: make run TARGET={path}")
    return found


def _logs(paths: Sequence[Path], results: Path) -> dict[str, Path]:
    """Logs of jobs that are there, and of whole runs."""
    runs = (results / "logs").glob("run-*.log")
    return {enclosed.place(path, results): path for path in (*paths, *runs) if path.is_file()}


def _sums(paths: Sequence[Path], results: Path) -> dict[str, str]:
    """Checksums of the files that are there, by their places in the archive."""
    return {enclosed.place(path, results): tar.sha256(path) for path in paths if path.is_file()}


def _check_room(path: Path, size: int) -> None:
    """Raise InputError where so many bytes do not fit beside a path."""
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise InputError(
            f"{path}: {in_bytes(size)} are needed, and {in_bytes(free)} are free; make room, or "
            "name a file on another disk: TO="
        )


if __name__ == "__main__":
    sys.exit(main())
