"""Paths of the user's files that a data set is read from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentdims.images import checksums
from latentdims.images.sources.content import check


def files(source: Mapping[str, Any], *, key: str) -> list[str]:
    """Paths that a source is read from; none if its settings have no `path`.

    A published data set of several files is given as the folder that holds them. key: of the path
    in the configuration, for the message. Raises InputError if a path is missing, or neither a file
    nor a folder.
    """
    if not source.get("path"):
        return []
    path = Path(source["path"])
    paths = [path]
    if source["source"] == "torchvision" and path.is_dir():
        paths = [path / file for file in checksums.files(source["name"])]
    for each in paths:
        check(each, key=key)
    return [str(each) for each in paths]
