"""The artefacts of a run of the tutorial, for steps that are done again."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from benchmarks import plain
from benchmarks.operations import Layer, layers
from latentdims.configuration.config import resolve
from latentdims.images import data
from latentdims.models import networks


@dataclass(frozen=True)
class Tutorial:
    """The artefacts of a run of the workflow, whose steps are done again elsewhere."""

    folder: Path
    config: Mapping[str, Any]
    device: str = "cpu"

    @property
    def images(self) -> Path:
        return self.folder / "results" / "resources" / "cifar10.h5"

    def artefact(self, network: str, seed: int, kind: str) -> Path:
        return self.folder / "results" / "cifar10" / network / f"seed{seed}" / f"{kind}.h5"

    def inputs(self, kinds: Iterable[str], networks: Iterable[str]) -> dict[str, list[str]]:
        """Artefacts of every seed, by kind."""
        runs = [(name, seed) for name in networks for seed in range(self.resolved["seeds"])]
        return {kind: [str(self.artefact(*run, kind)) for run in runs] for kind in kinds}

    @functools.cached_property
    def resolved(self) -> dict[str, Any]:
        return resolve(self.config)

    @property
    def preprocessing(self) -> dict[str, Any]:
        return self.resolved["datasets"]["cifar10"]["preprocessing"]

    def settings(self, network: str, *, seed: int) -> dict[str, Any]:
        return {
            "network": self.resolved["networks"][network],
            "preprocessing": self.preprocessing,
            "training": self.resolved["recipes"][network],
            "seed": seed,
        }

    @functools.cached_property
    def train(self) -> plain.Pictures:
        return plain.Pictures(self.images, "train", self.preprocessing)

    @functools.cached_property
    def test(self) -> plain.Pictures:
        return plain.Pictures(self.images, "test", self.preprocessing)

    @functools.cached_property
    def loaded(self) -> data.Images:
        """Both splits, as the steps have them."""
        return data.load(self.images, preprocessing=self.preprocessing, device=self.device)

    def second_moment(self, network: str, seed: int, layer: str) -> torch.Tensor:
        """E[φ φᵀ] of a layer on training images, (C, C)."""
        with h5py.File(self.artefact(network, seed, "covariance")) as file:
            group = file[f"train/{layer}"]
            mean = group["mean"][-1]
            moment = torch.from_numpy(group["covariance"][-1] + np.outer(mean, mean))
        return moment.to(self.device)

    def mean(self, network: str, seed: int, layer: str) -> np.ndarray:
        """E[φ] of a layer on training images, (C,)."""
        with h5py.File(self.artefact(network, seed, "covariance")) as file:
            return file[f"train/{layer}/mean"][-1]

    def cross_moment(self, network: str, layer: str) -> torch.Tensor:
        """E[φ ψᵀ] of a layer of seeds 0 and 1 on training images, (C, C)."""
        means = [self.mean(network, seed, layer) for seed in range(2)]
        with h5py.File(self.artefact(network, 1, "covariance")) as file:
            cross = file[f"train/{layer}/cross_covariance/seed0"][-1]
        return torch.from_numpy(cross + np.outer(*means)).to(self.device)

    def model(self, network: str, seed: int) -> torch.nn.Sequential:
        path = self.artefact(network, seed, "network")
        with h5py.File(path) as file:
            images = str(file.attrs["images_sha256"])
        found = networks.load(path, settings=self.settings(network, seed=seed), sha256=images)
        return plain.model(found.at(-1, device=self.device))

    def initial(self, network: str) -> networks.Network:
        """Of seed 0, before training."""
        return networks.initial(
            self.resolved["networks"][network],
            image_shape=(1, 32, 32),
            classes=10,
            seed=0,
            device=self.device,
        )

    def layers(self, network: str) -> list[Layer]:
        return layers(self.initial(network).architecture)

    @property
    def draws(self) -> int:
        """Of each network, white ones among them."""
        return sum(procedure["draws"] for procedure in self.resolved["generation"].values())

    def flattens(self, network: str) -> bool:
        """Whether draws have another classifier, which sees every feature of an image as one."""
        classifiers = self.resolved["generation"]["published"]["classifiers"]
        *_, hidden, _ = self.layers(network)
        return "flattened" in classifiers and hidden.positions > 1
