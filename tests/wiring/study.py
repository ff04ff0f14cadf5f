"""Three tiny networks of one kind, whose files are made as the scripts make them.

No two numbers that could be taken for one another are equal: sizes, means, widths, splits, seeds.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import reference
import torch
from forms import Array, Form, Rectified, Scattering, Weights
from numpy.typing import NDArray
from recipes import CONSTANT
from residual import READS, Residual

from latentdims import storage

SEEDS = (0, 1, 2)
SAMPLES = {"train": 61, "test": 37}
MEAN, STD = [0.38, 0.55, 0.4], [0.25, 0.2, 0.3]  # so that large means are left, of each channel


class Kind(NamedTuple):
    """Networks of a family: settings, form, and shapes of weights.

    image: (C, H, W). data: a seed with which no feature is silent on all training images, and no
    eigenvalue of weights is as that of chance. together: seeds that are trained together, the
    others alone. which: epochs that are measured. reads: the site that weights read, where that is
    not of the layer before. adopted: epochs of checkpoints, of one that is not trained.
    """

    network: dict[str, Any]
    form: Form
    shapes: dict[str, tuple[int, ...]]
    image: tuple[int, int, int] = (3, 11, 15)
    data: int = 42
    together: tuple[int, ...] = (0, 1)
    which: str = "kept"
    reads: dict[str, str | None] | None = None
    adopted: tuple[int, ...] = ()

    @property
    def sites(self) -> list[str]:
        return [name for name in self.shapes if not name.endswith("_shortcut")]

    def below(self, name: str) -> str | None:
        """The site that weights read; none for the images."""
        if self.reads is not None:
            return self.reads[name]
        return dict(zip(self.shapes, [None, *self.shapes], strict=False))[name]

    @property
    def hidden(self) -> list[str]:
        return [name for name in self.sites if name != "classifier"]


CNN = {"architecture": "cnn", "channels": [5, 4], "kernel_size": 3, "stride": 2}
KINDS = {
    "mlp": Kind(
        network={"architecture": "mlp", "widths": [12, 9, 7]},
        form=Rectified(),
        shapes={"layer1": (12, 495), "layer2": (9, 12), "layer3": (7, 9), "classifier": (4, 7)},
        which="ends",
    ),
    "cnn": Kind(
        network=CNN,
        form=Rectified(stride=2),
        shapes={"layer1": (5, 3, 3, 3), "layer2": (4, 5, 3, 3), "classifier": (4, 24)},
        data=360,
    ),
    "norm": Kind(
        network={**CNN, "padding": 1, "norm": "batch"},
        form=Rectified(stride=2, padding=1, normed=("layer1", "layer2")),
        shapes={"layer1": (5, 3, 3, 3), "layer2": (4, 5, 3, 3), "classifier": (4, 48)},
    ),
    "scattering": Kind(
        network={"architecture": "scattering", "scales": 3, "width": 0.037, "last": 7},
        form=Scattering(),
        shapes={
            **{"layer1": (2, 30), "layer2": (5, 20), "layer3": (9, 50), "layer4": (7, 90)},
            "classifier": (4, 56),
        },
        image=(3, 32, 32),  # the smallest
        data=43,
        together=(),
        which="ends",
    ),
    "resnet": Kind(
        network={"architecture": "resnet", "depth": 8, "width": 0.2},
        form=Residual(),
        shapes={  # in the order in which they are drawn
            **{"layer1": (3, 3, 3, 3), "layer2": (3, 3, 3, 3), "layer3": (3, 3, 3, 3)},
            **{"layer4": (6, 3, 3, 3), "layer5": (6, 6, 3, 3), "layer5_shortcut": (6, 3, 1, 1)},
            **{"layer6": (13, 6, 3, 3), "layer7": (13, 13, 3, 3)},
            **{"layer7_shortcut": (13, 6, 1, 1), "classifier": (4, 13)},
        },
        reads=READS,
        which="ends",
    ),
}
KINDS["adopted"] = KINDS["mlp"]._replace(adopted=(1, 2))
TRAINING = {
    **CONSTANT,
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.05,
    "momentum": 0.8,
    "weight_decay": 0.03,
    "keep_epochs": [1],
}
RERUN_RANKS, RERUN_IMAGES = 3, 23  # of networks that are no chain
BASES = ["activation", "activation_centred", "random", "weight"]
PROCEDURE = {"layers": "all", "width": 1.0, "covariances": "own", "rank": "all", "images": None}
FEWER = 59  # training images that some draws are aligned on; no channel is dead on them
PROCEDURES: dict[str, dict[str, Any]] = {
    "published": {**PROCEDURE, "draws": 2, "classifiers": ["flattened", "retrained"]},
    "white": {**PROCEDURE, "covariances": "white", "draws": 3, "classifiers": ["retrained"]},
    "wide": {**PROCEDURE, "width": 1.5, "covariances": "averaged", "draws": 2, "classifiers": []},
    "second": {**PROCEDURE, "layers": ["layer2"], "rank": 2, "draws": 2, "classifiers": []},
}
PROCEDURES["white"]["images"] = PROCEDURES["wide"]["images"] = FEWER


def coarse(
    random: np.random.Generator, shape: tuple[int, int, int], number: int, *, largest: int
) -> NDArray:
    """Images (number, *shape) of large squares."""
    _, height, width = shape
    squares = random.integers(-largest, largest, (number, 3, 2, 3))
    size = 1, 1, -(-height // 2), -(-width // 3)
    return np.kron(squares, np.ones(size, int))[:, :, :height, :width]


class Study:
    """Files by what they hold, made when they are first asked for, and what they were made of."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = KINDS[kind], folder
        self._trained: dict[int, list[tuple[Weights, Form]]] = {}
        self._stored: dict[tuple[int, int], tuple[Weights, Form]] = {}  # by seed and epoch
        random = np.random.default_rng(self.kind.data)
        self.labels: dict[str, NDArray] = {}
        self.x: dict[str, NDArray] = {}  # float64 (N, C, H, W), preprocessed
        arrays = []
        pattern = coarse(random, self.kind.image, 4, largest=50)
        with storage.create(self.path("images"), settings={"source": "test"}) as file:
            for split, samples in SAMPLES.items():
                labels = random.integers(0, 4, samples)
                pixels = coarse(random, self.kind.image, samples, largest=55)
                pixels += pattern[labels]
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
            "network": self.kind.network,
            "preprocessing": {"steps": ["normalize"], "mean": MEAN, "std": STD},
        }
        if self.kind.adopted:
            place = {"key": "net.weights", "prefix": "m."}
            asked = {"classes": None, "epochs": list(self.kind.adopted), "trained": place}
            made["checkpoints"] = {**asked, "untrained": None}
        else:
            made["training"] = TRAINING
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
        from latentdims.steps import training

        found = {seed: self.path(f"network{seed}") for seed in SEEDS}
        if self.kind.adopted:
            for seed, output in found.items():
                self._adopt(seed, output)
            return found
        common = {"images": self.path("images"), "device": "cpu"}
        if together := {seed: found[seed] for seed in self.kind.together}:
            training.train_together(outputs=together, settings=self.settings(None), **common)
        for seed in found.keys() - together.keys():
            training.train(output=found[seed], settings=self.settings(seed), **common)
        return found

    def checkpoint(self, seed: int, epoch: int) -> Weights:
        """Weights that were trained elsewhere."""
        if seed not in self._trained:
            first = reference.initial(self.kind.shapes, seed)
            given = {"form": self.kind.form, "seed": seed, "options": TRAINING}
            x, labels = self.x["train"], self.labels["train"]
            self._trained[seed] = reference.descend(first, x, labels, **given)
        weights, _ = self._trained[seed][epoch]
        return {name: x.astype(np.float32) for name, x in weights.items()}

    def _adopt(self, seed: int, output: Path) -> None:
        from latentdims.images.sources import content
        from latentdims.steps import adoption

        files = [self.folder / f"{seed}_{epoch}.pt" for epoch in self.kind.adopted]
        for epoch, path in zip(self.kind.adopted, files, strict=True):
            weights = {
                f"m.{name}.map.weight": torch.from_numpy(x)
                for name, x in self.checkpoint(seed, epoch).items()
            }
            torch.save({"epoch": epoch, "net": {"weights": weights}}, path)
        adoption.adopt(
            images=self.path("images"),
            output=output,
            files=list(map(str, files)),
            contents=[content.content(path) for path in files],
            settings=self.settings(seed),
            device="cpu",
        )

    @property
    def epochs(self) -> list[int]:
        """That are measured."""
        if self.kind.adopted:
            return [self.kind.adopted[-1]]
        return [0, 2] if self.kind.which == "ends" else [0, 1, 2]

    @cached_property
    def covariances(self) -> dict[int, Path]:
        """Of the last seed from three parts, which are merged."""
        from latentdims.steps import covariance

        found = {seed: self.path(f"covariance{seed}") for seed in SEEDS}
        for seed, output in found.items():
            partners = {each: self.networks[each] for each in range(seed)}
            given = {**self.common(seed), "partners": partners, "epochs": self.kind.which}
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
                epochs=self.kind.which,
            )
        return found

    @cached_property
    def alignments(self) -> dict[int, Path]:
        from latentdims.steps import alignment

        found = {seed: self.path(f"alignment{seed}") for seed in SEEDS}
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
        from latentdims.steps import consensus

        output = self.path("consensus")
        consensus.consensus(
            covariances=list(self.covariances.values()),
            output=output,
            settings=self.settings(None),
        )
        return output

    def clipping(self, seed: int) -> Path:
        from latentdims.steps import clipping

        output = self.path(f"clipping{seed}")
        if not output.exists():
            clipping.clip(
                covariance=self.covariances[seed],
                output=output,
                bases=BASES,
                ranks="all",
                rerun_ranks=RERUN_RANKS,
                rerun_images=RERUN_IMAGES,
                **self.common(seed),
            )
        return output

    def generation(self, seed: int) -> Path:
        from latentdims.steps import generation

        output = self.path(f"generation{seed}")
        if not output.exists():
            generation.generate(
                others={other: self.networks[other] for other in SEEDS if other != seed},
                output=output,
                procedures=PROCEDURES,
                retraining=TRAINING if self.kind.adopted else None,
                **self.common(seed),
            )
        return output

    @property
    def shown(self) -> NDArray:
        """Test images that clipping sees: of a network that is no chain some, drawn once."""
        number = SAMPLES["test"]
        if self.kind.reads is None:
            return np.arange(number)
        drawn = torch.randperm(number, generator=torch.Generator().manual_seed(2))
        return drawn[:RERUN_IMAGES].numpy()

    def ranks(self, largest: int) -> list[int]:
        """At which it is clipped: there, some with evenly spaced logarithms."""
        if self.kind.reads is None or largest <= RERUN_RANKS:
            return list(range(1, largest + 1))
        return sorted(
            {round(10**power) for power in np.linspace(0, np.log10(largest), RERUN_RANKS)}
        )

    @property
    def summarised(self) -> dict[str, list[str]]:
        """What the summary is of, by kind."""
        found = {
            "network": self.networks.values(),
            "alignment": self.alignments.values(),
            "clipping": map(self.clipping, SEEDS),
            "generation": map(self.generation, SEEDS),
            "consensus": [self.consensus],
        }
        return {kind: list(map(str, paths)) for kind, paths in found.items()}

    def weights(self, seed: int, epoch: int) -> Weights:
        """As they are in the file of a network."""
        return dict(self._read(seed, epoch)[0])

    def formed(self, seed: int, epoch: int) -> Form:
        """What a network is besides its weights, with the statistics in its file."""
        return self._read(seed, epoch)[1]

    def _read(self, seed: int, epoch: int) -> tuple[Weights, Form]:
        if (seed, epoch) not in self._stored:
            form = self.kind.form
            with h5py.File(self.networks[seed]) as file:
                place = list(file["epochs"]).index(epoch)

                def at(name: str) -> Array:
                    return file[name][place].astype(float)

                weights = {name: at(f"weights/{name}") for name in self.kind.shapes}
                found = {
                    norm: tuple(at(f"state/{norm}.{kept}") for kept in form.kept)
                    for norm in form.norms
                }
            self._stored[seed, epoch] = weights, form._replace(statistics=found)
        return self._stored[seed, epoch]

    @cached_property
    def outputs(self) -> dict[tuple[int, int, str], dict[str, Array]]:
        """Of every layer, by seed, epoch and split."""
        return {
            (seed, epoch, split): reference.forward(
                self.weights(seed, epoch), self.x[split], self.formed(seed, epoch)
            )
            for seed in SEEDS
            for epoch in self.epochs
            for split in SAMPLES
        }

    def representations(self, seed: int, epoch: int, split: str) -> dict[str, Array]:
        """The same, (images, channels, positions)."""
        outputs = self.outputs[seed, epoch, split]
        return {name: reference.flat(output) for name, output in outputs.items()}

    def logits(self, seed: int, epoch: int, split: str) -> Array:
        return self.outputs[seed, epoch, split]["classifier"]
