"""Snakemake as a process, which ends together with its jobs."""

import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from latentdims.workflow.console import Console
from latentdims.workflow.job import INTERRUPTED


class Group:
    """Snakemake and its jobs, in a process group of their own, so that Ctrl-C reaches only this
    process. The first interrupt is passed on; a second one kills them."""

    def __init__(self) -> None:
        self._leader: int | None = None
        self._interrupted: float | None = None

    @property
    def interrupted(self) -> bool:
        return self._interrupted is not None

    def begin(self, leader: int) -> None:
        self._leader = leader
        if self.interrupted:
            self._send(signal.SIGINT)

    def interrupt(self, *_: object) -> None:
        """Handle a signal; make and a terminal may both send the same one."""
        now = time.monotonic()
        if self._interrupted is None:
            self._interrupted = now
            self._send(signal.SIGINT)
        elif now - self._interrupted > 1:
            self._send(signal.SIGKILL)

    def end(self) -> None:
        """Leave no job behind, however Snakemake ended."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self._leader is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._leader, number)


@contextmanager
def _signals(group: Group) -> Iterator[None]:
    """Signals go to the group; a hang-up does not, where it is ignored as under nohup."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, group.interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    command: list[str], folder: Path, environment: Mapping[str, str], *, quiet: bool = False
) -> tuple[int, Console]:
    """Run Snakemake to its end and print its progress; the exit status, and what was read."""
    group = Group()

    def tell(line: str) -> None:
        if not quiet and not group.interrupted:  # what fails then was interrupted
            print(line)

    console = Console(folder, tell=tell)
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output,
        _signals(group),
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environment,
            process_group=0,
        ) as process,
    ):
        group.begin(process.pid)
        try:
            for line in _lines(process):
                console.read(line) if line else console.look()
        except BaseException:
            group.interrupt()
            raise
        finally:
            status = process.wait()
            group.end()
        output.seek(0)
        printed = output.read()
    console.end()
    if group.interrupted:
        return INTERRUPTED, console
    if "Building DAG of jobs..." in printed or (status and not console.counts):
        console = Console(folder, dry=True, tell=tell, lines=console.lines)
        for line in printed.splitlines():
            console.read(line)
        console.end()
    elif not quiet:
        print(printed, end="")
    return status, console


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Lines as they come, and nothing in each second without one; until the process has ended."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, args=[process.stderr], daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=1)
        except queue.Empty:
            if process.poll() is not None:  # jobs of its may still hold the other end
                return
            line = ""
        if line is None:
            return
        yield line
