"""Time every step of the tutorial, ours beside a plain one on the same images and device.

python -m benchmarks.bench FOLDER [--images ARCHIVE] [--device cpu] [--only "align, mlp"]
What was measured is kept in FOLDER/performance-DEVICE.json, and only what is missing there is
measured; `make bench` then writes it into docs/performance.md. Without --images, CIFAR-10 is
downloaded. --device: `cuda`, where there is a GPU, unless another is given. --only measures a step
anew, and nothing else; it can be given several times.
"""

import argparse
import json
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks import workers
from benchmarks.operations import Operations
from benchmarks.step import Step
from benchmarks.steps import operations_of_all, steps
from benchmarks.tutorial import Tutorial
from benchmarks.workers import Workers
from latentdims.device import deterministic
from latentdims.workflow import asked, heap
from tests.workflow import Workflow

ROOT = Path(__file__).resolve().parents[1]

REPEATS = 3
SIZES = {"cpu": 3072, "cuda": 8192}  # of the matrices whose product is the machine's peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=Path, help="CIFAR-10, as an archive of pictures")
    parser.add_argument("--device", choices=SIZES, help="where steps are done")
    parser.add_argument("--only", action="append", help="a step, by its name in the table")
    given = parser.parse_args()
    device = given.device or ("cuda" if torch.cuda.is_available() else "cpu")
    tutorial, archive = opened(given.folder, given.images, device=device)
    results = Results(given.folder / f"performance-{device}.json")
    times = results["tutorial"]["ours"] if "tutorial" in results else []
    times = times or [whole(tutorial.folder, tutorial.config, device=device)]
    results["tutorial"] = {"ours": times, **operations_of_all(tutorial)._asdict()}
    measure_steps(tutorial, archive, results, only=given.only or [])
    while len(times) < REPEATS and not given.only:
        times.append(whole(given.folder / "again", tutorial.config, device=device))
        results["tutorial"] |= {"ours": times}


def opened(
    folder: Path, images: Path | None, *, device: str = "cpu"
) -> tuple[Tutorial, Path | None]:
    """The tutorial in a folder, on an archive of pictures where there is one."""
    archive = images.resolve() if images else None
    folder.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((ROOT / "configs" / "tutorial.yaml").read_text(encoding="utf-8"))
    config["results"] = "results"  # each run has a folder of its own
    if archive:
        config["datasets"]["cifar10"] |= {"source": "imagefolder", "path": str(archive)}
    return Tutorial(folder / f"tutorial-{device}", config, device), archive


def measure_steps(
    tutorial: Tutorial, archive: Path | None, results: "Results", *, only: Sequence[str]
) -> None:
    """Those of some names, or all that are not known yet."""
    heap.keep()
    deterministic(tutorial.device)  # the settings of every job
    torch.set_num_threads(workers.CORES)
    results["machine"] = {
        "cores": workers.CORES,
        "cpu": processor(),
        "gpu": torch.cuda.get_device_name() if tutorial.device == "cuda" else "",
        "torch": torch.__version__,
    }
    found = {step.name: step for step in steps(tutorial, archive)}
    for name in only:
        if name not in found:
            sys.exit(f"--only {name}: no such step; there are: {'; '.join(found)}")
    started = workers.start(tutorial, archive)
    for name in only or [name for name in found if name not in results]:
        results[name] = measure(found[name], started, tutorial.device)
    for worker in started:
        worker.shutdown()


def processor() -> str:
    """Its name, as Linux knows it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip().replace("(R)", "")
    return platform.processor() or platform.machine()


class Results(dict[str, Any]):
    """What was measured, in a file from the moment it is known."""

    def __init__(self, path: Path) -> None:
        super().__init__(json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})
        self._path = path

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._path.write_text(json.dumps(self, indent=1), encoding="utf-8")
        print(name, value, flush=True)


def whole(folder: Path, config: Mapping[str, Any], *, device: str = "cpu") -> float:
    """Seconds of `snakemake`, from the prepared images to the last figure."""
    shutil.rmtree(folder, ignore_errors=True)
    workflow = Workflow(folder, dict(config))
    if device == "cuda":  # as many jobs as `make run` would give it
        gpus = asked.jobs_on_gpus()
        workflow.flags = ("--resources", f"gpu={gpus}", "--cores", str(workers.CORES))
    workflow.complete("results/resources/cifar10.h5")
    start = time.perf_counter()
    workflow.complete()
    return time.perf_counter() - start


def measure(step: Step, started: Workers, device: str) -> dict[str, Any]:
    """Seconds of both ways in turn; results are compared before times count.

    Ours is what two jobs take side by side, over two, on two cores; plain is given all of them. On
    a GPU each runs alone, and ours once before, which loads its kernels there.
    """
    found: dict[str, Any] = {"scale": step.scale, "ours": [], "plain": []}
    if step.operations:
        found |= {**step.operations._asdict(), "peak": list(peak(device))}
    taken = started[:1] if step.alone else started
    if device == "cuda":
        workers.run(taken, step.name)
    for repeat in range(REPEATS):
        seconds, _ = timed(lambda: workers.run(taken, step.name))
        found["ours"].append(seconds / len(taken))
        if step.plain is None:
            continue
        seconds, theirs = timed(step.plain)
        if repeat == 0:
            found["difference"] = step.agree(workers.result(taken[0], step.name), theirs)
            if not found["difference"] <= step.tolerance:
                sys.exit(f"{step.name}: differs by {found['difference']}, above {step.tolerance}")
            once, _ = timed(step.once)
        found["plain"].append(once + (seconds - once) * step.scale)
    return found


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call took, and what it returned."""
    start = time.perf_counter()
    result = function()
    workers.synchronise()
    return time.perf_counter() - start, result


def peak(device: str) -> Operations:
    """Operations per second of large matrix products, in float32 and float64."""
    found, size = [], SIZES[device]
    for dtype in (torch.float32, torch.float64):
        matrix = torch.rand(size, size, dtype=dtype, device=device)
        product = torch.empty_like(matrix)
        times = [timed(lambda: torch.matmul(matrix, matrix, out=product))[0] for _ in range(3)]  # noqa: B023
        found.append(2 * size**3 / statistics.median(times))
    return Operations(*found)


if __name__ == "__main__":
    main()
