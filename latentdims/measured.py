"""What was measured of one network, read from its file layer by layer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import architectures, storage
from latentdims.errors import InputError
from latentdims.layer import Layer
from latentdims.spectra import eigh, weight_components
from latentdims.storage import SPLITS, STAGES

Array = NDArray[np.float64]

CENTRINGS = ("uncentred", "centred")
IMAGES = {"train": "training image", "test": "test image"}
CONSTANT = (100 * float(np.finfo(np.float32).eps)) ** 2  # variance that rounding makes of a square


@dataclass(frozen=True)
class Measured:
    """One layer of one network at one stage: moments of its representation, and its weights."""

    mean: dict[str, Array]  # by split: (C,)
    covariance: dict[str, Array]  # by split: (C, C)
    weight: NDArray[np.float32]  # (out, in[, kh, kw])
    _eigen: dict[str, tuple[Array, Array]] = field(default_factory=dict, init=False, repr=False)

    def eigen(self, centring: str) -> tuple[Array, Array]:
        """Eigenvalues (C,) and eigenvectors (C, C), in columns, of a moment on training images."""
        if centring not in self._eigen:
            self._eigen[centring] = eigh(self.moment("train", centring))
        return self._eigen[centring]

    @cached_property
    def weight_components(self) -> tuple[Array, Array]:
        """Eigenvalues (R,) and eigenvectors (d, R) of the weight covariance."""
        return weight_components(self.weight)

    def moment(self, split: str, centring: str) -> Array:
        """(C, C): the covariance, or the second moment where uncentred."""
        return moment(self.covariance[split], self.mean[split], centring)

    def undefined(self, split: str, centring: str) -> str:
        """Why a moment has no direction, in words, so that none can be compared with another's;
        empty where it has."""
        if self.moment(split, centring).any():
            return ""
        if self.moment(split, "uncentred").any():
            return f"constant: the same on every {IMAGES[split]}"
        return f"dead: zero on every {IMAGES[split]}"


def moment(covariance: Array, mean: Array, centring: str) -> Array:
    """(C, C): the second moment, or the covariance where centred; of a representation that is the
    same for every image, this is 0, not what rounding has made of it."""
    second = centre(covariance, mean, mean, "uncentred")
    if centring == "uncentred":
        return second
    constant = np.trace(covariance) <= CONSTANT * np.trace(second)
    return np.zeros_like(covariance) if constant else covariance


def centre(cross: Array, mean: Array, partner_mean: Array, centring: str) -> Array:
    """(C, D): a cross-covariance as it is, or as the second moment E[φ ψᵀ] where uncentred."""
    return cross if centring == "centred" else cross + np.outer(mean, partner_mean)


@dataclass(frozen=True)
class Measurements:
    """The open covariance file of one network, which also holds its weights at every stage."""

    file: h5py.File
    layers: list[Layer]

    @property
    def seed(self) -> int:
        """Of the network."""
        return int(storage.settings(self.file)["seed"])

    @classmethod
    @contextmanager
    def open(cls, path: str | Path, settings: Mapping[str, Any]) -> Iterator["Measurements"]:
        """A file, which must have been made with the settings."""
        needs = [*SPLITS, "weights"]
        with storage.read(path, needs=needs, made_with=settings) as file:
            yield cls(file, architectures.from_file(file))

    def check_comparable(self, partner: "Measurements") -> None:
        """Raise InputError where the networks have other layers, or the covariances are over
        different images, or orders."""
        names, others = ([layer.name for layer in each.layers] for each in (self, partner))
        if names != others:
            raise InputError(
                f"{self.file.filename} has the layers {', '.join(names)}, but "
                f"{partner.file.filename} has {', '.join(others)}, and cannot be compared; "
                "delete the one of another architecture and run again"
            )
        ours, theirs = (each.file.attrs["images_sha256"] for each in (self, partner))
        if ours != theirs:
            raise InputError(
                f"{self.file.filename} and {partner.file.filename} are over different "
                f"images, or in another order (sha256 {ours[:9]}… and {theirs[:9]}…), and cannot "
                "be compared; delete the one from other images and run again"
            )

    def images(self, layer: Layer) -> int:
        """Number of training images, of which positions in space are no independent samples."""
        return int(self.file[f"train/{layer.name}/count"][0]) // layer.positions

    def cross(
        self, layer: Layer, seed: int, stage: int, *, shuffled: bool = False
    ) -> dict[str, Array]:
        """Cross-covariance of an earlier seed with this network by split, (C, D)."""
        kind = "cross_covariance_shuffled" if shuffled else "cross_covariance"
        return {
            split: finite(self.file, f"{split}/{layer.name}/{kind}/seed{seed}")[stage]
            for split in SPLITS
        }

    def stages(self, layer: Layer) -> list[Measured]:
        """One layer at every stage."""
        weights = finite(self.file, f"weights/{layer.name}")
        means, covariances = (
            {split: finite(self.file, f"{split}/{layer.name}/{name}") for split in SPLITS}
            for name in ("mean", "covariance")
        )
        return [
            Measured(
                {split: moments[stage] for split, moments in means.items()},
                {split: moments[stage] for split, moments in covariances.items()},
                weights[stage],
            )
            for stage in range(len(STAGES))
        ]


def finite(file: h5py.File, name: str) -> NDArray[Any]:
    """A dataset that always is defined; raises InputError where it holds what is not a number."""
    values = file[name][()]
    if not np.isfinite(values).all():
        storage.refuse(Path(file.filename), f"{name} is not finite")
    return values


def undefined(
    layer: Layer,
    networks: Mapping[int, Sequence[Measured]],
    *,
    splits: Sequence[str] = SPLITS,
    centrings: Sequence[str] = CENTRINGS,
) -> list[str]:
    """Why a layer lacks one of some moments, in words, for networks by seed at every stage."""
    found = []
    for seed, stages in networks.items():
        for stage, measured in zip(STAGES, stages, strict=True):
            views = product(splits, centrings)
            problems = filter(None, (measured.undefined(*view) for view in views))
            if problem := next(problems, ""):  # the first says it: training images come first
                found.append(f"{_named(layer, seed, stage)} is {problem}")
    return found


def weightless(layer: Layer, networks: Mapping[int, Sequence[Measured]]) -> list[str]:
    """The same of its weights."""
    return [
        f"all weights of {_named(layer, seed, stage)} are zero"
        for seed, stages in networks.items()
        for stage, measured in zip(STAGES, stages, strict=True)
        if not measured.weight.any()
    ]


def _named(layer: Layer, seed: int, stage: str) -> str:
    return f"{'untrained ' if stage == 'initial' else ''}{layer.name} of seed {seed}"
