"""Covariances and cross-covariances of representations, in one pass over images in their file.

Space is treated as further samples: a convolution's representation (N, C, H, W) is N·H·W rows of C
channels. A pass can be split over jobs, each with a range of the samples, whose sums are merged.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentdims import covariance_file, data, networks, storage
from latentdims.data import Stored
from latentdims.layer import Layer
from latentdims.moments import Centred, Moments
from latentdims.networks import Network
from latentdims.storage import SPLITS, STAGES
from latentdims.workflow.checkpoint import Checkpoint, State
from latentdims.workflow.job import progress

logger = logging.getLogger(__name__)

VALUES = 1 << 20  # of the largest layer of a batch: what is made of it stays in the cache

Chains = Mapping[str, Sequence[Network]]  # by stage: networks that see the same images


@dataclass
class Pass:
    """A pass over images: the moments of the batches that are done, and their number.

    moments: by `<stage>/<layer>/own` of a network's channels C, and `.../cross` of those of its
    partners, P·C side by side, with its C and then the same C of another image.
    """

    moments: dict[str, Moments] = field(default_factory=dict)
    done: int = 0

    def add(self, key: str, moments: Moments) -> None:
        """Add the moments of other rows."""
        self.moments.setdefault(key, Moments()).merge(moments)

    def state(self) -> dict[str, np.ndarray]:
        """All of it as arrays by name."""
        arrays = {"done": np.array(self.done)}
        for key, moments in self.moments.items():
            arrays |= {f"moments/{key}/{part}": x for part, x in moments.state().items()}
        return arrays

    @classmethod
    def restored(cls, state: State, *, device: str) -> "Pass":
        """From the arrays of `state`; of none at all, a pass that has not begun."""
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, values in state.items():
            if name.startswith("moments/"):
                key, part = name.removeprefix("moments/").rsplit("/", 1)
                parts.setdefault(key, {})[part] = values
        moments = {key: Moments.restored(arrays, device=device) for key, arrays in parts.items()}
        return cls(moments, int(state.get("done", 0)))


@torch.inference_mode()
def measure(
    chains: Chains,
    images: Tensor | Stored,
    *,
    batches: Sequence[Tensor] | None = None,
    name: str = "images",
    so_far: Pass | None = None,
    pause: Callable[[], None] = lambda: None,
) -> dict[str, Moments]:
    """Moments of every layer of a network, and with those of its partners, at several stages.

    chains: the partners' networks, then its own, by stage. images: (N, C, H, W). batches: of
    indices; all images, where not given. so_far: a pass to resume; `pause` is
    called after each batch. Returns the moments of a `Pass`.
    """
    so_far = so_far or Pass()
    if batches is None:
        batches = shuffled_batches(len(images), layers=next(iter(chains.values()))[-1].layers)
    done = so_far.done
    for batch in progress(batches[done:], name=f"{name}, batch", done=done):
        x = images[batch]
        for stage, networks_of_stage in chains.items():
            levels = zip(*(chain.representations(x) for chain in networks_of_stage), strict=True)
            for level in levels:
                layer, _ = level[-1]
                _add_layer(so_far, f"{stage}/{layer.name}", [output for _, output in level])
        so_far.done += 1
        pause()
    return so_far.moments


def _add_layer(so_far: Pass, key: str, representations: Sequence[Tensor]) -> None:
    """Add one layer of a batch: the representations of the partners, then the network's own."""
    *partners, own = map(Centred.of, representations)
    so_far.add(f"{key}/own", Moments.of([own], [own]))
    if partners:
        unrelated = own.rolled(len(own.rows) // len(representations[-1]))  # by one image
        so_far.add(f"{key}/cross", Moments.of(partners, [own, unrelated]))


def shuffled_batches(samples: int, *, layers: Sequence[Layer]) -> list[Tensor]:
    """Indices of all samples in one fixed random order, in batches of at least two, if there are.

    Neighbours in a batch are then unrelated, also where a data set is sorted by class.
    """
    widest = max(layer.channels * layer.positions for layer in layers)
    batches = -(-samples // max(2, VALUES // widest))
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(0))
    return list(order.tensor_split(max(1, min(batches, samples // 2))))


def covariance(
    *,
    images: str | Path,
    network: str | Path,
    partners: Mapping[int, str | Path],
    output: str | Path,
    settings: Mapping[str, Any],
    device: str,
    part: Sequence[int] | None = None,
    code: str = "",
) -> None:
    """Measure the covariances of a network, and its cross-covariances with its partners.

    partners: network files by their seed. settings: {seed, network, training, preprocessing} of
    the network; its partners differ from it in the seed alone. part: its number and how many there
    are, for the sums over a range of the samples, which `merge` takes. code: names the code that
    runs; an interrupted pass resumes only under the same code.
    Raises InputError where a network file is not the one that the settings describe.
    """
    described = settings if part is None else _of_part(settings, *part)
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as file:
        loaded = {
            seed: networks.load(path, settings={**settings, "seed": seed}, images=file.sha256)
            for seed, path in [*sorted(partners.items()), (settings["seed"], network)]
        }
        own = loaded[settings["seed"]]
        hashes = [storage.sha256(*each.weights.values()) for each in loaded.values()]
        made_with = {"settings": described, "images": file.sha256, "networks": hashes}
        checkpoint = Checkpoint(output, made_with={**made_with, "code": code}, device=device)
        passes = _restored(checkpoint.load(), device=device)

        def pause() -> None:
            checkpoint.save_when_due(lambda: _state(passes))

        chains = {
            stage: [each.at(epoch, device=device) for each in loaded.values()]
            for stage, epoch in STAGES.items()
        }
        for split, stored in file.images.items():
            batches = shuffled_batches(len(stored), layers=own.layers)
            measure(
                chains,
                stored,
                batches=batches if part is None else _share(batches, *part),
                name=f"{split} images",
                so_far=passes[split],
                pause=pause,
            )
        attributes = {
            "images_sha256": file.sha256,
            "input_shape": json.dumps(file.shape),
            "classes": len(file.classes),
        }
    with storage.create(output, settings=described, device=device) as result:
        result.attrs.update(attributes)
        if part is None:
            covariance_file.write(result, own, _moments(passes), seeds=sorted(partners))
        else:
            for name, values in _state(passes).items():
                result[name] = values
    checkpoint.remove()


def merge(
    *,
    parts: Sequence[str | Path],
    network: str | Path,
    partners: Sequence[int],
    output: str | Path,
    settings: Mapping[str, Any],
) -> None:
    """Write the covariances of all samples from the sums over each part of them, in their order.

    The result is that of a single pass, up to rounding in float64. Raises InputError where a part
    is not what the settings describe, or is of other images than the first.
    """
    passes = {split: Pass() for split in SPLITS}
    attributes: dict[str, Any] = {}
    for number, path in enumerate(parts):
        made_with = _of_part(settings, number, len(parts))
        with storage.read(path, needs=SPLITS, made_with=made_with) as file:
            found = {key: file.attrs[key] for key in ("images_sha256", "input_shape", "classes")}
            attributes = attributes or found
            if found != attributes:
                storage.refuse(Path(path), f"is of other images than {parts[0]}")
            for split, measured in _restored(storage.arrays(file), device="cpu").items():
                for key, moments in measured.moments.items():
                    passes[split].add(key, moments)
    own = networks.load(network, settings=settings, images=attributes["images_sha256"])
    with storage.create(output, settings=settings) as result:
        result.attrs.update(attributes)
        covariance_file.write(result, own, _moments(passes), seeds=partners)


def _moments(passes: Mapping[str, Pass]) -> dict[str, dict[str, Moments]]:
    return {split: each.moments for split, each in passes.items()}


def _share(batches: Sequence[Tensor], number: int, parts: int) -> Sequence[Tensor]:
    """The batches of one of some parts."""
    return batches[number * len(batches) // parts : (number + 1) * len(batches) // parts]


def _of_part(settings: Mapping[str, Any], number: int, parts: int) -> dict[str, Any]:
    return {**settings, "part": number, "parts": parts}


def _state(passes: Mapping[str, Pass]) -> dict[str, np.ndarray]:
    return {f"{split}/{k}": x for split, each in passes.items() for k, x in each.state().items()}


def _restored(state: State, *, device: str) -> dict[str, Pass]:
    return {
        split: Pass.restored(
            {
                name.removeprefix(f"{split}/"): values
                for name, values in state.items()
                if name.startswith(f"{split}/")
            },
            device=device,
        )
        for split in SPLITS
    }
