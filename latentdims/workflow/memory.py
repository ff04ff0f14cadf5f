"""Memory of the jobs of each rule, from the shapes of images and layers.

Estimates in MB, to be declared to a cluster. `python -m benchmarks.memory FOLDER` compares them
with the jobs of a run; each is within a factor of two.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from latentdims import sizes, storage
from latentdims.comparison.partners import TOGETHER
from latentdims.configuration import adopted
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.models import architecture, families
from latentdims.models.architecture import Architecture
from latentdims.recipes import recipe
from latentdims.statistics.folds import FOLDS
from latentdims.storage import SPLITS

MARGIN = 1.2
RUNNER = 170  # Snakemake itself, which runs beside the script in a job on a cluster
PLAIN = 80  # a process with numpy and h5py, or matplotlib
TORCH = 320  # and with torch
CUDA = 4000  # its libraries for GPUs; not measured
BATCHES = 100  # what clipping holds of a batch of small networks; generation half of it
UNKNOWN = 3000  # what cannot be read
PARTS = 60  # what is drawn, or decoded, at a time, and Pillow
FOLDER = 300  # names of images that are not in an archive; how many there are is not known

# When networks are compared: at the first epoch and the last, whenever a recipe keeps weights, or
# at so many epochs as are listed.
Kept = Mapping[str, Any] | Sequence[Any] | None


@dataclass(frozen=True)
class Shapes:
    """Shapes that determine memory use. samples: number of images per split, if known. kept: number
    of kept weights, if known from the network's own file."""

    network: Architecture
    samples: Mapping[str, int]
    kept: int = 0

    @classmethod
    def read(
        cls, path: str | Path, settings: Mapping[str, Any], described: str | Path | None = None
    ) -> "Shapes | None":
        """Shapes from a file of images, for the settings of a network; or from one of the network's
        own files.

        described: architecture.json of a user's module. None for an invalid file, which its own job
        will report.
        """
        try:
            known = families.chosen(settings["network"], described) if described else None
            with h5py.File(path, "r", locking=False) as file:
                if "architecture" in file.attrs:
                    return cls(known or architecture.read(file), {}, len(file["epoch"]))
                stored = {split: file[f"{split}/images"].shape for split in SPLITS}
                asked = settings.get("checkpoints")
                classes = adopted.classes(asked, len(file["classes"]))
            _, channels, *size = stored["train"]
            seen = 1 if "gray" in settings["preprocessing"]["steps"] else channels
            network = known or families.described(
                settings["network"], image_shape=(seen, *size), classes=classes
            )
        except (OSError, KeyError, TypeError, ValueError, InputError):
            return None
        return cls(network, {split: shape[0] for split, shape in stored.items()})

    def measured(self, kept: Kept) -> int:
        """Number of epochs at which networks are compared."""
        if isinstance(kept, Mapping):
            return self.times_kept(kept)
        return 2 if kept is None else len(kept)

    def times_kept(self, training: Mapping[str, Any]) -> int:
        """Number of times that a recipe keeps weights."""
        if self.kept:
            return self.kept
        steps = recipe.steps_per_epoch(training, images=self.samples["train"])
        return len(recipe.kept_steps(training, steps_per_epoch=steps))

    @property
    def loaded(self) -> float:
        """All images as numbers."""
        return _numbers(sum(self.samples.values()) * math.prod(self.network.image_shape))

    @property
    def in_memory(self) -> float:
        """Images in memory during training, and half as much again while they are read; a few
        batches if images stay in their file."""
        if 1e6 * self.loaded <= data.IN_MEMORY:
            return 1.5 * self.loaded
        batch = sizes.CPU.images_at_once(self.network) * math.prod(self.network.image_shape)
        return 3 * _numbers(batch)

    @property
    def weights(self) -> float:
        """Of one network."""
        learned = sum(math.prod(weight.shape) for weight in self.network.weights)
        return _numbers(max(learned, self.network.parameters))

    @property
    def values(self) -> int:
        """Numbers that the network computes for one image, as far as known."""
        at_sites = sum(math.prod(site.shape) for site in self.network.sites)
        return max(at_sites, self.network.values)

    @property
    def representations(self) -> float:
        """At all hidden sites, of the training images."""
        values = sum(math.prod(site.shape) for site in self.network.hidden)
        return _numbers(self.samples["train"] * values)

    @property
    def at_once(self) -> float:
        """Memory of a batch whose widest representation has 2²⁰ values: one site after another in a
        chain, else all sites."""
        held = 1 if self.network.is_chain else self.values / self.network.largest
        return _numbers(held * (1 << 20))

    @property
    def covariances(self) -> float:
        """Of one network, or one pair of them: all sites at one epoch and split, in float64."""
        return 2 * _numbers(sum(site.channels**2 for site in self.network.sites))

    @property
    def matrices(self) -> float:
        """The largest that an alignment decomposes, in float64."""
        sizes = [site.channels**2 for site in self.network.sites]
        sizes += [math.prod(weight.shape) for weight in self.network.weights]
        return 2 * _numbers(max(sizes))


def prepare(source: Mapping[str, Any], files: Sequence[str]) -> float:
    """Names of all images, which take three times the memory of an archive of small ones, and a
    part of the images; for published data sets all images, about the size of their archives.

    Raises FileNotFoundError if a file is missing.
    """
    if source["source"] == "embedded":
        return PLAIN + PARTS
    paths = [Path(file) for file in files]
    archives = sum(path.stat().st_size for path in paths if path.is_file()) / 1e6
    if source["source"] == "torchvision":
        return with_torch() + 4 * archives
    return PLAIN + PARTS + (min(3 * archives, FOLDER) or FOLDER)


