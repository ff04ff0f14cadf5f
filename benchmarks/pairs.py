"""Time every step of the tutorial at two commits, in pairs, and compare them in a table.

python -m benchmarks.pairs FOLDER --before COMMIT [--after HEAD] [--pairs 9]
    [--images cifar10-jpeg.tar.gz] [--samples 4000] [--step "whole tutorial"]
Each commit is unpacked into a folder of its own. There its own benchmarks/steps.py reads a run of
the tutorial that its own code has made. Changes that are not committed are not measured. Without
--images, the images are the embedded ones. Times are kept in FOLDER: the same command resumes an
interrupted run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

LIMITS = {"whole tutorial": 1.05, "start of a job": 1.0}  # of the median ratio
LIMIT = 1.1  # of every other one

Times = dict[str, dict[str, list[float]]]  # seconds, by step and side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", required=True, help="a commit")
    parser.add_argument("--after", default="HEAD", help="another commit")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--images", type=Path, help="CIFAR-10, as an archive of pictures")
    parser.add_argument("--samples", type=int, default=4000, help="training images")
    parser.add_argument("--step", help="this one alone, by its name")
    parser.add_argument(
        "--least",
        type=float,
        default=1.0,
        help="seconds in which a short step is repeated; its shortest time counts",
    )
    given = parser.parse_args()
    source = given.images.name.split(".")[0] if given.images else "embedded"
    commits = {"before": commit(given.before), "after": commit(given.after)}
    folder = given.folder.resolve() / "-".join([*commits.values(), source, str(given.samples)])
    archive = thinned(given.images, given.samples, folder) if given.images else None
    options = {"archive": archive and str(archive), "samples": given.samples, "least": given.least}
    for side, name in commits.items():
        unpack(name, folder / side)
    found = measured(folder, options, pairs=given.pairs, step=given.step)
    lines = [
        *table(found),
        "",
        f"Commits {commits['before']} and {commits['after']}, {given.pairs} pairs in turn "
        f"(A B B A): median seconds, and median and range of the ratios in a pair. "
        f"{given.samples} training images ({source}), {len(os.sched_getaffinity(0))} cores.",
    ]
    (folder / "pairs.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def commit(name: str) -> str:
    """The short hash of what git knows by this name."""
    command = ["git", "rev-parse", "--verify", "--short=10", f"{name}^{{commit}}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{name}: no such commit in {ROOT}; `git log` lists them")
    return done.stdout.strip()


def unpack(name: str, folder: Path) -> None:
    """The files of a commit, in FOLDER/code."""
    if (folder / "code").exists():
        return
    partial = folder / "unpacked"
    partial.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(["git", "archive", name], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x"], cwd=partial, input=packed.stdout, check=True)
    partial.rename(folder / "code")


def thinned(archive: Path, samples: int, folder: Path) -> Path:
    """A smaller archive, of so many training images and the same share of test images."""
    path = folder / "images.tar"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "images.partial"
    with tarfile.open(archive) as files, tarfile.open(partial, "w") as kept:
        pictures = sorted((each for each in files if each.isfile()), key=lambda each: each.name)
        share = samples / sum(each.name.startswith("train/") for each in pictures)
        for split in ("train/", "test/"):
            of_split = [each for each in pictures if each.name.startswith(split)]
            for number, each in enumerate(of_split):
                if int((number + 1) * share) > int(number * share):
                    kept.addfile(each, files.extractfile(each))
    partial.rename(path)
    return path


class Side:
    """A process in the checkout of a commit, which times the steps that it is asked for."""

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        program = str(Path(__file__).with_name("side.py"))
        # The benchmarks of older commits are no package.
        packaged = (folder / "code" / "benchmarks" / "__init__.py").exists()
        self._folder = folder
        self._process = subprocess.Popen(
            # -P: the modules beside this file are not those of the commit.
            [sys.executable, "-P", program, str(folder), json.dumps(options)],
            cwd=folder / "code",
            env={**os.environ, "PYTHONPATH": "." if packaged else ".:benchmarks:tests"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            bufsize=1,
        )
        self.names: list[str] = self._answer("preparing the tutorial")

    def seconds(self, name: str) -> float:
        print(name, file=self._process.stdin)
        return float(self._answer(name))

    def end(self) -> None:
        self._process.communicate()

    def _answer(self, to: str) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            sys.exit(f"{self._folder}: {to} failed; the reason is above")
        return json.loads(line)


def measured(folder: Path, options: Mapping[str, Any], *, pairs: int, step: str | None) -> Times:
    """Times of the steps that both sides have; new processes for every pair."""
    path = folder / "pairs.json"
    found: Times = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for pair in range(pairs):
        if found and all(len(times["after"]) > pair for times in found.values()):
            continue
        sides = {side: Side(folder / side, options) for side in ("before", "after")}
        both = [name for name in sides["before"].names if name in sides["after"].names]
        if step is not None and step not in both:
            sys.exit(f"{step}: no such step; there are {', '.join(both)}")
        for name in both if step is None else [step]:
            found.setdefault(name, {side: [] for side in sides})
        for name, times in found.items():
            if len(times["after"]) > pair:
                continue
            order = list(sides) if pair % 2 == 0 else list(sides)[::-1]
            taken = {side: sides[side].seconds(name) for side in order}
            for side, seconds in taken.items():
                times[side].append(seconds)
            path.write_text(json.dumps(found, indent=1), encoding="utf-8")
            print(pair + 1, name, *(f"{taken[side]:.3g}" for side in sides), flush=True)
        for each in sides.values():
            each.end()
    return found


def table(found: Times) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| step | before (s) | after (s) | after / before | at most |"
    yield "| --- | --- | --- | --- | --- |"
    for name, times in found.items():
        before, after = (statistics.median(times[side]) for side in ("before", "after"))
        ratios = [b / a for a, b in zip(times["before"], times["after"], strict=True)]
        ratio, limit = statistics.median(ratios), LIMITS.get(name, LIMIT)
        yield (
            f"| {name} | {before:.3g} | {after:.3g} | {ratio:.3f} ({min(ratios):.3f} to "
            f"{max(ratios):.3f}) | {limit:.2f}{'' if ratio <= limit else ': above'} |"
        )


if __name__ == "__main__":
    main()
