"""Memory of large tensors, which a job reuses for every batch."""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
SPARE = 250e6  # bytes that may lie idle
EVERY = 1.0  # seconds


@cache
def keep() -> None:
    """Reuse memory that glibc would free and allocate for every batch: clearing its pages takes up
    to a third of a job. From time to time unused memory is returned to the system, because glibc
    does not find aligned memory again (its bug 14581) and would need more and more."""
    with suppress(OSError, AttributeError):  # another C library, or system
        libc = ctypes.CDLL("libc.so.6")
        for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            libc.mallopt(parameter, 1 << 30)
        trim, resident = libc.malloc_trim, _resident
        resident()
        threading.Thread(target=_watch, args=(trim, resident), daemon=True).start()


def _watch(
    trim: Callable[[int], int],
    resident: Callable[[], float],
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Trim the heap whenever a process has grown; resident: its bytes in memory."""
    used = resident()
    while True:
        wait(EVERY)
        if resident() > used + SPARE:
            trim(0)
            used = resident()


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
