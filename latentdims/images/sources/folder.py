"""The files of a folder, walked once for planning and for reading."""

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from latentdims.errors import InputError
from latentdims.images.sources.layout import is_hidden, is_image

CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


@dataclass(frozen=True)
class File:
    """A regular file, and its state: size, and times in ns of the last change of its content and
    of its inode."""

    path: str
    state: tuple[int, int, int]

    @classmethod
    def at(cls, path: str | Path) -> "File":
        """One file. Raises InputError where there is none."""
        try:
            return cls(str(path), _state(Path(path).stat()))
        except OSError as error:
            raise _unreadable(error) from None

    def read(self) -> bytes:
        """Its content. Raises InputError, naming it, where that cannot be read."""
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise _unreadable(error) from None

    def digest(self) -> str:
        """SHA-256 of its content, in hexadecimal. Raises as `read`."""
        try:
            with Path(self.path).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(error) from None


@dataclass(frozen=True)
class Folder:
    """What a folder contains: regular files by path, and other entries with the reason why they are
    not read. Folders are listed in the byte order of names."""

    files: Mapping[str, File]
    odd: Mapping[str, str]

    @classmethod
    def walk(cls, path: str | Path) -> "Folder":
        """Everything below a folder, through symbolic links, but not in hidden folders.

        Raises InputError for a folder that cannot be listed, and for an image that is a broken
        link.
        """
        files: dict[str, File] = {}
        odd: dict[str, str] = {}
        pending = [(str(path), "", [_identity(path)])]
        while pending:
            folder, below, above = pending.pop()
            folders = []
            for entry in _entries(folder):
                place = f"{below}{text(os.fsencode(entry.name))}"
                if is_hidden(place):
                    odd[place] = "hidden"
                    continue
                try:
                    found = entry.stat()
                except OSError as error:
                    if is_image(place) or error.errno not in (errno.ENOENT, errno.ELOOP):
                        raise _unreadable(error) from None
                    odd[place] = "a broken link"
                    continue
                identity = found.st_dev, found.st_ino
                if stat.S_ISDIR(found.st_mode) and identity in above:
                    odd[place] = "a link to a folder that it lies in"
                elif stat.S_ISDIR(found.st_mode):
                    folders.append((entry.path, f"{place}/", [*above, identity]))
                elif not stat.S_ISREG(found.st_mode):
                    odd[place] = "not a regular file"
                elif place in files:
                    raise InputError(f"{path}: two files would be called {place}; rename one")
                else:
                    files[place] = File(entry.path, _state(found))
            pending += reversed(folders)
        return cls(files, odd)

    def read(self, place: str) -> bytes:
        """Content of a file. Raises InputError where it cannot be read."""
        return self.files[place].read()


def text(name: bytes) -> str:
    r"""A name in the file system or an archive as text on one line: bytes that are not UTF-8, and
    control characters, as \xff."""
    return name.decode("utf-8", "backslashreplace").translate(CONTROL)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise _unreadable(error) from None


def _identity(folder: str | Path) -> tuple[int, int]:
    try:
        found = Path(folder).stat()
    except OSError as error:
        raise _unreadable(error) from None
    return found.st_dev, found.st_ino


def _state(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _unreadable(error: OSError) -> InputError:
    name = text(os.fsencode(error.filename))
    return InputError(f"{name}: cannot be read ({error.strerror}); allow reading it, or remove it")
