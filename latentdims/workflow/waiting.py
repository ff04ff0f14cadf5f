"""Watch the waiting jobs of a run on a SLURM cluster, so that no run waits silently."""

import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

SECONDS = "LATENTDIMS_CLUSTER_SECONDS"  # between two looks; an environment variable, for tests
AGAIN = 600  # seconds until the same thing is said once more

# Reasons that pass by themselves, as squeue names them.
USUAL = {"None", "Priority", "Resources", "BeginTime", "Cleaning", "Dependency", "Prolog"}
USUAL |= {"JobArrayTaskLimit", "WaitingForScheduling"}
MEANINGS = {
    "PartitionTimeLimit": "they ask for more time than the partition allows",
    "PartitionNodeLimit": "they ask for more nodes or memory than the partition allows",
    "PartitionDown": "the partition takes no jobs now",
    "PartitionInactive": "the partition takes no jobs now",
    "BadConstraints": "no node is as they ask for",
    "JobHeldUser": "they are held: scontrol release",
    "JobHeldAdmin": "an administrator holds them",
    "DependencyNeverSatisfied": "cancel them: scancel",
}


class Watch:
    """Reports, during a run, which of its jobs may wait forever.

    say: prints a line. folder: the working folder, which identifies jobs of the run.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        folder: str | Path,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._say, self._folder, self._clock = say, os.path.realpath(folder), clock
        self._said: dict[str, float] = {}
        self._silent_since: str | None = None

    def start(self) -> None:
        """Look every few minutes, in a thread, until this process ends."""
        threading.Thread(target=self._go_on, daemon=True).start()

    def _go_on(self) -> None:
        while True:
            time.sleep(float(os.environ.get(SECONDS, "120")))
            self.look()

    def look(self) -> None:
        """Ask squeue once, and report what the user should know."""
        lines, trouble = self._ask()
        if trouble:
            self._silent_since = self._silent_since or time.strftime("%H:%M:%S")
            self._say_once(
                f"cluster: squeue has not answered since {self._silent_since} ({trouble}); the run "
                "continues as soon as it does",
                key="squeue",
            )
            return
        if self._silent_since:
            self._say(f"cluster: squeue answers again, after silence since {self._silent_since}")
            self._silent_since = None
            self._said.pop("squeue", None)
        waiting = Counter(
            (reason, comment.removeprefix("rule_").partition("_wildcards")[0])
            for reason, comment, folder in (line.split("|", 2) for line in lines)
            if comment.startswith("rule_") and os.path.realpath(folder) == self._folder
            if reason not in USUAL
        )
        for (reason, rule), jobs in sorted(waiting.items()):
            number = "1 job" if jobs == 1 else f"{jobs} jobs"
            meaning = f" ({MEANINGS[reason]})" if reason in MEANINGS else ""
            self._say_once(
                f"cluster: {number} of rule {rule} may wait for ever: {reason}{meaning}",
                key=f"{reason} {rule}",
            )

    @staticmethod
    def _ask() -> tuple[list[str], str]:
        """Reason, comment and folder of each waiting job of this user, or why squeue is silent."""
        command = ["squeue", "--noheader", "--array", "--states=PENDING"]
        command += [f"--user={os.getuid()}", "--format=%r|%k|%Z"]
        try:
            told = subprocess.run(
                command,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                timeout=60,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return [], str(error)
        if told.returncode:
            message = told.stderr.strip().splitlines()
            return [], message[-1] if message else f"exit status {told.returncode}"
        return [line for line in told.stdout.splitlines() if line.count("|") >= 2], ""

    def _say_once(self, line: str, *, key: str) -> None:
        now = self._clock()
        if now - self._said.get(key, -AGAIN) >= AGAIN:
            self._said[key] = now
            self._say(line)
