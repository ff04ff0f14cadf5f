"""What every script needs: a log, a device, and progress."""

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
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from latentdims import record
from latentdims.errors import InputError, of_machine
from latentdims.workflow import heap, provenance, recorded

Item = TypeVar("Item")

INTERRUPTED = 130  # the exit status of what was interrupted
EVERY = 15  # seconds between two lines on how far a job is

logger = logging.getLogger(__name__)


class Job:
    """A running job of the workflow."""

    def __init__(self, resources: Any) -> None:
        self._gpu = int(resources.get("gpu", 0) or 0) > 0

    @property
    def device(self) -> str:
        """``cuda`` if the rule was granted a GPU and the machine has one, else ``cpu``."""
        import torch  # here, because jobs that need no device must not wait for its import

        heap.keep()
        device = "cuda" if self._gpu and torch.cuda.is_available() else "cpu"
        if device == "cuda":
            torch.cuda.set_device(self._claim(torch.cuda.device_count()))
        logger.info("device: %s, torch %s", device, torch.__version__)
        return device

    @staticmethod
    def _claim(devices: int) -> int:
        """The device that the fewest jobs on this host use; it counts this job until it ends.

        Snakemake counts GPUs, but does not say which one a job may use. A cluster does, by making
        only one visible.
        """
        visible = list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))
        for place, number in ((place, number) for place in count() for number in range(devices)):
            name = visible[number] if len(visible) == devices else str(number)
            shared = f".{place}" if place else ""
            lock = Path(tempfile.gettempdir()) / f"latentdims-{os.getuid()}-gpu{name}{shared}.lock"
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            logger.info("GPU %s%s", name, f", beside {place} other jobs" if place else "")
            return number  # the descriptor stays open: closing it would give the device back
        raise AssertionError("there is always another place")


@contextmanager
def running(snakemake: Any) -> Iterator[Job]:
    """Run the body of a script with its log open, which ends with its time and memory.

    An InputError, or an error of the machine, ends the job with its message only, and an interrupt
    with that word. Anything else also leaves its traceback in the log, and is raised.
    """
    # A cluster sends SIGTERM at the time limit: remove half-written files then, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()
    try:
        _open_log(Path(snakemake.log[0]))
        stamped = getattr(snakemake.params, "code", None)
        if stamped is not None:  # not where a checksum says what is made
            provenance.check_code(stamped, folder=snakemake.scriptdir)
        inputs = recorded.digest(snakemake.input)
        with record.made_by(dict(snakemake.params.items()), inputs):
            yield Job(snakemake.resources)
        declared = snakemake.resources.get("mem_mb", "?")
        seconds = time.monotonic() - start
        on_gpu = peak_on_gpu()
        most = f"{peak_memory():.0f} of {declared} MB"
        most += f", and {on_gpu:.0f} MB of the GPU" if on_gpu else ""
        logger.info("done in %.1f s, with at most %s", seconds, most)
    except KeyboardInterrupt:
        logger.error("interrupted after %.1f s", time.monotonic() - start)
        sys.exit(INTERRUPTED)
    except BaseException as error:
        outputs = map(str, snakemake.output)
        said = isinstance(error, InputError)
        message = str(error) if said else of_machine(error, outputs=outputs)
        if message is None:
            logger.error(traceback.format_exc())
            raise
        logger.error("error: %s", message)
        sys.exit(f"error: {message}")
    finally:
        signal.signal(signal.SIGTERM, before)


def _open_log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=path,
        filemode="w",
        encoding="utf-8",
        errors="backslashreplace",  # names of files may be no text
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        force=True,
    )


def peak_memory() -> float:
    """Peak memory of this process in MB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    # Not on Linux, where this starts from the peak of the parent process.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def peak_on_gpu() -> float:
    """Peak memory of the tensors of this process on a GPU in MB."""
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_initialized()
    return float(torch.cuda.max_memory_allocated()) / 1e6 if torch and used else 0.0


def progress(items: Iterable[Item], *, name: str, done: int = 0) -> Iterator[Item]:
    """Pass items on, with a line in the log from time to time: ``draw 3 of 10``.

    done: number of items before a job resumed.
    """
    of = f" of {done + len(items):,}" if isinstance(items, Sized) else ""
    said = time.monotonic()
    for number, item in enumerate(items, done + 1):
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            logger.info("%s %s%s", name, f"{number:,}", of)
        yield item
