"""What `make run` calls: Snakemake with a configuration and a profile, and its output in brief.

    CONFIG=config.yaml PROFILE=profiles/default TARGET= ARGS= python -m latentdims.workflow.run

Arguments come in the environment, so that neither make nor a shell parses them again.
"""

import argparse
import getpass
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from latentdims.configuration import config_file
from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError, nearest
from latentdims.workflow.console import Console, duration
from latentdims.workflow.explanation import explained
from latentdims.workflow.job import INTERRUPTED
from latentdims.workflow.process import follow

DEFAULT = Path("profiles/default")


def main() -> None:
    sys.stdout.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    try:
        sys.exit(run(os.environ))
    except InputError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # nobody reads on, as with `make run | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.strerror}" + (f": {error.filename}" if error.filename else ""))


def run(given: Mapping[str, str]) -> int:
    """Run what the variables ask for, and return the exit status.

    Raises InputError for what cannot be run.
    """
    arguments = _words("ARGS", given)
    targets = _words("TARGET", given)
    command = [*_command(given), *arguments]
    folder = _folder(arguments)
    environment = _environment(folder)
    fresh = not (folder / ".snakemake").exists()
    start = time.monotonic()
    asked = ["--", *targets] if targets else []
    status, console = follow([*command, *asked], folder, environment)
    if console.dry and fresh:
        _clear(folder / ".snakemake")
    made = console.complete or (console.nothing_to_do and console.whole)
    if status == 0 and made and not console.dry:
        status = _report(command, console, environment)
    if status == INTERRUPTED:
        print("Interrupted. The same command resumes.")
    elif console.failed:
        _tell_failures(console)
    elif status:
        raise InputError(explained(console.lines) or f"Snakemake ended with status {status}")
    elif console.dry and console.counts:
        print("This was a dry run: nothing was written.")
    elif console.nothing_to_do:
        _tell_results("Nothing to be done", console)
    elif console.counts:
        took = duration(time.monotonic() - start)
        _tell_results(f"Done in {took}", console)
    elif said := explained(console.lines):
        print(said)
    return status


def _words(name: str, given: Mapping[str, str]) -> list[str]:
    """What a variable holds, split as a shell does."""
    try:
        return shlex.split(given.get(name, ""))
    except ValueError as error:
        raise InputError(f"{name}: {error} in {given[name]}") from None


def _command(given: Mapping[str, str]) -> list[str]:
    """Snakemake with the configuration and the profile that are asked for."""
    config = _existing(given.get("CONFIG") or "config.yaml")
    config_file.read(config)
    profile = _existing(given.get("PROFILE") or str(DEFAULT))
    if not profile.exists() and (DEFAULT.parent / profile).exists():
        profile = DEFAULT.parent / profile
    if not profile.is_file() and not any(profile.glob("*.yaml")):
        known = sorted(str(each.parent) for each in DEFAULT.parent.glob("*/profile.yaml"))
        hint = nearest(str(profile), known)
        raise InputError(f"PROFILE: there is no {profile}/profile.yaml; {hint}")
    command = [sys.executable, "-m", "snakemake", "--configfile", str(config)]
    if profile == DEFAULT:
        command += ["--resources", f"gpu={_gpus()}"]
    # Last, since it takes one value: what follows may be a target.
    return [*command, "--workflow-profile", str(profile)]


def _existing(path: str) -> Path:
    """A path as given if it exists, else with `~` and environment variables expanded."""
    return Path(path if Path(path).exists() else expanded(path))


def _gpus() -> int:
    """How many GPUs this machine has."""
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            check=True,
        )
        return listed.stdout.count("GPU ")
    return 0


def _folder(arguments: list[str]) -> Path:
    """Where Snakemake works: here, or where its flags say."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-d", "--directory", default=".")
    with suppress(argparse.ArgumentError):
        return Path(parser.parse_known_args(arguments)[0].directory)
    return Path()


def _environment(folder: Path) -> dict[str, str]:
    """The environment for Snakemake, which needs a user name, a home and a cache.

    Raises InputError if the cache between workflows cannot be used.
    """
    environment = dict(os.environ)
    shared = environment.get("SNAKEMAKE_OUTPUT_CACHE", "")
    if shared and "://" not in shared and not os.access(shared, os.R_OK | os.W_OK | os.X_OK):
        raise InputError(
            f"SNAKEMAKE_OUTPUT_CACHE: cannot write to the folder {shared}; create it, or unset "
            "the variable"
        )
    try:
        getpass.getuser()
    except (KeyError, OSError):  # as in a container that was started with another user's number
        environment["LOGNAME"] = f"user{os.getuid()}"
    home = folder.absolute() / ".snakemake" / "home"  # where there is none
    if not Path(expanded("~")).is_absolute():
        environment["HOME"] = str(home)
    cache = Path(environment.get("XDG_CACHE_HOME") or expanded("~/.cache"))
    existing = next((each for each in (cache, *cache.parents) if os.access(each, os.F_OK)), cache)
    if not cache.is_absolute() or not os.access(existing, os.W_OK | os.X_OK):
        environment["XDG_CACHE_HOME"] = str(home / ".cache")
    return environment


def _report(command: list[str], console: Console, environment: Mapping[str, str]) -> int:
    """Make the report again if it is older than what it shows; returns the exit status."""
    results = console.folder / console.results
    shown = [results / "summary.csv", *(results / "figures").rglob("*")]
    if not shown[0].exists():
        return 0
    report, partial = results / "report.html", results / "report.partial.html"
    if report.exists() and report.stat().st_mtime >= max(each.stat().st_mtime for each in shown):
        return 0
    status, said = follow(
        [*command, "--report", str(partial.absolute())], console.folder, environment, quiet=True
    )
    if status:
        partial.unlink(missing_ok=True)
        if status != INTERRUPTED:
            raise InputError(f"the report could not be made: {explained(said.lines)}")
    else:
        partial.replace(report)
    return status


def _tell_results(headline: str, console: Console) -> None:
    results = console.folder / console.results
    print(f"{headline}.")
    if not console.whole:
        print(f"  results  {results}")
        return
    for what, name in (("report", "report.html"), ("table", "summary.csv"), ("figures", "figures")):
        if (results / name).exists():
            print(f"  {what:<7}  {results / name}")


def _tell_failures(console: Console) -> None:
    failed = list(console.failed.values())
    several = len(failed) > 1  # one was said a line above
    print(f"{console.finished} of {console.total} jobs done, {len(failed)} failed{':' * several}")
    for job, reason in failed[:10] if several else []:
        print(f"  {job.name}: {reason}")
    if len(failed) > 10:
        print(f"  and {len(failed) - 10} more")
    print("Mend what failed; then the same command resumes.")
    print(f"The whole log: {console.folder / console.log}")


def _clear(folder: Path) -> None:
    """Remove what a dry run leaves in a new folder `.snakemake`, and no file of another run."""
    (folder / "iocache" / "latest.pkl").unlink(missing_ok=True)
    for each in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):
            each.rmdir()
    with suppress(OSError):
        folder.rmdir()


if __name__ == "__main__":
    main()
