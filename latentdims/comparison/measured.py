"""Measurements of one network, read from its file layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import broken, storage
from latentdims.errors import InputError
from latentdims.models import architecture
from latentdims.models.architecture import Architecture
from latentdims.models.epochs import UNTRAINED, ends
from latentdims.statistics.folds import FoldMoments
from latentdims.statistics.spectra import eigh, weight_components
from latentdims.storage import SPLITS

Array = NDArray[np.float64]

CENTRINGS = ("uncentred", "centred")  # and `position`, where each position has its own mean
KINDS = {"train": "training image", "test": "test image"}
FOLD = "test fold"
FINAL = "final"  # the group of a partner that is the network itself at its last epoch
CONSTANT = (100 * float(np.finfo(np.float32).eps)) ** 2  # variance that rounding makes of a square


class Means(NamedTuple):
    """Means of a representation: over all samples (C,), and over images at each position (C, P)."""

    mean: Array
    positions: Array | None = None


@dataclass(frozen=True)
class Weights:
    """A learned map of one network at one epoch, (out, in[, kh, kw])."""

    values: NDArray[np.float32]

    @cached_property
    def components(self) -> tuple[Array, Array]:
        """Eigenvalues (R,) and eigenvectors (d, R) of the weight covariance."""
        return weight_components(self.values)


@dataclass(frozen=True)
class Measured:
    """Moments of the representation at one site of one network at one epoch, by split, and by fold
    of the test images (`folds`)."""

    mean: dict[str, Array]  # (C,)
    covariance: dict[str, Array]  # (C, C)
    positions: dict[str, Array] = field(default_factory=dict)  # (C, P), where there is space
    _eigen: dict[str, tuple[Array, Array]] = field(default_factory=dict, init=False, repr=False)

    @property
    def folds(self) -> list[str]:
        """Names of the folds of the test images."""
        return [part for part in self.mean if part not in SPLITS]

    def means(self, part: str) -> Means:
        """The means over a split or a fold."""
        return Means(self.mean[part], self.positions.get(part))

    def eigen(self, centring: str) -> tuple[Array, Array]:
        """Eigenvalues (C,) and eigenvectors (C, C), in columns, of a moment of training images."""
        if centring not in self._eigen:
            self._eigen[centring] = eigh(self.moment("train", centring))
        return self._eigen[centring]

    def moment(self, part: str, centring: str) -> Array:
        """(C, C): the covariance, or the second moment where uncentred."""
        return moment(self.covariance[part], self.means(part), centring)

    def power(self, part: str, centring: str) -> float:
        """E‖φ‖²: the trace of a moment."""
        return float(np.trace(self.moment(part, centring)))

    def undefined(self, split: str, centring: str) -> str:
        """Why a moment has no direction, so that it cannot be compared; empty if it has one."""
        if self.moment(split, centring).any():
            return ""
        image = KINDS.get(split, f"image of {split}")
        if self.moment(split, "uncentred").any():
            place = " at each position" if self.moment(split, "centred").any() else ""
            return f"constant: the same{place} on every {image}"
        return f"dead: zero on every {image}"


def moment(covariance: Array, means: Means, centring: str) -> Array:
    """(C, C): the second moment, or the covariance where centred; of a representation that is the
    same for every image, this is 0, not what rounding has made of it."""
    second = centre(covariance, means, means, "uncentred")
    if centring == "uncentred":
        return second
    found = centre(covariance, means, means, centring)
    constant = np.trace(found) <= CONSTANT * np.trace(second)
    return np.zeros_like(found) if constant else found


def centre(cross: Array, partner: Means, own: Means, centring: str) -> Array:
    """(C, D): a cross-covariance as it is where centred; the second moment E[φ ψᵀ] where uncentred;
    without what the means at each `position` share, where that is asked for.

    cross: (..., C, D), of the same positions in both.
    """
    if centring == "uncentred":
        return cross + np.outer(partner.mean, own.mean)
    if centring == "centred" or partner.positions is None or own.positions is None:
        return cross
    theirs = partner.positions - partner.mean[:, None]
    ours = own.positions - own.mean[:, None]
    return cross - theirs @ ours.T / ours.shape[1]


@dataclass(frozen=True)
class Measurements:
    """The open covariance file of one network, which also holds its weights at every epoch.

    first: index of the first epoch in the file that is used.
    """

    file: h5py.File
    architecture: Architecture
    first: int = 0

    @property
    def seed(self) -> int:
        """The seed of the network."""
        return int(storage.settings(self.file)["seed"])

    @classmethod
    @contextmanager
    def open(cls, path: str | Path, settings: Mapping[str, Any]) -> Iterator["Measurements"]:
        """Open a file that was made with the given settings."""
        needs = [*SPLITS, "weights"]
        with storage.read(path, needs=needs, made_with=settings) as file:
            yield cls(file, architecture.read(file))

    @property
    def is_along_training(self) -> bool:
        """Whether the network was compared with itself at its last epoch."""
        sites = self.architecture.sites
        return any(f"train/{site.name}/cross_covariance/{FINAL}" in self.file for site in sites)

    def final(self) -> "Measurements":
        """The same measurements at the last epoch only."""
        return replace(self, first=self.first + len(self.epochs) - 1)

    def check_comparable(self, partner: "Measurements") -> None:
        """Raise InputError if the networks have different layers, or their covariances come from
        different images or orders."""
        names, others = (each.architecture.names for each in (self, partner))
        if names != others:
            raise InputError(
                f"{self.file.filename} has the layers {', '.join(names)}, but "
                f"{partner.file.filename} has {', '.join(others)}, and cannot be compared; "
                "delete the one of another architecture and run again"
            )
        self.check_same_images(partner)

    def check_same_images(self, partner: "Measurements") -> None:
        """Raise InputError if the covariances come from different images or orders."""
        ours, theirs = (each.file.attrs["images_sha256"] for each in (self, partner))
        if ours != theirs:
            raise InputError(
                f"{self.file.filename} and {partner.file.filename} are over different "
                f"images, or in another order (sha256 {ours[:9]}… and {theirs[:9]}…), and cannot "
                "be compared; delete the one from other images and run again"
            )

    @property
    def untrained(self) -> bool:
        """Whether the network was measured before training."""
        return UNTRAINED in ends(self.epochs)

    def rows(self, layer: str) -> dict[str, int]:
        """Number of images times positions in space, by split."""
        return {split: int(self.file[f"{split}/{layer}/count"][0]) for split in SPLITS}

    @property
    def epochs(self) -> Array:
        """The measured epochs, (E,)."""
        return np.asarray(self.file["epoch"][self.first :])

    def cross(self, layer: str, partner: str, stage: int) -> dict[str, Array]:
        """Cross-covariance of a partner, such as seed0, with this network, (C, D), by split, at one
        index of the axis of epochs."""
        at = self.first + stage
        key = f"{layer}/cross_covariance/{partner}"
        return {split: finite(self.file, f"{split}/{key}", at) for split in SPLITS}

    def fold_covariances(self, layer: str, split: str, stage: int) -> Array:
        """(F, C, C): the covariance of each fold of the images, at one index of the epochs."""
        at = np.s_[:, self.first + stage]
        return finite(self.file, f"{split}/{layer}/folds/covariance", at)

    def train_folds(self, layer: str, stage: int) -> FoldMoments:
        """Of each fold of the training images, at one index of the epochs."""
        kinds = (f"train/{layer}/folds/{kind}" for kind in ("count", "mean", "covariance"))
        at = np.s_[:, self.first + stage]
        return FoldMoments(*(finite(self.file, kind, at) for kind in kinds))

    def weights(self, name: str) -> list[Weights]:
        """A learned map at every epoch."""
        return [Weights(values) for values in finite(self.file, f"weights/{name}")[self.first :]]

    def stages(self, site: str) -> list[Measured]:
        """What was measured at a site at every epoch."""
        kinds = [self._moments(site, kind) for kind in ("mean", "covariance", "position_mean")]
        return [
            Measured(*({part: values[stage] for part, values in kind.items()} for kind in kinds))
            for stage in range(len(self.epochs))
        ]

    def _moments(self, layer: str, kind: str) -> dict[str, Array]:
        """(E, ...) by split, and by fold of the test images; empty where there is no such kind."""
        if f"test/{layer}/{kind}" not in self.file:
            return {}
        since = np.s_[self.first :]
        totals = {split: finite(self.file, f"{split}/{layer}/{kind}", since) for split in SPLITS}
        folds = finite(self.file, f"test/{layer}/folds/{kind}", np.s_[:, self.first :])
        return totals | {f"{FOLD} {number}": fold for number, fold in enumerate(folds)}


def finite(file: h5py.File, name: str, where: Any = ()) -> NDArray[Any]:
    """A dataset that always is defined, or a part of it; raises InputError where it holds what is
    not a number."""
    values = file[name][where]
    if not np.isfinite(values).all():
        broken.refuse(Path(file.filename), f"{name} is not finite")
    return np.asarray(values)


def undefined(
    layer: str,
    networks: Mapping[str, Sequence[Measured]],
    *,
    splits: Sequence[str] | None = None,
    centrings: Sequence[str] = CENTRINGS,
    untrained: bool = True,
) -> list[str]:
    """Why a layer lacks one of some moments, in words, for networks by name at every epoch.

    splits: both, and the folds of the test images, where not given. untrained: whether the first of
    several epochs is.
    """
    found = []
    for name, stages in networks.items():
        for stage, measured in enumerate(stages):
            views = product(splits or measured.mean, centrings)
            problems = filter(None, (measured.undefined(*view) for view in views))
            if problem := next(problems, ""):  # the first says it: training images come first
                named = _named(layer, name, stage, len(stages), untrained)
                found.append(f"{named} is {problem}")
    return found


def weightless(
    layer: str, networks: Mapping[str, Sequence[Weights]], *, untrained: bool = True
) -> list[str]:
    """The same of weights that are all zero."""
    return [
        f"all weights of {_named(layer, name, stage, len(stages), untrained)} are zero"
        for name, stages in networks.items()
        for stage, weights in enumerate(stages)
        if not weights.values.any()
    ]


def _named(layer: str, network: str, stage: int, stages: int, untrained: bool) -> str:
    first = {0: "untrained "} if untrained else {}
    when = {**first, stages - 1: ""}.get(stage, "not yet trained ")
    return f"{when}{layer} of {network}"
