"""Streaming means, covariances and cross-covariances of representations.

Space is treated as further samples: a convolution's representation (N, C, H, W) is N·H·W rows of C
channels. Every sum is kept in float64.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from latentdims import data, networks, storage
from latentdims.architectures import Layer
from latentdims.checkpoint import Checkpoint, State
from latentdims.job import progress
from latentdims.networks import BATCH, Network, Trained
from latentdims.storage import SPLITS, STAGES

logger = logging.getLogger(__name__)

ROWS = 2048  # multiplied at once: what is made of them on the way stays in the cache


@dataclass
class Moments:
    """Count, means and cross-covariance of rows x (n, C) and y (n, D), exact in one pass.

    Batches and parts of a data set are merged by the pairwise formula of Chan, Golub and LeVeque
    (1983), for covariances as in Schubert and Gertz (SSDBM 2018). The covariance divides by n, so
    that second moment = covariance + mean meanᵀ.
    """

    count: int = 0
    mean_x: Tensor = field(default_factory=lambda: torch.zeros(()))  # (C,) float64
    mean_y: Tensor = field(default_factory=lambda: torch.zeros(()))  # (D,) float64
    scatter: Tensor = field(default_factory=lambda: torch.zeros(()))  # (C, D) float64

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> "Moments":
        """Moments of one batch: x (n, C) and y (n, D), row i of both from the same input."""
        x, y = x.double(), y.double()  # no copy where they are float64 already
        mean_x, mean_y = x.mean(0), y.mean(0)
        return cls(len(x), mean_x, mean_y, (x - mean_x).T @ (y - mean_y))

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
        self.scatter = self.scatter + other.scatter
        self.scatter += torch.outer(step_x, step_y) * (self.count * other.count / total)
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


def rows(representation: Tensor) -> Tensor:
    """(N, C) or (N, C, H, W) -> (N·H·W, C): positions in space are further samples."""
    if representation.ndim == 2:
        return representation
    return representation.permute(0, 2, 3, 1).flatten(0, 2)


@dataclass
class Pass:
    """A pass over images: moments by layer of the batches that are done, and their number."""

    moments: dict[str, Moments] = field(default_factory=dict)
    done: int = 0

    def state(self, name: str) -> dict[str, np.ndarray]:
        """All of it as arrays, under names that start with `name`."""
        arrays = {f"{name}/done": np.array(self.done)}
        for layer, moments in self.moments.items():
            arrays[f"{name}/moments/{layer}/count"] = np.array(moments.count)
            for part in ("mean_x", "mean_y", "scatter"):
                arrays[f"{name}/moments/{layer}/{part}"] = getattr(moments, part).cpu().numpy()
        return arrays

    def restore(self, name: str, state: State, *, layers: Sequence[str], device: str) -> None:
        """Go on from what was saved under a name, if anything was."""
        if not state.get(f"{name}/done"):
            return
        self.done = int(state[f"{name}/done"])
        for layer in layers:
            prefix = f"{name}/moments/{layer}"
            parts = (
                torch.from_numpy(state[f"{prefix}/{part}"]).to(device)
                for part in ("mean_x", "mean_y", "scatter")
            )
            self.moments[layer] = Moments(int(state[f"{prefix}/count"]), *parts)


@torch.inference_mode()
def measure(
    network: Network,
    partners: Sequence[Network],
    images: Tensor,
    *,
    name: str = "images",
    so_far: Pass | None = None,
    pause: Callable[[], None] = lambda: None,
) -> dict[str, Moments]:
    """Moments of every layer of a network against those of its partners and its own.

    images: (N, C, H, W). For each layer, x are the partners' channels side by side, then its own,
    (P + 1)·C of them, and y its own C, then the same C of another image: one product gives every
    block, and those of the shuffled pairing that a similarity must beat. so_far: what is done, to
    be gone on from; `pause` is called after each batch.
    """
    so_far = so_far or Pass()
    batches = list(shuffled_batches(len(images)))[so_far.done :]
    for batch in progress(batches, name=name):
        chains = [chain.representations(images[batch]) for chain in (*partners, network)]
        for level in zip(*chains, strict=True):
            layer, own = level[-1]
            moments = so_far.moments.setdefault(layer.name, Moments())
            blocks = [*(rows(x) for _, x in level), rows(own.roll(1, dims=0))]
            for parts in zip(*(block.split(ROWS) for block in blocks), strict=True):
                together = torch.cat(parts, dim=1).double()
                x, y = together[:, : -layer.channels], together[:, -2 * layer.channels :]
                moments.merge(Moments.of(x, y))
        so_far.done += 1
        pause()
    return so_far.moments


def shuffled_batches(samples: int) -> Iterator[Tensor]:
    """Indices of all samples in one fixed random order, in batches of at least two.

    Neighbours in a batch are then unrelated, also where a data set is sorted by class.
    """
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(0))
    return iter(order.tensor_split(-(-samples // BATCH)))


def covariance(
    *,
    images: str | Path,
    network: str | Path,
    partners: Mapping[int, str | Path],
    output: str | Path,
    settings: Mapping[str, Any],
    device: str,
    code: str = "",
) -> None:
    """Measure the covariances of a network, and its cross-covariances with its partners.

    partners: network files by their seed. settings: {seed, network, training, preprocessing} of
    the network; its partners differ from it in the seed alone. code: names the code that runs; a
    pass that was stopped goes on under the same code alone.
    Raises InputError where a network file is not the one that the settings describe.
    """
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)
    own = networks.load(network, settings=settings, images=loaded.sha256)
    others = {
        seed: networks.load(path, settings={**settings, "seed": seed}, images=loaded.sha256)
        for seed, path in sorted(partners.items())
    }
    logger.info("%s", needs(own.layers, partners=len(others)))
    hashes = [storage.sha256(*each.weights.values()) for each in (own, *others.values())]
    made_with = {"settings": settings, "images": loaded.sha256, "networks": hashes, "code": code}
    checkpoint = Checkpoint(output, made_with=made_with, device=device)
    state = checkpoint.load()
    passes = {f"{split}/{stage}": Pass() for split in SPLITS for stage in STAGES}
    names = [layer.name for layer in own.layers]
    for name, each in passes.items():
        each.restore(name, state, layers=names, device=device)

    def pause() -> None:
        checkpoint.save_when_due(
            lambda: {key: x for name, each in passes.items() for key, x in each.state(name).items()}
        )

    for split in SPLITS:
        for stage, epoch in STAGES.items():
            measure(
                own.at(epoch, device=device),
                [other.at(epoch, device=device) for other in others.values()],
                getattr(loaded, split).images,
                name=f"{split} images, {stage}",
                so_far=passes[f"{split}/{stage}"],
                pause=pause,
            )
    with storage.create(output, settings=settings, device=device) as file:
        file.attrs["images_sha256"] = loaded.sha256
        file.attrs["input_shape"] = json.dumps(loaded.shape)
        file.attrs["classes"] = len(loaded.classes)
        _save_weights(file, own)
        for split in SPLITS:
            for layer in names:
                moments = [passes[f"{split}/{stage}"].moments[layer] for stage in STAGES]
                _save(file.create_group(f"{split}/{layer}"), moments, seeds=list(others))
    checkpoint.remove()


def needs(layers: Sequence[Layer], *, partners: int) -> str:
    """A sentence on the memory and the disk that the covariances will take."""
    entries = sum((2 * partners + 1) * layer.channels**2 for layer in layers)
    disk = 8 * len(STAGES) * len(SPLITS) * entries
    widest = max(layer.channels * layer.positions for layer in layers)
    # Sums of both stages, and one layer of every network for a batch, before and after ReLU.
    memory = 2 * 8 * len(STAGES) * entries + 2 * 4 * BATCH * (partners + 1) * widest
    return (
        f"{len(layers)} layers of {', '.join(str(layer.channels) for layer in layers)} channels, "
        f"{partners} partners: {_megabytes(memory)} of memory beside the images, "
        f"{_megabytes(disk)} on disk"
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _save_weights(file: h5py.File, network: Trained) -> None:
    for layer, weight in network.weights.items():
        storage.write(
            file,
            f"weights/{layer}",
            weight[list(STAGES.values())],
            units="1",
            description="weights, so that an alignment needs no other file",
            dimensions=("stage", "out", "in"),
        )


def _save(group: h5py.Group, moments: Sequence[Moments], *, seeds: Sequence[int]) -> None:
    """Write one layer; the leading axis of every dataset is that of the stages."""
    width = len(moments[0].mean_y) // 2
    storage.write(
        group,
        "count",
        np.array([stage.count for stage in moments]),
        units="1",
        description="rows: images times positions in space",
        dimensions=("stage",),
    )
    storage.write(
        group,
        "mean",
        np.stack([stage.mean_y[:width].cpu().numpy() for stage in moments]),
        units="activation",
        description="mean over rows",
        dimensions=("stage", "channel"),
    )
    blocks = np.stack([stage.covariance.cpu().numpy() for stage in moments])
    own = blocks[:, -width:, :width]
    storage.write(
        group,
        "covariance",
        (own + own.transpose(0, 2, 1)) / 2,
        units="activation^2",
        description="covariance over rows, divided by their count; the second moment is this "
        "plus the outer product of the mean",
        dimensions=("stage", "channel", "channel"),
    )
    for number, seed in enumerate(seeds):
        cross = blocks[:, number * width : (number + 1) * width]
        for name, part, images in (
            ("cross_covariance", cross[:, :, :width], "the same image"),
            ("cross_covariance_shuffled", cross[:, :, width:], "another image, drawn once for all"),
        ):
            storage.write(
                group,
                f"{name}/seed{seed}",
                part,
                units="activation^2",
                description=f"covariance of the channels of seed {seed} with this network's on "
                f"{images}",
                dimensions=("stage", f"channel of seed {seed}", "channel"),
            )
