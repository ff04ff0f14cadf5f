"""What every script needs: its log, its device, determinism, and how far it is."""

import ctypes
import errno
import fcntl
import logging
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from latentdims.errors import InputError
from latentdims.workflow import provenance

Item = TypeVar("Item")

INTERRUPTED = 130  # the exit status of what was interrupted
EVERY = 15  # seconds between two lines on how far a job is

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt

logger = logging.getLogger(__name__)


class Job:
    """A running job of the workflow."""

    def __init__(self, resources: Any) -> None:
        self._gpu = int(resources.get("gpu", 0) or 0) > 0

    @property
    def device(self) -> str:
        """``cuda`` where the rule was granted a GPU and the machine has one, else ``cpu``.

        Makes torch deterministic, so that a seed gives the same bytes on the same machine.
        """
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        import torch  # here, because jobs that need no device must not wait for its import

        # What torch.use_deterministic_algorithms does, but that imports a compiler for two seconds.
        torch.set_deterministic_debug_mode("error")
        # All memory is written before it is read, so that filling it first would be wasted.
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        _keep_memory()
        device = "cuda" if self._gpu and torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.cuda.set_device(self._claim(torch.cuda.device_count()))
        logger.info("device: %s, torch %s", device, torch.__version__)
        return device

    @staticmethod
    def _claim(devices: int) -> int:
        """A device that no other job on this host has, until this process ends.

        Snakemake counts GPUs, but does not say which a job may use; a cluster does, by making one
        alone visible. Where all are taken, devices are shared.
        """
        visible = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
        for number in range(devices):
            name = visible[number] if len(visible) == devices else str(number)
            lock = Path(tempfile.gettempdir()) / f"latentdims-{os.getuid()}-gpu{name}.lock"
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            logger.info("GPU %s", name)
            return number  # the descriptor stays open: closing it would give the device back
        logger.info("all %d GPUs are taken by other jobs: sharing one", devices)
        return os.getpid() % devices


def _keep_memory() -> None:
    """Reuse the memory of large tensors, which glibc gives back and asks for anew at every batch:
    its pages are then cleared each time, for up to a third of what a job takes."""
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        for parameter in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            libc.mallopt(parameter, 1 << 30)


@contextmanager
def running(snakemake: Any) -> Iterator[Job]:
    """Run the body of a script with its log open, which ends with its time and memory.

    An InputError ends the job with its message alone, and an interrupt with that word; anything
    else leaves its traceback in the log, too, and is raised.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=log, filemode="w", level=logging.INFO, format="%(asctime)s %(message)s", force=True
    )
    # Also what a cluster sends at the end of the time; so that what is half written is removed.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    try:
        stamped = getattr(snakemake.params, "code", None)
        if stamped is not None:  # not where a checksum says what is made
            provenance.check_code(stamped, folder=snakemake.scriptdir)
        yield Job(snakemake.resources)
        declared = snakemake.resources.get("mem_mb", "?")
        seconds = time.monotonic() - start
        logger.info("done in %.1f s, with at most %.0f of %s MB", seconds, peak_memory(), declared)
    except InputError as error:
        logger.error("error: %s", error)
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        logger.error("interrupted after %.1f s", time.monotonic() - start)
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            logger.error(traceback.format_exc())
            raise
        message = f"error: {error.strerror}: {error.filename}; make room and run the same command"
        logger.error(message)
        sys.exit(f"{message} again")
    except BaseException:
        logger.error(traceback.format_exc())
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def peak_memory() -> float:
    """MB of memory that this process has held at most."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    # Elsewhere than on Linux; there, it begins with what the process had that started this one.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def progress(items: Iterable[Item], *, name: str, done: int = 0) -> Iterator[Item]:
    """Pass items on, with a line in the log now and then: ``draw 3 of 10``.

    done: how many were passed on before, where a job resumes.
    """
    of = f" of {done + len(items):,}" if isinstance(items, Sized) else ""
    said = time.monotonic()
    for number, item in enumerate(items, done + 1):
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            logger.info("%s %s%s", name, f"{number:,}", of)
        yield item
