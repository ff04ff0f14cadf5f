"""What `make run` calls: Snakemake with a configuration and a profile, and its output in brief.

    CONFIG=config.yaml PROFILE=profiles/default TARGET= ARGS= python -m latentdims.workflow.run

Arguments come in the environment, so that neither make nor a shell parses them again.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from latentdims.errors import InputError
from latentdims.workflow import asked
from latentdims.workflow.console import Console, duration
from latentdims.workflow.explanation import explained
from latentdims.workflow.job import INTERRUPTED
from latentdims.workflow.process import follow


def main() -> None:
    sys.stdout.reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    try:
        sys.exit(run(os.environ))
    except InputError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # nobody reads on, as with `make run | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(f"error: {error.strerror}" + (f": {error.filename}" if error.filename else ""))


def run(given: Mapping[str, str]) -> int:
    """Run what the variables request, and return the exit status.

    Raises InputError for a run that cannot work.
    """
    arguments = asked.words("ARGS", given)
    targets = asked.words("TARGET", given)
    command = [*asked.command(given), *arguments]
    folder = asked.folder(arguments)
    environment = asked.environment(folder)
    fresh = not (folder / ".snakemake").exists()
    start = time.monotonic()
    last = ["--", *targets] if targets else []
    status, console = follow([*command, *last], folder, environment)
    if console.dry and fresh:
        asked.clear(folder / ".snakemake")
    made = console.complete or (console.nothing_to_do and console.whole)
    if status == 0 and made and not console.dry:
        status = _report(command, console, environment)
    if status == INTERRUPTED:
        print("Interrupted. The same command resumes.")
    elif console.failed:
        _tell_failures(console)
    elif status:
        raise InputError(explained(console.lines) or f"Snakemake ended with status {status}")
    elif console.dry and console.counts:
        print("This was a dry run: nothing was written.")
    elif console.nothing_to_do:
        _tell_results("Nothing to be done", console)
    elif console.counts:
        took = duration(time.monotonic() - start)
        _tell_results(f"Done in {took}", console)
    elif said := explained(console.lines):
        print(said)
    return status


def _report(command: list[str], console: Console, environment: Mapping[str, str]) -> int:
    """Make the report again if it is older than its content; returns the exit status."""
    results = console.folder / console.results
    if not (results / "summary.csv").exists() or has_report(results):
        return 0
    report, partial = results / "report.html", results / "report.partial.html"
    status, said = follow(
        [*command, "--report", str(partial.absolute())], console.folder, environment, quiet=True
    )
    if status:
        partial.unlink(missing_ok=True)
        if status != INTERRUPTED:
            raise InputError(f"the report could not be made: {explained(said.lines)}")
    else:
        partial.replace(report)
    return status


def has_report(results: Path) -> bool:
    """Whether a folder of results has a report that is no older than what it shows."""
    report = results / "report.html"
    shown = [results / "summary.csv", *(results / "figures").rglob("*")]
    newest = max(each.stat().st_mtime for each in shown)
    return report.exists() and report.stat().st_mtime >= newest


def _tell_results(headline: str, console: Console) -> None:
    results = console.folder / console.results
    print(f"{headline}.")
    if not console.whole:
        print(f"  results  {results}")
        return
    for what, name in (("report", "report.html"), ("table", "summary.csv"), ("figures", "figures")):
        if (results / name).exists():
            print(f"  {what:<7}  {results / name}")


def _tell_failures(console: Console) -> None:
    failed = list(console.failed.values())
    several = len(failed) > 1  # one was said a line above
    print(f"{console.finished} of {console.total} jobs done, {len(failed)} failed{':' * several}")
    for job, reason in failed[:10] if several else []:
        print(f"  {job.name}: {reason}")
    if len(failed) > 10:
        print(f"  and {len(failed) - 10} more")
    print("Fix the cause; the same command then resumes.")
    print(f"The whole log: {console.folder / console.log}")


if __name__ == "__main__":
    main()
