"""What `make plan` prints: what a run takes, before it starts. Nothing is written.

    CONFIG=config.yaml PROFILE=profiles/default TARGET= ARGS= python -m latentdims.workflow.plan

LIKE=results/other names the results of another run, whose jobs tell how long those of the same rule
and network take.
"""

import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from pathlib import Path

from latentdims.errors import InputError
from latentdims.planning import estimates, jobs
from latentdims.planning.estimates import Taken
from latentdims.planning.jobs import Jobs
from latentdims.workflow import asked, dry
from latentdims.workflow.console import in_bytes
from latentdims.workflow.job import INTERRUPTED

HEADER = ("rule", "jobs", "time of one", "time of all", "memory of one at most", "disk")


def main() -> int:
    """Print the plan of what the variables ask for; the exit status."""
    try:
        for line in plan(os.environ):
            print(line)
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def plan(given: Mapping[str, str]) -> Iterator[str]:
    """Lines of the plan. Raises InputError for a run that cannot work."""
    arguments = asked.words("ARGS", given)
    folder = asked.folder(arguments)
    like = given.get("LIKE") or None
    if like and not Path(like, "logs").is_dir():
        raise InputError(f"LIKE: {like} is not a results folder with logs")
    command = [*asked.command(given), *arguments, "--dry-run", "--"]
    console = dry.run([*command, *asked.words("TARGET", given)], folder, asking=jobs.ASKED)
    yield from console.told
    found = jobs.read(console.lines)
    if found is None:
        yield "Nothing to be done."
        return
    other = Path(like).absolute() if like else None
    with chdir(folder):
        taken = estimates.of(found, other)
        yield from table(taken)
        yield from total(taken, found, free=estimates.free(Path(found.settings["results"])))


def table(taken: Sequence[Taken]) -> Iterator[str]:
    """A line for each rule; numbers on the right."""
    rows = [HEADER, *(_row(rule, some) for rule, some in estimates.by_rule(taken).items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for rule, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join([rule.ljust(widths[0]), *right])


def _row(rule: str, taken: Sequence[Taken]) -> tuple[str, ...]:
    seconds = [each.seconds for each in taken if each.seconds is not None]
    one, every = "?", "?"
    if len(seconds) == len(taken):
        mark = " *" if all(each.measured for each in taken) else ""
        one, every = spoken(statistics.median(seconds)) + mark, spoken(sum(seconds))
    known = [each.size for each in taken if each.size is not None]
    disk = in_bytes(sum(known)) if len(known) == len(taken) else "?"
    most = max(taken, key=lambda each: each.memory)
    memory = in_bytes(1e6 * most.memory) + (" ?" if most.guessed else "")
    return rule, str(len(taken)), one, every, memory, disk


def total(taken: Sequence[Taken], found: Jobs, *, free: float) -> Iterator[str]:
    """The total in words, with warnings. free: bytes on the disk of the results."""
    cores, results = found.cores, found.settings["results"]
    size = sum(each.size or 0 for each in taken)
    once = 1e6 * estimates.at_once(taken, cores)
    on = "of jobs one after the other" if cores is None else f"on {cores} core{'s' * (cores > 1)}"
    number = f"{len(taken)} job{'s' * (len(taken) > 1)}"
    yield (
        f"{number}: about {spoken(estimates.seconds(taken, cores))} {on}, at most "
        f"{in_bytes(once)} at once, {in_bytes(size)} of disk; {in_bytes(free)} are free in "
        f"{results}"
    )
    if not all(each.measured for each in taken):
        yield "Times are what one thread of this machine takes, with nothing else to do, on no GPU."
    if any(each.measured for each in taken):
        yield "* measured: the median of jobs that ran before"
    if any(each.seconds is None or each.size is None or each.guessed for each in taken):
        yield "? not known yet: plan again after `prepare` and `describe` have run"
    if size > free:
        yield f"warning: the disk is short of {in_bytes(size - free)} in {results}"
    most = max(taken, key=lambda each: each.memory)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if cores is not None and 1e6 * most.memory > machine:
        yield (
            f"warning: a job of {most.rule} may take {in_bytes(1e6 * most.memory)}, and this "
            f"machine has {in_bytes(machine)}"
        )


def spoken(seconds: float) -> str:
    """An estimated time in words."""
    if seconds < 59.5:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3570:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


if __name__ == "__main__":
    sys.exit(main())
