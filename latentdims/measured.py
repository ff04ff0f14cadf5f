"""What was measured of one network, read from its file layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import architectures, storage
from latentdims.errors import InputError
from latentdims.layer import Layer
from latentdims.spectra import eigh, weight_components
from latentdims.storage import SPLITS

Array = NDArray[np.float64]

CENTRINGS = ("uncentred", "centred")  # and `position`, where each position has its own mean
IMAGES = {"train": "training image", "test": "test image"}
FOLD = "test fold"
CONSTANT = (100 * float(np.finfo(np.float32).eps)) ** 2  # variance that rounding makes of a square


class Means(NamedTuple):
    """Of a representation: over everything, (C,), and over images at each position, (C, P)."""

    mean: Array
    positions: Array | None = None


@dataclass(frozen=True)
class Measured:
    """One layer of one network at one epoch: moments of its representation, and its weights.

    Moments are by split, and by fold of the test images, whose names `folds` gives.
    """

    mean: dict[str, Array]  # (C,)
    covariance: dict[str, Array]  # (C, C)
    weight: NDArray[np.float32]  # (out, in[, kh, kw])
    positions: dict[str, Array] = field(default_factory=dict)  # (C, P), where there is space
    _eigen: dict[str, tuple[Array, Array]] = field(default_factory=dict, init=False, repr=False)

    @property
    def folds(self) -> list[str]:
        """Names of the folds of the test images."""
        return [part for part in self.mean if part not in SPLITS]

    def means(self, part: str) -> Means:
        """Of a split or a fold."""
        return Means(self.mean[part], self.positions.get(part))

    def eigen(self, centring: str) -> tuple[Array, Array]:
        """Eigenvalues (C,) and eigenvectors (C, C), in columns, of a moment on training images."""
        if centring not in self._eigen:
            self._eigen[centring] = eigh(self.moment("train", centring))
        return self._eigen[centring]

    @cached_property
    def weight_components(self) -> tuple[Array, Array]:
        """Eigenvalues (R,) and eigenvectors (d, R) of the weight covariance."""
        return weight_components(self.weight)

    def moment(self, part: str, centring: str) -> Array:
        """(C, C): the covariance, or the second moment where uncentred."""
        return moment(self.covariance[part], self.means(part), centring)

    def power(self, part: str, centring: str) -> float:
        """E‖φ‖²: the trace of a moment."""
        return float(np.trace(self.moment(part, centring)))


def undefined(
    layer: Layer,
    networks: Mapping[int, Sequence[Measured]],
    *,
    splits: Sequence[str] | None = None,
    centrings: Sequence[str] = CENTRINGS,
) -> list[str]:
    """Why a layer lacks one of some moments, in words, for networks by seed at every epoch.

    splits: both, and the folds of the test images, where not given.
    """
    found = []
    for seed, stages in networks.items():
        for stage, measured in enumerate(stages):
            views = product(splits or measured.mean, centrings)
            problems = filter(None, (measured.undefined(*view) for view in views))
            if problem := next(problems, ""):  # the first says it: training images come first
                found.append(f"{_named(layer, seed, stage, len(stages))} is {problem}")
    return found


def weightless(layer: Layer, networks: Mapping[int, Sequence[Measured]]) -> list[str]:
    """The same of its weights."""
    return [
        f"all weights of {_named(layer, seed, stage, len(stages))} are zero"
        for seed, stages in networks.items()
        for stage, measured in enumerate(stages)
        if not measured.weight.any()
    ]


def _named(layer: Layer, seed: int, stage: int, stages: int) -> str:
    when = {0: "untrained ", stages - 1: ""}.get(stage, "not yet trained ")
    return f"{when}{layer.name} of seed {seed}"
