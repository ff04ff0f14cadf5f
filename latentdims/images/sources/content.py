"""What is read from a folder or archive of images, as compared while the workflow is planned."""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from latentdims.errors import InputError
from latentdims.images import selection
from latentdims.images.sources.folder import File, Folder
from latentdims.images.sources.layout import Layout, arrange


def check(path: Path, *, key: str) -> None:
    """Raise InputError unless a readable file or folder exists at a path; nothing is opened."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise InputError(f"{key}: {path} cannot be read ({error.strerror})") from None
        raise InputError(
            f"{key}: no such file or folder, {path}; give its path, relative to {Path.cwd()}"
        ) from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise InputError(
            f"{key}: {path} is neither a folder nor a file (a pipe or a device); give the path of "
            "a folder or an archive"
        )


def check_layout(source: Mapping[str, Any]) -> None:
    """Raise InputError if a folder of images does not have the layout of its source, or lacks a
    class."""
    path = Path(source.get("path") or "")
    if source["source"] == "imagefolder" and path.is_dir():
        _, layout = _arranged(path, source["test_share"])
        selection.check(source.get("classes") or (), layout.classes, key=f"{path}: classes")


def content(
    path: str | Path,
    *,
    test_share: float | None = None,
    notes: Path | None = None,
    keep: bool = False,
) -> str:
    """Hash of what is read from a folder of images or an archive, independent of time stamps.

    test_share: as for reading; it determines which files count. notes: a folder that may hold the
    hash of an earlier call, which is valid while names, sizes and times of all files are the same.
    keep: whether to write it there. Raises InputError if the images have a wrong layout.
    """
    files = _files(Path(path), test_share)
    listing = _hash(f"{file.state} {place}" for place, file in files.items())
    noted = notes / f"{_hash([str(path)])}.json" if notes else None
    if noted:
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(noted.read_text(encoding="utf-8"))
            if known["listing"] == listing:
                return str(known["content"])
    found = _hash(f"{_digest(file)} {place}" for place, file in files.items())
    if noted and keep:
        with suppress(OSError):  # without it, all is read again the next time
            noted.parent.mkdir(parents=True, exist_ok=True)
            partial = noted.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps({"listing": listing, "content": found}), encoding="utf-8")
            partial.replace(noted)
    return found


def _files(path: Path, test_share: float | None) -> dict[str, File]:
    """The files that are read, by place; of an archive, itself."""
    if not path.is_dir():
        return {"": File.at(path)}
    folder, layout = _arranged(path, test_share)
    return {place: folder.files[place] for place in layout.images}


def _arranged(path: Path, test_share: float | None) -> tuple[Folder, Layout]:
    folder = Folder.walk(path)
    return folder, arrange(folder.files, folder.odd, path=str(path), test_share=test_share)


def _digest(file: File) -> str:
    try:
        return file.digest()
    except InputError:
        return "unreadable"  # to be said where it is read


def _hash(lines: Iterable[str]) -> str:
    """Of lines in any order."""
    text = "\n".join(sorted(lines))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
