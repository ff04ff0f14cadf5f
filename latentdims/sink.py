"""The file object that HDF5 writes to, which hides errors of the disk from it."""

import os
from pathlib import Path
from typing import Self


class Sink:
    """A new file, as h5py takes file objects. A context manager, which flushes it to the disk at
    the end.

    HDF5 ends the process if a write fails, for example because the disk is full. Here it never
    learns of that: the first error is kept, and raised when the context ends.
    """

    def __init__(self, path: Path, *, name: Path) -> None:
        """name: of the file, for messages."""
        self._name = name
        self._error: BaseException | None = None
        self._position = 0
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise self._named(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._error is None:
                os.fsync(self._descriptor)
        except OSError as error:
            self._error = error
        finally:
            os.close(self._descriptor)
        if self._error is not None:
            raise self._named(self._error) from None

    def _named(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError):
            return OSError(error.errno, error.strerror, str(self._name))
        return error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position, counted from the beginning, from here, or from the end."""
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}
        if whence == os.SEEK_END:
            starts[whence] = os.fstat(self._descriptor).st_size
        self._position = starts[whence] + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def read(self, size: int) -> bytes:
        """So many bytes at most."""
        content = os.pread(self._descriptor, size, self._position)
        self._position += len(content)
        return content

    def readinto(self, buffer: memoryview) -> int:
        """Fill memory as far as there are bytes; how many there were."""
        read = os.preadv(self._descriptor, [buffer], self._position)
        self._position += read
        return read

    def write(self, content: memoryview) -> int:
        """Always all of it, as far as HDF5 is told."""
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while self._error is None and len(left):
                written = os.pwrite(self._descriptor, left, self._position + size - len(left))
                left = left[written:]
        except BaseException as error:
            self._error = error
        self._position += size
        return size

    def truncate(self, size: int) -> int:
        """Make the file so long."""
        try:
            os.ftruncate(self._descriptor, size)
        except BaseException as error:
            self._error = self._error or error
        return size

    def flush(self) -> None:
        """Nothing waits: the disk is asked once, at the end."""
