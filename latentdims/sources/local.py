"""The user's own files that a data set is read from, as the workflow sees them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latentdims import published
from latentdims.errors import InputError


def files(source: Mapping[str, Any], *, key: str) -> list[str]:
    """Paths that a source is read from: none where its settings have no `path`.

    A published data set of several files is given as the folder that holds them. key: of the
    path in the configuration, for the message. Raises InputError where one is missing.
    """
    if not source.get("path"):
        return []
    path = Path(source["path"])
    paths = [path]
    if source["source"] == "torchvision" and path.is_dir():
        paths = [path / file for file in published.files(source["name"])]
    for each in paths:
        if not each.exists():
            raise InputError(
                f"{key}: no such file or folder, {each}; give its path, seen from {Path.cwd()}"
            )
    return [str(each) for each in paths]


def listing(paths: Sequence[str]) -> str:
    """Hash of the names, sizes and times of all files in folders, "" where there is no folder.

    The time stamp of a folder does not tell that a file below it has changed.
    """
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    if not folders:
        return ""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                status = file.stat()
                line = f"{file.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n"
                digest.update(line.encode())
    return digest.hexdigest()[:16]
