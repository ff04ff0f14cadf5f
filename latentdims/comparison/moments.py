"""Means and covariances of rows in one pass, in batches of any size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from latentdims.device import has_fast_doubles

PARTS = ("mean_x", "mean_y", "positions", "scatter")
ROWS = 2048  # multiplied at once: their sums, in float32, lose little (`spectra.ROUNDING`)


@dataclass(frozen=True)
class Centred:
    """Rows without their mean, as moments take them: centred once, and multiplied several times."""

    positions: Tensor  # (P, C) float64: the mean over samples at each position
    rows: Tensor  # (n, C), in the precision that they are multiplied in

    @property
    def mean(self) -> Tensor:
        """(C,) float64."""
        return self.positions.mean(0)

    @classmethod
    def of(cls, representation: Tensor) -> "Centred":
        """A representation (N, C, ...); positions in space are rows, n = N·positions."""
        samples = representation.movedim(1, -1).flatten(1)  # (N, positions·C), as it lies in memory
        channels = representation.shape[1]
        shift = samples.mean(0).view(-1, channels).mean(0)
        # Each sample at once: numbers of channels are too small to go through one by one.
        centred = samples - shift.repeat(samples.shape[1] // channels)
        # The shift is rounded as the rows are. What that leaves of the mean, some eps of it, is
        # added here; its square in a covariance is below eps of a variance, but where the mean is
        # thousands of standard deviations, and the rows have lost as much.
        left = centred.mean(0).double().view(-1, channels)
        return cls(shift.double() + left, centred.view(-1, channels))


@dataclass
class Moments:
    """Count, means and cross-covariance of rows x (n, C) and y (n, D) in one pass.

    Batches and parts of a data set are merged by the pairwise formula of Chan, Golub and LeVeque
    (1983), for covariances as in Schubert and Gertz (SSDBM 2018). The covariance divides by n, so
    that second moment = covariance + mean meanᵀ. Rows are multiplied in their own precision; sums
    are kept in float64.
    """

    count: int = 0
    mean_x: Tensor = field(default_factory=lambda: torch.zeros(()))  # (C,) float64
    mean_y: Tensor = field(default_factory=lambda: torch.zeros(()))  # (D,) float64
    positions: Tensor = field(default_factory=lambda: torch.zeros(()))  # (P, D) float64, of y
    scatter: Tensor = field(default_factory=lambda: torch.zeros(()))  # (C, D) float64

    @classmethod
    def of(cls, x: Sequence[Centred], y: Sequence[Centred]) -> "Moments":
        """Moments of one batch, where row i of each array comes from the same input.

        x, y: lists of rows whose channels are concatenated, C in total for x and D for y.
        """
        mean_x, mean_y = (torch.cat([part.mean for part in parts]) for parts in (x, y))
        scatter = mean_x.new_zeros(len(mean_x), len(mean_y))
        size = ROWS if scatter.device.type == "cpu" else len(x[0].rows)
        blocks = (zip(*(part.rows.split(size) for part in parts), strict=True) for parts in (x, y))
        for block_x, block_y in zip(*blocks, strict=True):
            places = scatter.split([part.shape[1] for part in block_x])
            for place, part_x in zip(places, block_x, strict=True):
                columns = place.split([part.shape[1] for part in block_y], dim=1)
                for column, part_y in zip(columns, block_y, strict=True):
                    column += product(part_x, part_y)
        positions = torch.cat([part.positions for part in y], dim=1)
        return cls(len(x[0].rows), mean_x, mean_y, positions, scatter)

    @classmethod
    def total(cls, parts: Iterable["Moments"]) -> "Moments":
        """The moments of the rows of all parts, which are not changed."""
        total = cls()
        for part in parts:
            total.merge(replace(part, scatter=part.scatter.clone()))
        return total

    def merge(self, other: "Moments") -> None:
        """Add the moments of other rows; the order of merging changes only rounding errors."""
        if other.count == 0:
            return
        if self.count == 0:
            self.count, self.scatter = other.count, other.scatter
            self.mean_x, self.mean_y = other.mean_x, other.mean_y
            self.positions = other.positions
            return
        total = self.count + other.count
        step_x, step_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        self.scatter.add_(other.scatter)
        self.scatter.addr_(step_x, step_y, alpha=self.count * other.count / total)
        self.mean_x = self.mean_x + step_x * (other.count / total)
        self.mean_y = self.mean_y + step_y * (other.count / total)
        step = other.positions - self.positions
        self.positions = self.positions + step * (other.count / total)
        self.count = total

    @property
    def mean(self) -> Tensor:
        """(D,): E y."""
        return self.mean_y

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


def product(x: Tensor, y: Tensor) -> Tensor:
    """xᵀ y (C, D) of rows (n, C) and (n, D) in float32; for more than `ROWS` rows, in float64 or in
    partial sums, whichever is faster on the device."""
    if len(x) <= ROWS:
        return x.T @ y
    if has_fast_doubles(x.device):
        return x.double().T @ y.double()
    whole = len(x) // ROWS * ROWS
    blocks = (each[:whole].view(-1, ROWS, each.shape[1]) for each in (x, y))
    left, right = blocks
    return torch.bmm(left.mT, right).double().sum(0) + x[whole:].T @ y[whole:]


def rows(representation: Tensor) -> Tensor:
    """(N, C, ...) -> (N · positions, C): positions are further samples."""
    return representation.movedim(1, -1).flatten(0, -2)
