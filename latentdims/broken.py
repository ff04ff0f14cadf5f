"""Unusable files, which are moved aside and made again, and dangling links."""

import os
from pathlib import Path
from typing import NoReturn

from latentdims.errors import InputError

CACHE = "SNAKEMAKE_OUTPUT_CACHE"  # names the folder of results that several users share


def refuse(path: Path, problem: str) -> NoReturn:
    """Move an unusable file aside, so that it is made again, and raise an InputError.

    problem: what was found in the file. If the file is a link into a shared cache, the cached file
    is moved, since it would come back otherwise. Of any other link, only the link is moved.
    """
    cached = is_cached(path)
    file = path.resolve() if cached else path
    where = f", in the shared cache as {file}" if cached else ""
    aside = file.with_name(f"{file.name}.broken")
    try:
        file.replace(aside)
    except OSError as error:
        raise InputError(
            f"{path}: {problem}{where}; it could not be moved away ({error.strerror}): have "
            f"{file} deleted, and run the same command again"
        ) from None
    raise InputError(
        f"{path}: {problem}{where}; it was moved to {aside.name}: run the same command again"
    )


def is_cached(path: Path) -> bool:
    """Whether a path is a link into the shared cache, even if its file is missing."""
    cache = os.environ.get(CACHE, "")
    return bool(
        path.is_symlink() and cache and path.resolve().is_relative_to(Path(cache).resolve())
    )


def without_file(link: Path) -> str:
    """The message about a dangling link."""
    return (
        f"{link}: a link to {link.resolve()}, which is not there; bring it back, or delete "
        "the link and run the same command again"
    )
