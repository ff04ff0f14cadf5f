"""Means and covariances of rows, exact in one pass, in any batches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

PARTS = ("mean_x", "mean_y", "scatter")


@dataclass
class Moments:
    """Count, means and cross-covariance of rows x (n, C) and y (n, D), exact in one pass.

    Batches and parts of a data set are merged by the pairwise formula of Chan, Golub and LeVeque
    (1983), for covariances as in Schubert and Gertz (SSDBM 2018). The covariance divides by n, so
    that second moment = covariance + mean meanᵀ. All of it is kept in float64.
    """

    count: int = 0
    mean_x: Tensor = field(default_factory=lambda: torch.zeros(()))  # (C,) float64
    mean_y: Tensor = field(default_factory=lambda: torch.zeros(()))  # (D,) float64
    scatter: Tensor = field(default_factory=lambda: torch.zeros(()))  # (C, D) float64

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> "Moments":
        """Moments of one batch: x (n, C) and y (n, D), row i of both from the same input."""
        mean_x, centred_x = _centre(x)
        mean_y, centred_y = (mean_x, centred_x) if y is x else _centre(y)
        return cls(len(x), mean_x, mean_y, centred_x.T @ centred_y)

    def merge(self, other: "Moments") -> None:
        """Add the moments of other rows; the order of merging changes rounding errors only."""
        if other.count == 0:
            return
        if self.count == 0:
            self.count, self.scatter = other.count, other.scatter
            self.mean_x, self.mean_y = other.mean_x, other.mean_y
            return
        total = self.count + other.count
        step_x, step_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        self.scatter.add_(other.scatter)
        self.scatter.addr_(step_x, step_y, alpha=self.count * other.count / total)
        self.mean_x = self.mean_x + step_x * (other.count / total)
        self.mean_y = self.mean_y + step_y * (other.count / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        """(C, D): E[(x - E x)(y - E y)ᵀ]."""
        return self.scatter / self.count

    @property
    def second_moment(self) -> Tensor:
        """(C, D): E[x yᵀ]."""
        return self.covariance + torch.outer(self.mean_x, self.mean_y)

    def state(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name."""
        arrays = {part: getattr(self, part).cpu().numpy() for part in PARTS}
        return {"count": np.array(self.count), **arrays}

    @classmethod
    def restored(cls, state: Mapping[str, np.ndarray], *, device: str) -> "Moments":
        """From the arrays of `state`."""
        tensors = (torch.from_numpy(state[part]).to(device) for part in PARTS)
        return cls(int(state["count"]), *tensors)


def _centre(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C,) and the rows (n, C) without it, in float64."""
    rows = x.double()
    mean = rows.mean(0)
    return mean, rows.sub_(mean) if rows is not x else rows - mean


def rows(representation: Tensor) -> Tensor:
    """(N, C) or (N, C, H, W) -> (N·H·W, C): positions in space are further samples."""
    if representation.ndim == 2:
        return representation
    return representation.permute(0, 2, 3, 1).flatten(0, 2)
