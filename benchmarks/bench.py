"""Time every step of the tutorial, ours beside a plain one on the same images and cores.

python benchmarks/bench.py FOLDER [--images cifar10-jpeg.tar.gz]
What was measured is kept in FOLDER/performance.json, and only what is missing there is measured;
`make bench` then puts it into the README. Without an archive of images, CIFAR-10 is downloaded.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from operations import Operations
from steps import Step, steps
from tutorial import Tutorial
from workflow import Workflow

from latentdims.job import Job

ROOT = Path(__file__).resolve().parents[1]

REPEATS = 3
SIZE = 4096  # of the matrices whose product is the machine's peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=Path, help="CIFAR-10, as an archive of pictures")
    given = parser.parse_args()
    archive = given.images.resolve() if given.images else None
    results = Results(given.folder / "performance.json")
    config = yaml.safe_load((ROOT / "configs" / "tutorial.yaml").read_text())
    if archive:
        config["datasets"]["cifar10"] |= {"source": "imagefolder", "path": str(archive)}
    given.folder.mkdir(parents=True, exist_ok=True)
    tutorial = Tutorial(given.folder / "tutorial", config)
    if "tutorial" not in results:
        results["tutorial"] = {"ours": [whole(tutorial.folder, config)]}
    Job({}).device  # noqa: B018  the settings of every job
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    results["machine"] = {"cores": torch.get_num_threads(), "torch": torch.__version__}
    for step in steps(tutorial, archive):
        if step.name not in results:
            results[step.name] = measure(step)
    while len(results["tutorial"]["ours"]) < REPEATS:
        seconds = whole(given.folder / "again", config)
        results["tutorial"] = {"ours": [*results["tutorial"]["ours"], seconds]}


class Results(dict[str, Any]):
    """What was measured, in a file from the moment it is known."""

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text()) if path.exists() else {})
        self._path = path

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._path.write_text(json.dumps(self, indent=1))
        print(name, value, flush=True)


def whole(folder: Path, config: dict[str, Any]) -> float:
    """Seconds of `snakemake`, from the prepared images to the last figure."""
    shutil.rmtree(folder, ignore_errors=True)
    workflow = Workflow(folder, config)
    workflow.complete("resources/cifar10.h5")
    start = time.perf_counter()
    workflow.complete()
    return time.perf_counter() - start


def measure(step: Step) -> dict[str, Any]:
    """Seconds of both ways in turn; results are compared before times count."""
    found: dict[str, Any] = {"ours": [], "plain": []}
    peaks = peak()
    for _ in range(REPEATS):
        seconds, ours = timed(step.ours)
        found["ours"].append(seconds)
        if step.plain is None:
            continue
        seconds, theirs = timed(step.plain)
        once, _ = timed(step.once)
        found["plain"].append(once + (seconds - once) * step.scale)
        difference = step.agree(ours, theirs)
        if not difference <= step.tolerance:
            sys.exit(f"{step.name}: results differ by {difference}, beyond {step.tolerance}")
        found["difference"] = difference
    if step.operations:
        found |= {**step.operations._asdict(), "peak": list(peaks)}
    found["scale"] = step.scale
    return found


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call took, and what it returned."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def peak() -> Operations:
    """Operations per second of large matrix products, in float32 and float64."""
    found = []
    for dtype in (torch.float32, torch.float64):
        matrix = torch.rand(SIZE, SIZE, dtype=dtype)
        product = torch.empty_like(matrix)
        times = [timed(lambda: torch.matmul(matrix, matrix, out=product))[0] for _ in range(5)]  # noqa: B023
        found.append(2 * SIZE**3 / statistics.median(times))
    return Operations(*found)


if __name__ == "__main__":
    main()
