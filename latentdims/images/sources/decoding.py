"""Image files decoded on several cores, in their order."""

import ctypes
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from latentdims.images.sources.picture import Picture, decode

File = tuple[bytes, str]  # content and name

AT_ONCE = 200  # files that a process is given


def decoded(files: Iterable[File], *, cores: int, **options: Any) -> Iterator[Picture]:
    """The result of `picture.decode` for each file.

    options: of `decode`. Raises its InputError for the first file that has one.
    """
    if cores < 2:
        yield from (decode(*file, **options) for file in files)
        return
    # Forked, before there are threads: a new interpreter takes longer than a thousand images.
    with multiprocessing.get_context("fork").Pool(cores, initializer=_begin) as pool:
        waiting: deque[Any] = deque()
        left = iter(files)
        while some := list(islice(left, AT_ONCE)):
            waiting.append(pool.apply_async(_decode_all, (some, options)))
            if len(waiting) > 2 * cores:  # which bounds what is read ahead
                yield from waiting.popleft().get()
        while waiting:
            yield from waiting.popleft().get()


def _begin() -> None:
    """An interrupt is for the job, which ends its processes; they end with it, too, when it is
    killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _decode_all(files: Iterable[File], options: Mapping[str, Any]) -> list[Picture]:
    return [decode(*file, **options) for file in files]
