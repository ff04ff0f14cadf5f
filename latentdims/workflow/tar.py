"""A tar that is written whole or not at all, with checksums; one content gives the same bytes."""

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from latentdims.errors import InputError

SUMS = "SHA256SUMS"
MODIFIED = 315532800  # seconds: 1980-01-01, since tar warns of older files


def write(path: Path, top: str, contents: Mapping[str, Path | str]) -> None:
    """Write a tar that appears under its name only when it is complete.

    top: the folder in which everything lies. contents: files, or texts, by their places below it,
    which are sorted; the checksums of all of them come last. Owners, rights and times are always
    the same. Every file is read once, and no more of it is held than a part.
    Raises OSError, naming the path where the disk is full, and InputError for a file that changes.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                sums = {name: _add(tar, top, name, contents[name]) for name in sorted(contents)}
                _add(tar, top, SUMS, checksums(sums))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from None
    finally:
        partial.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, top: str, name: str, content: Path | str) -> str:
    """Add one file to an open archive; its checksum."""
    with io.BytesIO(content.encode()) if isinstance(content, str) else content.open("rb") as file:
        header = tarfile.TarInfo(f"{top}/{name}")
        header.size = file.seek(0, os.SEEK_END)
        header.mode, header.mtime = 0o644, MODIFIED
        file.seek(0)
        summed = _Summed(file)
        try:
            tar.addfile(header, summed)
        except OSError as error:
            if error.errno is None:  # of tarfile
                raise InputError(f"{content}: became shorter meanwhile; try again") from None
            raise
    return summed.sum.hexdigest()


class _Summed:
    """A file that is read once, for the archive and for its checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sum = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.sum.update(content)
        return content


def sha256(path: Path) -> str:
    """Of the content of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(sums: Mapping[str, str]) -> str:
    """Lines that `sha256sum --check` reads, of checksums by the place of a file."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
