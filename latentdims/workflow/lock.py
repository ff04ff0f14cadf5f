"""The lock of a working folder, which names its holder.

Snakemake's own locks are files that a killed run leaves behind and that name no process. So every
run also holds a lock of ours: a file that names the run, held by `flock` until its process ends. A
leftover lock is removed only if its owner is known to be dead.
"""

import atexit
import fcntl
import json
import os
import pwd
import shlex
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from latentdims.errors import InputError

NAME = "latentdims.lock"
NEEDED = (".", "auxiliary", "incomplete", "iocache", "locks", "log", "metadata")  # by Snakemake
WAIT = 50  # tenths of a second, for a run that begins or ends just now

_held: dict[Path, int] = {}  # descriptors of this process, by the file


def take(folder: Path) -> None:
    """Hold the lock of a folder `.snakemake` until this process ends; a second call does nothing.

    Snakemake's own locks of a dead run are removed. Raises InputError if another run holds the
    lock, or may hold it.
    """
    path = folder.absolute() / NAME
    if path in _held:
        return
    try:
        _take(path)
    except OSError as error:  # a disk that is full, or can only be read
        raise InputError(f"the lock {path} cannot be written: {error.strerror}") from None
    atexit.register(release)


def _take(path: Path) -> None:
    descriptor, dead = _claim(path)
    for left in (path.parent / "locks").glob("*.lock"):
        if dead:
            left.unlink(missing_ok=True)
        elif not os.access(left, os.R_OK):
            os.close(descriptor)
            raise InputError(_foreign(left))
    _write(descriptor, json.dumps(_this_run()))
    _held[path] = descriptor


def release() -> None:
    """Release the locks of this process."""
    for descriptor in _held.values():
        _write(descriptor, "")
        os.close(descriptor)
    _held.clear()


def check_writable(folder: Path) -> None:
    """Raise InputError if a folder `.snakemake` belongs to another user and is not writable."""
    within = [folder / name for name in NEEDED] if folder.exists() else [folder.absolute().parent]
    for each in within:
        if each.exists() and not os.access(each, os.R_OK | os.W_OK | os.X_OK):
            owner, me = _user(each.stat().st_uid), _user(os.getuid())
            command = f"sudo chown -R {me} {shlex.quote(str(each.absolute()))}"
            raise InputError(
                f"{each.absolute()} belongs to {owner}, and {me} cannot write there; work in a "
                "folder of your own" + (f", or take it over: {command}" if owner != me else "")
            )


def _claim(path: Path) -> tuple[int, bool]:
    """The lock, locked and open for writing, and whether a run left it that is proven dead."""
    dead = False
    for _ in range(WAIT):
        descriptor = _open(path)
        locked = _lock(descriptor)
        owner = _owner(descriptor)
        if not os.fstat(descriptor).st_nlink or (locked is False and not owner):
            os.close(descriptor)  # another run removes it or begins just now: look again
            time.sleep(0.1)
            continue
        if locked is False or owner:
            state = "alive" if locked is False else _state(owner, locked=locked is True)
            if state != "dead":
                os.close(descriptor)
                raise InputError(_refusal(owner, path, alive=state == "alive"))
            dead = True
        if os.access(path, os.W_OK):
            return descriptor, dead
        path.unlink()  # of another user
        os.close(descriptor)
    raise InputError(f"another run is working in {path.parents[1]}; wait for it")


def _open(path: Path) -> int:
    """The file, made where there is none; to be read only, where it is another user's."""
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR, 0o666)  # a group may share it: umask decides
    except PermissionError:
        try:
            return os.open(path, os.O_RDONLY)
        except PermissionError:
            raise InputError(_foreign(path)) from None


def _lock(descriptor: int) -> bool | None:
    """Whether it is ours now; None where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _owner(descriptor: int) -> dict[str, Any]:
    """The run that a lock names; nothing where the last one ended as it should."""
    with suppress(ValueError):
        owner = json.loads(os.pread(descriptor, 1 << 16, 0) or "{}")
        if isinstance(owner, dict):
            return owner
    return {"unreadable": True}


def _this_run() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "user": _user(os.getuid()),
        "since": time.strftime("%Y-%m-%d %H:%M"),
    }


def _state(owner: dict[str, Any], *, locked: bool) -> str:
    """Whether a run is "alive", "dead" or "unknown". locked: its lock could be taken from it."""
    here = _this_run()
    if owner.get("boot") and owner["boot"] == here["boot"]:  # the same kernel
        if owner.get("namespace") == here["namespace"]:
            return "alive" if _started(owner.get("pid")) == owner.get("started") else "dead"
        return "dead" if locked else "unknown"  # in another container
    # The same machine after a reboot: the locks of its processes are gone.
    return "dead" if locked and owner.get("host") == here["host"] else "unknown"


def _foreign(path: Path) -> str:
    return (
        f"the lock {path} belongs to {_user(path.stat().st_uid)} and cannot be read; if no run of "
        f"theirs is going on, remove it: rm -f {shlex.quote(str(path))}"
    )


def _refusal(owner: dict[str, Any], path: Path, *, alive: bool) -> str:
    process = owner.get("pid", "?")
    if alive:
        advice = f"wait for it, or end it there: kill {process}"
    else:
        locks = shlex.join([str(path), str(path.parent / "locks")])
        advice = f"wait for it or, if you know that it is dead, remove its locks: rm -r {locks}"
    return (
        f"another run is working in {path.parents[1]} (process {process} on "
        f"{owner.get('host', 'an unknown host')} since {owner.get('since', '?')}, by "
        f"{owner.get('user', 'somebody')}); {advice}"
    )


def _started(process: Any) -> str | None:
    """When a process was started, in ticks since the machine was; None where there is none."""
    state, *rest = _read(f"/proc/{process}/stat").rpartition(")")[2].split() or ["Z"]
    return rest[18] if state not in "ZX" else None


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8").strip()
    return ""


def _user(number: int) -> str:
    """The name of a user, or their number where they have none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