def train(shapes: Shapes, *, training: Mapping[str, Any], networks: int = 1) -> float:
    """The images, in the order of an epoch; for each network its weights, gradients, momentum and
    steps, all kept weights, and a step for its batch; for one network, the kept weights once more
    while they are written."""
    kept = shapes.times_kept(training)
    of_weights = ((5 + kept) * networks + 2 * kept) * shapes.weights
    batch = 4 * _numbers(training["batch_size"] * shapes.values) * networks
    return with_torch() + shapes.in_memory + of_weights + batch


def adopt(shapes: Shapes, *, epochs: int) -> float:
    """The module, a checkpoint as stored and as loaded, and all kept weights, twice while they are
    written; and a batch of images, which are streamed."""
    of_weights = (4 + 2 * epochs) * shapes.weights
    at_once = sizes.CPU.images_at_once(shapes.network)
    batch = _numbers(at_once * (math.prod(shapes.network.image_shape) + 2 * shapes.network.largest))
    return with_torch() + of_weights + BATCHES + batch


def clip(shapes: Shapes) -> float:
    """Test images, the representations of a batch, and decompositions of the largest layer."""
    share = shapes.samples["test"] / sum(shapes.samples.values())
    batch = BATCHES + _numbers(
        sizes.CPU.images_at_once(shapes.network) * (shapes.values + 3 * shapes.network.largest)
    )
    return with_torch() + share * shapes.in_memory + 10 * shapes.matrices + batch


def covariance(shapes: Shapes, *, partners: int, kept: Kept = None) -> float:
    """Sums of all layers by fold, and three times as much while they are written; all networks, as
    stored and as modules. Images are streamed.

    Sums with partners are over all folds together. kept: the recipe, if all its kept epochs are
    measured; the network at its last epoch is then a further partner.
    """
    partners += kept is not None
    epochs = shapes.measured(kept)
    sums = epochs * 2 * (FOLDS + partners) * shapes.covariances
    network = 2 * epochs * shapes.weights
    return with_torch() + 4 * sums + (network + 36 + shapes.at_once) * (partners + 1)


def generate(shapes: Shapes, *, procedures: Mapping[str, Mapping[str, Any]]) -> float:
    """Representations of the reference and of a draw, those of a batch, and weights in float64;
    only images if no networks are drawn."""
    if shapes.network.undrawn:
        return with_torch() + shapes.in_memory + BATCHES
    widest = max(options["width"] for options in procedures.values())
    flattened = any("flattened" in options["classifiers"] for options in procedures.values())
    features = shapes.network.weights[-1].fan_in * (max(1, widest) if flattened else 0)
    decomposed = 10 * _numbers(features**2)
    work = BATCHES / 2 + 16 * shapes.matrices + decomposed
    samples = shapes.samples["train"]
    share = max(
        (1 + options["width"]) * min(1, (options["images"] or samples) / samples)
        for options in procedures.values()
    )
    return with_torch() + shapes.in_memory + share * shapes.representations + work


def align(
    shapes: Shapes,
    *,
    partners: int,
    pairings: int,
    kept: Kept = None,
    neighbours: int | None = None,
) -> float:
    """The network and a partner with their folds, the results of each pair, decompositions of the
    largest layer, and products for all pairings; the same for further partners that are held at the
    same time (`pairs.Pair.held`); for neighbours, both representations of a fold. kept: as for
    `covariance`."""
    partners += kept is not None
    measured = shapes.measured(kept) * (2 * (4 + FOLDS) + 2 * partners) * shapes.covariances
    unrelated = 8 * (1 + pairings) * shapes.covariances
    epochs = shapes.measured(kept)
    held = (2 * (1 + pairings) + 4 * epochs) * shapes.covariances + 2 * epochs * shapes.weights
    further = min(max(0, partners - 1) * held, TOGETHER / 1e6)
    near = 0.0
    if neighbours is not None:
        share = shapes.samples["test"] / FOLDS / shapes.samples["train"]
        near = 4 * share * shapes.representations
    batch = 4 * (shapes.at_once - _numbers(1 << 20))  # twice as many images, of two networks
    at_once = BATCHES + batch + near
    return with_torch() + measured + unrelated + further + 10 * shapes.matrices + at_once


def compare_covariance(members: Sequence[Shapes], *, partners: int) -> float:
    """Like `covariance`, for the largest of several members, at two epochs, with all networks at
    once."""
    return max(covariance(each, partners=partners) for each in members)


def compare_align(members: Sequence[Shapes], *, partners: int, pairings: int) -> float:
    """Like `align`, for the largest of several members, at two epochs."""
    return max(align(each, partners=partners, pairings=pairings) for each in members)


def consensus(shapes: Shapes, *, seeds: int, kept: Kept = None) -> float:
    """Covariances of all pairs of the largest layer, for a split at an epoch, and the rotations of
    all epochs. kept: as for `covariance`."""
    one = 2 * _numbers(max(site.channels for site in shapes.network.sites) ** 2)
    pairs = seeds * (seeds + 1) / 2
    return PLAIN + (pairs + (2 + shapes.measured(kept)) * seeds + 10) * one


def with_torch() -> float:
    """Memory of a process that has imported torch."""
    return TORCH if storage.torch_version().endswith("+cpu") else CUDA


def _numbers(values: float) -> float:
    """MB of float32."""
    return 4 * values / 1e6
