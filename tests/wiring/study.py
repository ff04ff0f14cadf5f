"""Three tiny networks of one kind, whose files are made as the scripts make them.

No two numbers that could be taken for one another are equal: sizes, means, widths, splits, seeds.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import reference
from numpy.typing import NDArray
from recipes import CONSTANT

from latentdims import storage

SEEDS = (0, 1, 2)
DATA = {"mlp": 42, "cnn": 360, "norm": 42}  # with which no feature is silent on all training images
SAMPLES = {"train": 61, "test": 37}
SHAPE = (3, 11, 15)
MEAN, STD = [0.38, 0.55, 0.4], [0.25, 0.2, 0.3]  # so that large means are left, of each channel
NETWORKS = {
    "mlp": {"architecture": "mlp", "widths": [12, 9, 7]},
    "cnn": {"architecture": "cnn", "channels": [5, 4], "kernel_size": 3, "stride": 2},
    "norm": {
        **{"architecture": "cnn", "channels": [5, 4], "kernel_size": 3, "stride": 2},
        **{"padding": 1, "norm": "batch"},
    },
}
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "mlp": {"layer1": (12, 495), "layer2": (9, 12), "layer3": (7, 9), "classifier": (4, 7)},
    "cnn": {"layer1": (5, 3, 3, 3), "layer2": (4, 5, 3, 3), "classifier": (4, 24)},
    "norm": {"layer1": (5, 3, 3, 3), "layer2": (4, 5, 3, 3), "classifier": (4, 48)},
}
TRAINING = {
    **CONSTANT,
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.05,
    "momentum": 0.8,
    "weight_decay": 0.03,
    "keep_epochs": [1],
}
BASES = ["activation", "activation_centred", "random", "weight"]
PROCEDURE = {"layers": "all", "width": 1.0, "covariances": "own", "rank": "all"}
PROCEDURES: dict[str, dict[str, Any]] = {
    "published": {**PROCEDURE, "draws": 2, "classifiers": ["flattened", "retrained"]},
    "white": {**PROCEDURE, "covariances": "white", "draws": 3, "classifiers": ["retrained"]},
    "wide": {**PROCEDURE, "width": 1.5, "covariances": "averaged", "draws": 2, "classifiers": []},
    "second": {**PROCEDURE, "layers": ["layer2"], "rank": 2, "draws": 2, "classifiers": []},
}


def coarse(random: np.random.Generator, number: int, *, largest: int) -> NDArray:
    """Images (number, *SHAPE) of large squares."""
    squares = random.integers(-largest, largest, (number, 3, 2, 3))
    return np.kron(squares, np.ones((1, 1, 6, 5), int))[:, :, : SHAPE[1], : SHAPE[2]]


class Study:
    """Files by what they hold, made when they are first asked for, and what they were made of."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        normed = kind == "norm"
        self.form = reference.Form(2, int(normed), {} if normed else None)
        self.shapes = SHAPES[kind]
        self.hidden = [name for name in self.shapes if name != "classifier"]
        random = np.random.default_rng(DATA[kind])
        self.labels: dict[str, NDArray] = {}
        self.x: dict[str, NDArray] = {}  # float64 (N, C, H, W), preprocessed
        arrays = []
        pattern = coarse(random, 4, largest=50)
        with storage.create(self.path("images"), settings={"source": "test"}) as file:
            for split, samples in SAMPLES.items():
                labels = random.integers(0, 4, samples)
                pixels = pattern[labels] + coarse(random, samples, largest=55)
                pixels += random.integers(0, 20, pixels.shape)
                pixels += np.array([105, 125, 115])[:, None, None]
                pixels = pixels.astype(np.uint8)
                file[f"{split}/images"], file[f"{split}/labels"] = pixels, labels
                arrays += [pixels, labels]
                self.labels[split] = labels
                self.x[split] = reference.preprocess(pixels, MEAN, STD)
            file["classes"] = list("abcd")
            file.attrs["source"] = "{}"
            file.attrs["sha256"] = storage.sha256(*arrays)

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.h5"

    def settings(self, seed: int | None) -> dict[str, Any]:
        made = {
            "network": NETWORKS[self.kind],
            "preprocessing": {"steps": ["normalize"], "mean": MEAN, "std": STD},
            "training": TRAINING,
        }
        return made if seed is None else {**made, "seed": seed}

    def common(self, seed: int) -> dict[str, Any]:
        """Arguments that most steps have."""
        return {
            "images": self.path("images"),
            "network": self.networks[seed],
            "settings": self.settings(seed),
            "device": "cpu",
        }

    @cached_property
    def networks(self) -> dict[int, Path]:
        """Seeds 0 and 1 trained together, 2 alone."""
        from latentdims import training

        found = {seed: self.path(f"network{seed}") for seed in SEEDS}
        common = {"images": self.path("images"), "device": "cpu"}
        together = {seed: found[seed] for seed in (0, 1)}
        training.train_together(outputs=together, settings=self.settings(None), **common)
        training.train(output=found[2], settings=self.settings(2), **common)
        return found

    @cached_property
    def epochs(self) -> list[int]:
        """That are measured: of the MLP the first and the last, of the CNN all."""
        return [0, 2] if self.kind == "mlp" else [0, 1, 2]

    @property
    def which(self) -> str:
        return "ends" if self.kind == "mlp" else "kept"

    @cached_property
    def covariances(self) -> dict[int, Path]:
        """Of the last seed from three parts, which are merged."""
        from latentdims import covariance

        found = {seed: self.path(f"covariance{seed}") for seed in SEEDS}
        for seed, output in found.items():
            partners = {each: self.networks[each] for each in range(seed)}
            given = {**self.common(seed), "partners": partners, "epochs": self.which}
            if seed < 2:
                covariance.covariance(output=output, **given)
                continue
            parts = [self.path(f"part{number}") for number in range(3)]
            for number, part in enumerate(parts):
                covariance.covariance(output=part, part=(number, 3), **given)
            covariance.merge(
                parts=parts,
                network=self.networks[seed],
                partners=list(partners),
                output=output,
                settings=self.settings(seed),
                epochs=self.which,
            )
        return found

    @cached_property
    def alignments(self) -> dict[int, Path]:
        from latentdims import alignment

        found = {seed: self.path(f"alignment{seed}") for seed in (1, 2)}
        for seed, output in found.items():
            alignment.align(
                networks={each: self.networks[each] for each in range(seed)},
                covariance=self.covariances[seed],
                partners={each: self.covariances[each] for each in range(seed)},
                output=output,
                vectors=4,
                centrings=["centred", "position", "uncentred"],
                pairings=20,
                neighbours=2,
                **self.common(seed),
            )
        return found

    @cached_property
    def consensus(self) -> Path:
        from latentdims import consensus

        output = self.path("consensus")
        consensus.consensus(
            covariances=list(self.covariances.values()),
            output=output,
            settings=self.settings(None),
        )
        return output

    @cached_property
    def clipping(self) -> Path:
        from latentdims import clipping

        output = self.path("clipping")
        clipping.clip(
            covariance=self.covariances[1],
            output=output,
            bases=BASES,
            ranks="all",
            **self.common(1),
        )
        return output

    @cached_property
    def generation(self) -> Path:
        from latentdims import generation

        output = self.path("generation")
        generation.generate(
            others={seed: self.networks[seed] for seed in (0, 1)},
            output=output,
            procedures=PROCEDURES,
            **self.common(2),
        )
        return output

    def weights(self, seed: int, epoch: int) -> reference.Weights:
        """As they are in the file of a network."""
        with h5py.File(self.networks[seed]) as file:
            return {name: file[f"weights/{name}"][epoch].astype(float) for name in self.shapes}

    def formed(self, seed: int, epoch: int) -> reference.Form:
        """What a network is besides its weights, with the statistics in its file."""
        if self.form.statistics is None:
            return self.form
        with h5py.File(self.networks[seed]) as file:
            found = {
                name: tuple(
                    file[f"state/{name}.after.0.{kind}"][epoch].astype(float)
                    for kind in ("mean", "var")
                )
                for name in self.hidden
            }
        return self.form._replace(statistics=found)

    def representations(self, seed: int, epoch: int, split: str) -> reference.Weights:
        """(images, channels, positions) by layer."""
        weights = self.weights(seed, epoch)
        return reference.representations(weights, self.x[split], self.formed(seed, epoch))

    def logits(self, seed: int, epoch: int, split: str) -> NDArray[np.float64]:
        weights = self.weights(seed, epoch)
        return reference.forward(weights, self.x[split], self.formed(seed, epoch))["classifier"]
