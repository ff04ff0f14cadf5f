"""The output of a run: a line for each finished job, made from Snakemake's own output."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

TOLD = "latentdims: "  # begins a line of the workflow that is passed on
EVERY = 60  # seconds between two looks at how far long jobs are
LISTED = 5  # jobs in such a look; the others are counted
RECENT = 20  # lines of output in which the reason of a failure is looked for
SLACK = 2  # seconds that clocks of file systems may differ

JOB = re.compile(r" *(?:local)?(?:rule|checkpoint) (\w+):$")
ERROR = re.compile(r" *Error in rule (\w+):$")
FIELD = re.compile(r" {4,}([\w-]+): ?(.*)")
FINISHED = re.compile(r" *Finished jobid: (\d+) ")
RESTARTED = re.compile(r"Trying to restart job (\d+)\.")
COUNT = re.compile(r"(\w+) +(\d+)$")
RESULTS = re.compile(r"(?:Results|(Part of the results)): (.+)")
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")  # of a line in a job's log
DONE = re.compile(r"done in ([\d.]+) s")
EXCEPTION = re.compile(
    r"(?!RuleException|CalledProcessError|WorkflowError)[\w.]+(Error|Exception):"
)
KILLED = re.compile(r"died with <Signals\.SIGKILL|non-zero exit status (137|-9)\b")


@dataclass
class Job:
    """A job of the run: the block of lines that Snakemake prints about it."""

    rule: str
    fields: dict[str, str] = field(default_factory=dict)
    failed: bool = False
    began: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.time)

    @property
    def what(self) -> str:
        """Its data set, network, seed or figure: ``shapes/mlp/seed0``."""
        pairs = [pair.partition("=") for pair in self.fields.get("wildcards", "").split(", ")]
        return "/".join(
            f"{name}{value}" if name in ("seed", "part") else value for name, _, value in pairs
        )

    @property
    def name(self) -> str:
        return f"{self.rule} {self.what}".rstrip()

    @property
    def logs(self) -> str:
        """Paths, relative to the working folder, with commas between them."""
        return self.fields.get("log", "").partition(" (check log")[0]

    def log_lines(self, folder: Path) -> list[str]:
        """The last lines of what this job has logged, without their times of day."""
        lines: list[str] = []
        for name in filter(None, self.logs.split(", ")):
            try:
                with (folder / name).open("rb") as file:
                    if Path(file.name).stat().st_mtime < self.since - SLACK:
                        continue  # of an earlier run
                    file.seek(max(0, file.seek(0, 2) - 10_000))
                    text = file.read().decode(errors="replace")
            except OSError:
                continue
            lines += [STAMP.sub("", line) for line in text.splitlines() if line.strip()]
        return lines


class Console:
    """Reads the output of Snakemake line by line, and prints a summary.

    folder: where Snakemake works. dry: nothing runs, and nothing is logged. tell: prints a line.
    lines: output before the lines that are read.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dry: bool = False,
        tell: Callable[[str], object] = print,
        lines: Sequence[str] = (),
    ) -> None:
        self.folder, self.dry, self._tell = folder, dry, tell
        self.results = Path()  # relative to the folder, or absolute; empty where not known
        self.whole = False  # all of them are asked for
        self.log = Path()  # of all output; written from the first job on
        self.lines = list(lines)  # all output until then, its last lines afterwards
        self.nothing_to_do = self.complete = False
        self.counts: dict[str, int] = {}  # of jobs by rule
        self.finished = 0
        self.failed: dict[str, tuple[Job, str]] = {}
        self._running: dict[str, Job] = {}
        self._file: TextIO | None = None
        self._block: Job | None = None  # what is being read
        self._inside = ""  # `table` of jobs, or the `log` of a job that failed
        self._looked = time.monotonic()

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def told(self) -> list[str]:
        """Lines of a dry run that people must see."""
        return [line.removeprefix(TOLD) for line in self.lines if line.startswith(TOLD)]

    def read(self, line: str) -> None:
        """Take in one line of output."""
        line = line.rstrip()
        self.lines.append(line)
        if self.log.name:
            self._write(line)
            del self.lines[:-RECENT]
        if self._inside:
            self._read_inside(line)
        elif self._block and (found := FIELD.match(line)):
            self._block.fields[found[1]] = found[2]
        else:
            self._end_block()
            self._read_event(line)

    def look(self) -> None:
        """Report the progress of long jobs, if it is time."""
        self._end_block()
        now = time.monotonic()
        if now - self._looked < EVERY:
            return
        self._looked = now
        long = [job for job in self._running.values() if now - job.began >= EVERY]
        said = [(job, job.log_lines(self.folder)) for job in long]
        said.sort(key=lambda each: not each[1])  # those first that have logged something
        for job, lines in said[:LISTED]:
            self._tell_job("...", job, now - job.began, lines[-1] if lines else "no log yet")
        if len(said) > LISTED:
            self._tell(f"{'...':>{self._margin}}  and {len(said) - LISTED} more")

    def end(self) -> None:
        """No more lines follow."""
        self._end_block()
        self._close()

    def _read_inside(self, line: str) -> None:
        if self._inside == "table":
            if line.startswith("total") or not line:
                self._inside = ""
                self._tell_counts()
            elif (found := COUNT.match(line)) and found[1] != "all":
                self.counts[found[1]] = int(found[2])
        elif len(line) > 4 and set(line) == {"="}:  # above and below the log of a job
            self._inside = "end of log" if self._inside == "log" else ""

    def _read_event(self, line: str) -> None:
        if found := JOB.match(line) or ERROR.match(line):
            self._block = Job(found[1], failed="Error in" in line)
        elif line == "Job stats:" and not self.counts:  # a dry run prints it twice
            self._inside = "table"
        elif line.startswith("Logfile ") and line.endswith(":"):
            self._inside = "log"
        elif found := FINISHED.match(line):
            self._finish(found[1])
        elif (found := RESTARTED.match(line)) and found[1] in self.failed:
            self._tell(f"        {self.failed.pop(found[1])[0].name} is tried again")
        elif found := RESULTS.match(line):
            self.results, self.whole = Path(found[2]), not found[1]
        elif line.startswith(TOLD):
            self._tell(line.removeprefix(TOLD))
        elif line.startswith("Nothing to be done"):
            self.nothing_to_do = True
        elif line.startswith("Select jobs") and not self.log.name and not self.dry:
            self._open_log()

    def _end_block(self) -> None:
        """The lines of a job are read."""
        job, self._block = self._block, None
        if job is None:
            return
        number = job.fields.get("jobid", "")
        if job.failed:
            self._fail(number, job)
        elif not self.dry:
            self._running[number] = job
        elif job.rule != "all":
            reason = job.fields.get("reason", "").partition(":")[0].lower()
            reason = reason.replace("forced execution", "made again")  # a line above says why
            self._tell(f"  {job.rule:<{self._rules}}  {job.what:<30}  {reason}")

    def _tell_counts(self) -> None:
        self._tell(f"{self.total} jobs to run:" if self.total != 1 else "1 job to run:")
        for rule, count in self.counts.items():
            self._tell(f"  {rule:<{self._rules}}  {count:>{self._margin}}")

    def _open_log(self) -> None:
        self.log = self.results / "logs" / time.strftime("run-%Y%m%d-%H%M%S.log")
        path = self.folder / self.log
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", errors="replace")
        self._tell(f"The whole log: {self.log}")
        self._write(*self.lines)

    def _write(self, *lines: str) -> None:
        """To the log, which ends where the disk is full: jobs may have room elsewhere."""
        try:
            if self._file:
                print(*lines, sep="\n", file=self._file, flush=True)
        except OSError as error:
            self._tell(f"The log cannot be written any more: {error.strerror}")
            self._close()

    def _close(self) -> None:
        if self._file:
            with suppress(OSError):  # as said
                self._file.close()
        self._file = None

    def _finish(self, number: str) -> None:
        job = self._running.pop(number, None)
        self.failed.pop(number, None)
        if job is None or job.rule == "all":
            self.complete |= job is not None
            return
        self.finished += 1
        said = DONE.match((job.log_lines(self.folder) or [""])[-1])
        seconds = float(said[1]) if said else time.monotonic() - job.began
        self._tell_job(str(self.finished), job, seconds)

    def _fail(self, number: str, job: Job) -> None:
        started = self._running.pop(number, job)
        job.since = started.since
        reason = self._reason(job)
        self.failed[number] = started, reason
        seconds = time.monotonic() - started.began
        self._tell(f"failed: {started.name} after {duration(seconds)}: {reason}")
        self._tell(f"        its log: {job.logs}")

    def _reason(self, job: Job) -> str:
        """Why a job failed, in one line: its own message, or what ended it."""
        logged = job.log_lines(self.folder)
        for line in reversed(logged or self.lines):
            if "error: " in line:
                return line.partition("error: ")[2]
        if logged and EXCEPTION.match(logged[-1]):
            return logged[-1]
        if (message := job.fields.get("message", "None")) != "None":  # of a cluster
            return message
        for line in reversed(self.lines):
            if KILLED.search(line):
                return "killed, perhaps because memory ran out"
            if not logged and EXCEPTION.match(line):
                return line
        return logged[-1] if logged else "it ended without a message"

    def _tell_job(self, number: str, job: Job, seconds: float, *more: str) -> None:
        number = f"{number:>{self._margin}}" + (f" of {self.total}" if not more else "")
        line = f"{number}  {job.rule:<{self._rules}}  {job.what:<30}  {duration(seconds):>11}"
        self._tell("  ".join([line, *more]))

    @property
    def _margin(self) -> int:
        return max(3, len(str(self.total)))

    @property
    def _rules(self) -> int:
        return max(map(len, self.counts), default=0)


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def in_bytes(number: float) -> str:
    """Bytes in the unit that suits them."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= 0.9995 * size:
            value = number / size
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{max(1, number / 1e3):.0f} kB"
