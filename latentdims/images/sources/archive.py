"""The files of an archive: tar of any compression, or zip, read in memory and never extracted."""

import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self, cast

from latentdims.errors import InputError
from latentdims.images.sources.folder import text
from latentdims.images.sources.layout import is_image

LINKS = 40  # that are followed from one to the next
ZIP = (b"PK\3\4", b"PK\5\6")  # how a zip archive begins
TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}  # in any locale


class Archive:
    """Regular files by path, in the order of the archive, and other entries with the reason why
    they are not read. A context manager, which closes the archive.

    Raises InputError if it is damaged, incomplete or encrypted.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.files: dict[str, Any] = {}
        self.odd: dict[str, str] = {}
        self._twice: set[str] = set()
        self._stack = ExitStack()
        try:
            with self.path.open("rb") as file:
                self._is_zip = file.read(4) in ZIP
            if self._is_zip:
                self._list_zip()
            else:
                self._list_tar()
        except BaseException as error:
            self._stack.close()
            raise self._explained(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, place: str) -> bytes:
        """Content of a file. Raises InputError if it is damaged, or occurs twice."""
        if place in self._twice:
            raise InputError(f"{self.path}: holds {place} twice; give each image its own name")
        member = self.files[place]
        try:
            if self._is_zip:
                content: bytes = self._zip.read(member)
                return content
            archive, found = member
            opened = archive.extractfile(found)
            return opened.read()
        except Exception as error:
            raise self._explained(error) from None

    def _explained(self, error: BaseException) -> BaseException:
        """One line for any error of the standard library."""
        if isinstance(error, InputError) or not isinstance(error, Exception):
            return error
        kind = "zip" if getattr(self, "_is_zip", False) else "tar"
        reason = " ".join(str(error).split()).split(": - method")[0] or type(error).__name__
        if isinstance(error, OSError) and error.errno:
            return InputError(f"{self.path}: cannot be read ({error.strerror})")
        return InputError(
            f"{self.path}: not a whole {kind} archive ({reason}); pack it again, as tar or zip"
        )

    def _add(self, place: str, member: Any) -> None:
        if place in self.files:
            self._twice.add(place)
        self.files[place] = member

    def _list_zip(self) -> None:
        self._zip = self._stack.enter_context(zipfile.ZipFile(self.path))
        members = sorted(self._zip.infolist(), key=lambda member: member.header_offset)
        if members and members[0].header_offset:
            raise zipfile.BadZipFile(
                f"{members[0].header_offset} bytes lie before its first file, perhaps another "
                "archive"
            )
        for member in members:
            place = _place(member.filename)
            mode = member.external_attr >> 16
            if member.is_dir():
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                self.odd[place] = "not a regular file"
            else:
                if member.flag_bits & 1 and is_image(place):
                    raise InputError(f"{self.path}: {place} is encrypted; pack it again without")
                self._add(place, member)

    def _list_tar(self) -> None:
        members = {}
        links = {}
        for archive, member in self._tar_members():
            place = _place(member.name)
            if member.isreg():
                self._add(place, (archive, member))
                members[place] = (archive, member)
            elif member.islnk():
                links[place] = _place(member.linkname)
            elif member.issym():
                target = posixpath.join(posixpath.dirname(member.name), member.linkname)
                links[place] = _place(posixpath.normpath(target))
            elif not member.isdir():
                self.odd[place] = "not a regular file"
        for place in links:
            target = place
            for _ in range(LINKS):
                target = links.get(target, target)
            if target in members:
                self._add(place, members[target])
            else:
                self.odd[place] = "a link to no file of the archive"
        # As they lie, links beside what they point to: going back would decompress all of it again.
        self.files = dict(sorted(self.files.items(), key=lambda item: item[1][1].offset))

    def _tar_members(self) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
        """Of the archive, and of those that were put behind it."""
        archive = self._stack.enter_context(tarfile.open(self.path, "r:*", **TEXT))  # noqa: SIM115
        while True:
            for member in archive:
                yield archive, member
            stream = archive.fileobj
            following = _following(cast(IO[bytes], stream), archive.offset)
            if following is None:
                return
            stream.seek(following)
            archive = tarfile.TarFile(fileobj=stream, **TEXT)


def _place(name: str) -> str:
    return str(PurePosixPath(text(name.encode("utf-8", "surrogateescape"))))


def _following(stream: IO[bytes], end: int) -> int | None:
    """Where another archive begins behind the end of one, None where only zeros follow.

    Raises where an archive stops early, which tarfile takes for its end between two members.
    """
    stream.seek(end)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"damaged or cut short at byte {end}")
    position = end + tarfile.BLOCKSIZE
    while block := stream.read(1 << 20):  # to the end, where the compression keeps its checksum
        zeros = len(block) - len(block.lstrip(b"\0"))
        if zeros < len(block):
            return position + zeros // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        position += len(block)
    return None
