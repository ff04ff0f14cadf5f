"""Dangling links among results: Snakemake takes them for files, and stops."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from latentdims import broken
from latentdims.errors import InputError


def check(folders: Iterable[str | Path], *, dry: bool) -> None:
    """Remove links into the shared cache to missing files, so that these are made again.

    Whoever repairs a broken file in the cache, or clears it, leaves such links to all others. dry:
    nothing is removed. Raises InputError for links that a dry run cannot ignore, and for other
    dangling links: their files may only be out of reach.
    """
    for folder in folders:
        for link in _broken(Path(folder)):
            if not broken.is_cached(link):
                raise InputError(broken.without_file(link))
            if dry:
                raise InputError(
                    f"{link}: a link to {link.readlink()}, which is gone from the shared cache; a "
                    "run makes it again, and a dry run cannot look beyond it"
                )
            link.unlink()


def _broken(folder: Path) -> Iterator[Path]:
    for above, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(above, name)
            # Editors mark what they have open by a hidden link to nothing.
            if path.is_symlink() and not path.exists() and not name.startswith("."):
                yield path
