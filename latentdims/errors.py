"""Errors for the user, each in one line."""

import errno
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches

PERMISSION = "this user has no permission: change the rights or the owner of the file or its folder"
SPACE = "make room"
MOUNT = "its disk or file system failed or is missing: restore it"
REMOVED = "it was removed, or its file system is missing: restore it"
FILES = "close other programs, or raise the limit (ulimit -n)"
MEMORY = "run fewer jobs at once (--cores), or use a machine with more memory"
LOCKED = "another program keeps it locked: wait for that program"
REMEDIES = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), PERMISSION),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), SPACE),
    **dict.fromkeys((errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ENXIO, errno.ENODEV), MOUNT),
    **dict.fromkeys((errno.EREMOTEIO, errno.EHOSTDOWN, errno.ETIMEDOUT, errno.ESHUTDOWN), MOUNT),
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ELOOP), REMOVED),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), FILES),
    errno.ENOMEM: MEMORY,
    **dict.fromkeys((errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.ENOLCK), LOCKED),
    errno.EISDIR: "a folder is where a file should be: move it away",
    errno.EEXIST: "a file is where a folder should be: move it away",
    errno.ENAMETOOLONG: "give shorter names, or work in a folder with a shorter path",
}


class InputError(Exception):
    """A mistake of the user: the message says what was found, where, and what to do."""


def of_machine(error: BaseException, *, outputs: Iterable[str] = ()) -> str | None:
    """One line for an error of the machine: the file, what was found, and what to do.

    outputs: the files being written; one of them is meant if there is no space and the error names
    no file. None for any other error, which is a bug.
    """
    if isinstance(error, OSError) and error.errno in REMEDIES:
        # HDF5 tells the file within a longer message.
        inside = re.search(r"name = '([^']*)'", str(error.strerror))
        file = error.filename or (inside[1] if inside else "")
        found, remedy = os.strerror(error.errno), REMEDIES[error.errno]
        if not file and remedy == SPACE:
            file = " or ".join(outputs)
        return f"{f'{file}: ' if file else ''}{found}; {remedy}, and run the same command again"
    allocated = ("out of memory", "allocate memory")
    short = isinstance(error, RuntimeError) and any(part in str(error) for part in allocated)
    if short or isinstance(error, MemoryError):
        return (
            f"out of memory ({str(error).splitlines()[0] if str(error) else 'no more'}); {MEMORY}"
        )
    return None


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint such as ``did you mean 'epochs'?``, or at most 20 of the choices if none is close."""
    choices = sorted(choices)
    close = get_close_matches(str(name), choices, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(choices[:20])}{', …' if len(choices) > 20 else ''}"
