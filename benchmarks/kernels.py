"""Where the time of each step goes: python -m benchmarks.kernels FOLDER [--images ARCHIVE]

Ours, once, with one thread, and a clock around each kernel of torch. What was measured is kept in
FOLDER/kernels.json, and only what is missing there is measured.
"""

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy and torch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.bench import Results, opened
from benchmarks.steps import steps
from benchmarks.timings import KERNELS, OTHER, OUTSIDE
from latentdims.device import deterministic
from latentdims.workflow.job import Job


class Clock(TorchDispatchMode):
    """Seconds in each kind of kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        start = time.perf_counter()
        result = kernel(*args, **(kwargs or {}))
        name = kernel.overloadpacket.__name__
        kind = next((kind for kind, names in KERNELS.items() if name in names), OTHER)
        self.seconds[kind] += time.perf_counter() - start
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=Path, help="CIFAR-10, as an archive of pictures")
    given = parser.parse_args()
    tutorial, archive = opened(given.folder, given.images)
    found = Results(given.folder / "kernels.json")
    deterministic(Job({}).device)  # the settings of every job
    torch.set_num_threads(1)
    for step in steps(tutorial, archive):
        if step.operations and step.plain and step.name not in found:
            start = time.perf_counter()
            with Clock() as clock:
                step.ours()
            seconds = time.perf_counter() - start
            found[step.name] = {**clock.seconds, OUTSIDE: seconds - sum(clock.seconds.values())}


if __name__ == "__main__":
    main()
