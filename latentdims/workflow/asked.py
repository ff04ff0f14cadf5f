"""The variables of `make` as a command for Snakemake, its folder and its environment."""

import argparse
import getpass
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from latentdims import sizes
from latentdims.configuration import config_file
from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError, nearest

DEFAULT = Path("profiles/default")


def words(name: str, given: Mapping[str, str]) -> list[str]:
    """The words of a variable, split as a shell does."""
    try:
        return shlex.split(given.get(name, ""))
    except ValueError as error:
        raise InputError(f"{name}: {error} in {given[name]}") from None


def config(given: Mapping[str, str]) -> Path:
    """The file of the configuration."""
    return _existing(given.get("CONFIG") or "config.yaml")


def command(given: Mapping[str, str]) -> list[str]:
    """Snakemake with the requested configuration and profile."""
    config_file.read(configuration := config(given))
    profile = _existing(given.get("PROFILE") or str(DEFAULT))
    if not profile.exists() and (DEFAULT.parent / profile).exists():
        profile = DEFAULT.parent / profile
    if not profile.is_file() and not any(profile.glob("*.yaml")):
        known = sorted(str(each.parent) for each in DEFAULT.parent.glob("*/profile.yaml"))
        hint = nearest(str(profile), known)
        raise InputError(f"PROFILE: there is no {profile}/profile.yaml; {hint}")
    command = [sys.executable, "-m", "snakemake", "--configfile", str(configuration)]
    if profile == DEFAULT:
        command += ["--resources", f"gpu={jobs_on_gpus()}"]
    # Last, since it takes one value: what follows may be a target.
    return [*command, "--workflow-profile", str(profile)]


def folder(arguments: list[str]) -> Path:
    """The folder in which Snakemake works: the current one, or the one in its flags."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-d", "--directory", default=".")
    with suppress(argparse.ArgumentError):
        return Path(parser.parse_known_args(arguments)[0].directory)
    return Path()


def environment(folder: Path) -> dict[str, str]:
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


def clear(folder: Path) -> None:
    """Remove what a dry run leaves in a new folder `.snakemake`, but no file of another run."""
    (folder / "iocache" / "latest.pkl").unlink(missing_ok=True)
    for each in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):
            each.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _existing(path: str) -> Path:
    """A path as given if it exists, else with `~` and environment variables expanded."""
    return Path(path if Path(path).exists() else expanded(path))


def jobs_on_gpus() -> int:
    """The number of jobs that fit on the GPUs of this machine."""
    with suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            check=True,
        )
        found = [line.strip() for line in listed.stdout.splitlines() if line.strip()]
        return sum(sizes.jobs(int(each) << 20) if each.isdecimal() else 1 for each in found)
    return 0
