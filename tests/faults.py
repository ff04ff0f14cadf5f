"""Faults of every kind while the workflow runs, and what is lost by them.

python tests/faults.py TIMES injects each so many times, at random moments, runs the same command
until it succeeds, compares every artefact with an undisturbed run byte by byte, and writes the
table docs/faults.md. As root, a full disk is a real one.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from workflow import ROOT, TINY, Workflow

SMALL = {**TINY, "networks": {"mlp": TINY["networks"]["mlp"]}}
PAGE = ROOT / "docs" / "faults.md"
TRIES = 5  # of the same command, until a fault counts as one that it does not get over


def artefacts(workflow: Workflow) -> dict[str, bytes]:
    """Every file under results but logs and those that were moved aside, by its path."""
    return {
        path.relative_to(workflow.folder).as_posix(): path.read_bytes()
        for path in (workflow.folder / "results").rglob("*")
        if path.is_file() and path.suffix != ".broken" and "logs" not in path.parts
    }


def scripts(workflow: Workflow) -> list[int]:
    """Processes of jobs that are running."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if b".snakemake/scripts" in command and os.fsencode(workflow.folder) in command:
                found.append(int(process.name))
    return found


def kill_run(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """Its main process is killed; jobs go on without it."""
    process = workflow.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.1, 0.9) * seconds)
    process.kill()
    process.wait()
    process.stdout.close(), process.stderr.close()  # type: ignore[union-attr]
    return ""


def kill_everything(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """The whole session is killed, as when a machine goes down."""
    process = workflow.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.1, 0.9) * seconds)
    jobs = scripts(workflow)
    process.kill()
    for job in jobs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(job, signal.SIGKILL)
    process.wait()
    process.stdout.close(), process.stderr.close()  # type: ignore[union-attr]
    return ""


def kill_job(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """One job is killed, as by the kernel when memory is short."""
    process = workflow.start()
    until = time.monotonic() + chance.uniform(0.1, 0.7) * seconds
    while process.poll() is None and (time.monotonic() < until or not scripts(workflow)):
        time.sleep(0.05)
    for job in scripts(workflow)[:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(job, signal.SIGKILL)
    output, errors = process.communicate()
    return output + errors


def refuse_writes(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """Files above a certain size cannot be written, as with a quota."""
    process = workflow.start(largest_file=chance.randrange(20_000, 300_000))
    output, errors = process.communicate()
    return output + errors


TMPFS = ("mount", "-t", "tmpfs", "-o")


def can_mount(probe: Path) -> bool:
    """Whether this process may mount a file system; tried on a folder that is made for it."""
    probe.mkdir()
    mounted = subprocess.run(
        [*TMPFS, "size=100k", "tmpfs", str(probe)], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        subprocess.run(["umount", str(probe)], check=True)
    return mounted.returncode == 0


def unmount(folder: Path) -> None:
    """Take away the file systems that a full disk was made of."""
    if (folder / "results").is_mount():
        subprocess.run(["umount", str(folder / "results")], check=True)


def fill_disk(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """Results are on a file system that is full; then it is enlarged."""
    folder = workflow.folder / "results"
    folder.mkdir()
    size = chance.randrange(200, 3000)
    subprocess.run([*TMPFS, f"size={size}k", "tmpfs", str(folder)], check=True)
    done = workflow.run()
    subprocess.run(["mount", "-o", "remount,size=100m", str(folder)], check=True)
    return done.stdout + done.stderr


def two_at_once(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """The same command is given twice."""
    first = workflow.start()
    time.sleep(chance.uniform(0, 0.5) * seconds)
    second = workflow.start()
    told = [text for process in (first, second) for text in process.communicate()]
    assert first.returncode == 0 or second.returncode == 0, told
    return "".join(told)


def cut_short(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """A file of finished results loses its end."""
    return harm(workflow, chance, lambda content: content[: chance.randrange(len(content))])


def foreign(workflow: Workflow, chance: random.Random, seconds: float) -> str:
    """A file of finished results is replaced by another program's."""
    return harm(workflow, chance, lambda content: (ROOT / "README.md").read_bytes())


def harm(workflow: Workflow, chance: random.Random, change: Callable[[bytes], bytes]) -> str:
    workflow.complete("--quiet")
    made = sorted((workflow.folder / "results").rglob("*.h5"))
    path = chance.choice(made)
    path.write_bytes(change(path.read_bytes()))
    done = workflow.run()
    return done.stdout + done.stderr


FAULTS: dict[str, tuple[Callable[[Workflow, random.Random, float], str], str]] = {
    "main process killed": (kill_run, ""),
    "main process and jobs killed": (kill_everything, ""),
    "a job killed": (kill_job, "Error in rule"),
    "writes refused": (refuse_writes, "File too large"),
    "two invocations at once": (two_at_once, "another run is working"),
    "a result cut short": (cut_short, "(damaged"),
    "a result replaced by another file": (foreign, "(damaged"),
    "disk full": (fill_disk, "No space left on device"),
}


def inject(name: str, folder: Path, *, seed: int, seconds: float) -> tuple[Workflow, int]:
    """Inject a fault into a new run, and give the same command until it succeeds.

    seconds: what an undisturbed run takes. Returns the workflow, and how often the command was
    given. Raises AssertionError where the user is not told, or the command does not succeed.
    """
    fault, message = FAULTS[name]
    workflow = Workflow(folder, SMALL)
    told = fault(workflow, random.Random(f"{name} {seed}"), seconds)
    assert message in told, f"{name}: nothing told of {message}:\n{told}"
    for tries in range(1, TRIES + 1):
        done = workflow.run("--quiet")
        if done.returncode == 0:
            return workflow, tries
    raise AssertionError(f"{name}: the same command fails:\n{done.stdout}{done.stderr}")


def lost(workflow: Workflow, undisturbed: Workflow) -> list[str]:
    """Artefacts that are not, byte by byte, those of an undisturbed run."""
    ours, theirs = artefacts(workflow), artefacts(undisturbed)
    return [name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)]


def main(times: int) -> None:
    """Inject every fault, and write the table."""
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed = Workflow(Path(scratch) / "undisturbed", SMALL)
        start = time.monotonic()
        undisturbed.complete("--quiet")
        seconds = time.monotonic() - start
        for name in FAULTS:
            if name == "disk full" and not can_mount(Path(scratch) / "probe"):
                continue
            tries, damage = [], 0
            for seed in range(times):
                folder = Path(scratch) / f"{name} {seed}".replace(" ", "_")
                workflow, needed = inject(name, folder, seed=seed, seconds=seconds)
                tries.append(needed)
                damage += len(lost(workflow, undisturbed))
                unmount(folder)
            described = (FAULTS[name][0].__doc__ or "").split("\n")[0]
            lines.append(f"| {name} | {described} | {times} | {max(tries)} | {damage} |")
            print(lines[-1], flush=True)
    PAGE.write_text(
        TEXT.format(times=times, seconds=seconds, table="\n".join(lines)), encoding="utf-8"
    )


TEXT = """# Faults that were tried

`python tests/faults.py {times}` wrote this page. It runs the embedded experiment with one network
and two seeds, which takes {seconds:.0f} s without a fault, and causes each fault at random
moments. Then it repeats the same command until it succeeds. *Lost* counts results that differ in
any byte from those of a run without faults.

| fault | what happens | times | the same command, at most | lost |
| --- | --- | --- | --- | --- |
{table}

`make test-slurm` tries faults on a cluster: jobs that run out of memory or time, cancelled jobs,
and a run that is killed while its jobs go on.
"""


if __name__ == "__main__":
    main(int(sys.argv[1]))
