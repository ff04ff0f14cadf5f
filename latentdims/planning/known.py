"""What is known of images and networks before their files exist."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py

from latentdims.configuration import adopted
from latentdims.errors import InputError
from latentdims.images import datasets, selection
from latentdims.models import families
from latentdims.models.architecture import Architecture
from latentdims.storage import SPLITS
from latentdims.workflow.memory import Shapes

PUBLISHED = {  # images of each split
    "CIFAR10": (50_000, 10_000),
    "CIFAR100": (50_000, 10_000),
    "MNIST": (60_000, 10_000),
    "FashionMNIST": (60_000, 10_000),
    "SVHN": (73_257, 26_032),
}


@dataclass(frozen=True)
class Images:
    """Of a data set, as they are stored: (C, H, W) of one, how many by split, and classes."""

    shape: tuple[int, int, int]
    samples: Mapping[str, int]
    classes: int


class Known:
    """Answers by the names of data sets and networks of a configuration, each found once.

    settings: the configuration, complete. made: paths that the run will make, so that existing
    files there do not count.
    """

    def __init__(self, settings: Mapping[str, Any], made: Collection[str] = ()) -> None:
        self.settings, self._made = settings, made
        self._images: dict[str, Images | None] = {}
        self._shapes: dict[tuple[str, str], Shapes | None] = {}

    @cached_property
    def results(self) -> Path:
        """The folder of results."""
        return Path(self.settings["results"])

    def images(self, dataset: str) -> Images | None:
        """Those of a data set; None where they are not known."""
        if dataset not in self._images:
            self._images[dataset] = self._images_of(dataset)
        return self._images[dataset]

    def _images_of(self, dataset: str) -> Images | None:
        path = self.results / "resources" / f"{dataset}.h5"
        try:
            if path.exists() and str(path) not in self._made:
                return _stored(path)
            return _of_source(self.settings["datasets"][dataset])
        except (OSError, KeyError, ValueError, InputError):
            return None  # its job will say what is wrong

    def shapes(self, dataset: str, network: str) -> Shapes | None:
        """What a network computes of the images of a data set; None where that is not known."""
        if (dataset, network) not in self._shapes:
            self._shapes[dataset, network] = self._shapes_of(dataset, network)
        return self._shapes[dataset, network]

    def _shapes_of(self, dataset: str, network: str) -> Shapes | None:
        images = self.images(dataset)
        if images is None:
            return None
        channels, *size = images.shape
        gray = "gray" in self.settings["preprocessing"][dataset][network]["steps"]
        shape = (1 if gray else channels, *size)
        asked = self.settings["adopted"].get(network)
        described = self._described(dataset, network, shape, adopted.classes(asked, images.classes))
        return Shapes(described, images.samples) if described else None

    def _described(
        self, dataset: str, network: str, shape: tuple[int, ...], classes: int
    ) -> Architecture | None:
        """By its file, where it is there; else a module of others is made, and shown images."""
        asked = self.settings["networks"][network]
        path = self.results / dataset / network / "architecture.json"
        try:
            if families.is_brought(asked) and path.exists() and str(path) not in self._made:
                return families.chosen(asked, path)
            return families.described(asked, image_shape=shape, classes=classes)
        except (OSError, KeyError, TypeError, ValueError, InputError):
            return None

    def measured(self, dataset: str, network: str) -> int:
        """At how many epochs a network is measured."""
        every = self.settings["alignment"]["epochs"] == "kept"
        if network in self.settings["adopted"]:
            kept = self.settings["kept"][network]
            return len(kept) if every else min(2, len(kept))
        return self.kept(dataset, network) if every else 2

    def kept(self, dataset: str, network: str) -> int:
        """At how many epochs its weights are kept."""
        if network in self.settings["adopted"]:
            return len(self.settings["kept"][network])
        shapes = self.shapes(dataset, network)
        recipe = self.settings["recipes"][network]
        return shapes.times_kept(recipe) if shapes else 2


def _stored(path: Path) -> Images:
    with h5py.File(path, "r", locking=False) as file:
        shapes = {split: file[f"{split}/images"].shape for split in SPLITS}
        channels, height, width = shapes["train"][1:]
        samples = {split: shape[0] for split, shape in shapes.items()}
        return Images((channels, height, width), samples, len(file["classes"]))


def _of_source(dataset: Mapping[str, Any]) -> Images:
    asked = {split: dataset.get(f"{split}_samples") for split in SPLITS}
    known = datasets.image_shape({**dataset, "preprocessing": {"steps": []}})
    if known is not None:
        there = PUBLISHED.get(dataset.get("name", ""), (0, 0))
        if dataset["source"] == "torchvision":  # classes have about as many images each
            share = known[1] / datasets.SHAPES[dataset["name"]][1]
            there = (round(share * there[0]), round(share * there[1]))
        found = Images(*(known[0], dict(zip(SPLITS, there, strict=True)), known[1]))
    else:
        reader = import_module(f"latentdims.images.sources.{dataset['source']}")
        with reader.opened(dataset, []) as whole:
            collection = selection.selected(whole, dataset)
            samples = {split: len(labels) for split, labels in collection.labels.items()}
            found = Images(collection.shape, samples, len(collection.classes))
    return replace(found, samples={split: asked[split] or found.samples[split] for split in SPLITS})
