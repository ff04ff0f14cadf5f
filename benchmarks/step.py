"""A step of the tutorial in both ways, and how their results are compared."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.operations import Operations


@dataclass(frozen=True)
class Step:
    """One step in both ways.

    alone: of a job of which the workflow has only one, so that none runs beside it. plain: None
    where a notebook would do the same, or it is the sum of other steps. scale: of the time that the
    plain one took, where it does a share of the work, but for what it does `once` whatever the
    share. agree: the difference of both results, which must not be above `tolerance`.
    """

    name: str
    ours: Callable[[], Any]
    plain: Callable[[], Any] | None = None
    alone: bool = False
    scale: float = 1
    once: Callable[[], Any] = lambda: None
    operations: Operations | None = None
    agree: Callable[[Any, Any], float] = lambda ours, plain: 0.0
    tolerance: float = 0.0


def written(job: Callable[[Path], None], *names: str) -> list[Any]:
    """What a job writes to a file, under some names."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.h5"
        job(output)
        with h5py.File(output) as file:
            return [file[name][()] for name in names]


def largest(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Difference of any two numbers."""
    return max(
        float(np.max(np.abs(np.asarray(a) - np.asarray(b))))
        for a, b in zip(ours, theirs, strict=True)
    )


def relative(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    """Difference of any two matrices, over the norm of ours."""
    return max(
        float(np.linalg.norm(a - np.asarray(b)) / np.linalg.norm(a))
        for a, b in zip(ours, theirs, strict=True)
    )
