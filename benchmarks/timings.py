"""Rows of the table of steps: what was measured of each, and the sums of several."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.operations import Operations, total

NETWORKS = ("mlp", "cnn")
SEEDS, EPOCHS = 2, 5  # of configs/tutorial.yaml
WHOLE = "whole tutorial"
# How often each step is in it, for each network; but for the spectra of the first seed, which take
# a second, and the pictures of samples and of the published numbers.
PARTS = {
    "train": SEEDS,
    "covariance": 1,
    "cross-covariance": 1,
    "align": 1,
    "clip activations": 2 * SEEDS,  # along eigenvectors, and in a random basis
    "clip weights": SEEDS,
    "generate": SEEDS,
}
KERNELS = {
    "convolutions": {"conv2d", "convolution", "convolution_backward"},
    "products": {"mm", "addmm", "bmm", "matmul", "linear", "einsum"},
}
OTHER, OUTSIDE = "other kernels", "outside torch"
OF_ALL = ("figures", "summary")  # and once for all of them


class Row(NamedTuple):
    """Seconds of one step in both ways, and the operations that it needs, where they are known."""

    name: str
    ours: Sequence[float]
    plain: Sequence[float]
    operations: Operations | None = None

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the plain way."""
        if not self.plain:
            return None
        return statistics.median(self.plain) / statistics.median(self.ours)


def rows_of(found: Mapping[str, Any]) -> Iterator[Row]:
    """Each step, the covariances of a pair, and the whole."""
    rows = {
        name: Row(name, step["ours"], step["plain"], _operations(step))
        for name, step in found.items()
        if "plain" in step
    }
    for network in NETWORKS:
        descent, evaluation = rows[f"descent, {network}"], rows[f"evaluate, {network}"]
        plain = _sum("", [descent] + (EPOCHS + 1) * [evaluation]).plain
        rows[f"train, {network}"] = rows[f"train, {network}"]._replace(plain=plain)
    for name, row in rows.items():
        yield row
        if name.startswith("cross-covariance, "):
            network = name.split(", ")[1]
            yield _sum(f"both of a pair, {network}", [rows[f"covariance, {network}"], row])
    parts = [rows[name] for name in OF_ALL]
    for network in NETWORKS:
        for step, times in PARTS.items():
            parts += times * [rows[f"{step}, {network}"]]
    whole = found["tutorial"]
    yield Row(WHOLE, whole["ours"], _sum("", parts).plain, _operations(whole))


def _operations(step: Mapping[str, Any]) -> Operations | None:
    return Operations(step["single"], step["double"]) if "single" in step else None


def _sum(name: str, rows: Sequence[Row]) -> Row:
    """One after another; what a notebook would do as we do takes it as long."""
    return Row(
        name,
        [sum(each) for each in zip(*(row.ours for row in rows), strict=True)],
        [sum(each) for each in zip(*(row.plain or row.ours for row in rows), strict=True)],
        total(row.operations for row in rows if row.operations),
    )


def peak_of(found: Mapping[str, Any]) -> Operations:
    """Operations per second, the median over all steps."""
    measured = [step["peak"] for step in found.values() if "peak" in step]
    return Operations(*np.median(measured, axis=0))
