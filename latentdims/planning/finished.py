"""Time and file sizes of jobs of a rule that have run before."""

import re
import statistics
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from latentdims.planning.jobs import Job

DONE = re.compile(r"done in ([\d.]+) s")
SEED = re.compile(r"(?<=seed)\d+")


@dataclass(frozen=True)
class Finished:
    """Files of finished jobs.

    results: the folder that the paths of jobs are in. folders: where such files are searched, first
    that one. planned: paths to be made, whose existing files have other settings.
    """

    results: Path
    folders: Sequence[Path]
    planned: Collection[str]

    @classmethod
    def before(cls, jobs: Sequence[Job], results: Path, other: Path | None = None) -> "Finished":
        """Finished jobs similar to some jobs. other: results of a similar run."""
        planned = {path for job in jobs for path in (*job.outputs, *job.log)}
        return cls(results, [results, *([other] if other else [])], planned)

    def seconds(self, job: Job) -> float | None:
        """The median of jobs that differ only in the seed; None if none has run."""
        for path in job.log:
            found = [_seconds(each) for each in self._alike(path)]
            if known := [each for each in found if each is not None]:
                return statistics.median(known)
        return None

    def size(self, path: str) -> float | None:
        """The same for a file, in bytes."""
        with suppress(OSError):
            if found := [each.stat().st_size for each in self._alike(path)]:
                return statistics.median(found)
        return None

    def _alike(self, path: str) -> list[Path]:
        """Files that are there, which differ from one in the number of its seed alone."""
        if not Path(path).is_relative_to(self.results):
            return []
        pattern = SEED.sub("*", str(Path(path).relative_to(self.results)))
        for folder in self.folders:
            found = [each for each in folder.glob(pattern) if str(each) not in self.planned]
            if found:
                return found
        return []


def _seconds(path: Path) -> float | None:
    """From the last line of a log."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        done = DONE.search(lines[-1])
    except (IndexError, OSError):
        return None
    return float(done[1]) if done else None
