"""Covariances and cross-covariances of representations, in one pass over images in their file.

Space is treated as further samples: a convolution's representation (N, C, H, W) is N·H·W rows of C
channels. A pass can be split over jobs, each with a range of the samples, whose sums are merged.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentdims import broken, storage
from latentdims.comparison import covariance_file
from latentdims.comparison import views as of_networks
from latentdims.comparison.moments import Centred, Moments
from latentdims.comparison.views import Matches, View, Walk, same_sites
from latentdims.images import data
from latentdims.models import networks
from latentdims.models.architecture import Architecture
from latentdims.statistics import folds
from latentdims.storage import SPLITS
from latentdims.workflow.checkpoint import Checkpoint, State
from latentdims.workflow.job import progress

logger = logging.getLogger(__name__)

VALUES = 1 << 20  # of the largest layer of a batch: what is made of it stays in the cache

Views = Mapping[str, Sequence[View]]  # by epoch: of the partners, then the own; the same images
Batch = tuple[int, Tensor]  # the fold of some images, and their indices


@dataclass
class Pass:
    """A pass over images: the moments of the batches that are done, and their number.

    moments: by `<epoch>/<site>/own/<fold>` of a network's channels C, and `.../cross/<fold>` of
    those of its partners, side by side, with its C.
    """

    moments: dict[str, Moments] = field(default_factory=dict)
    done: int = 0

    def add(self, key: str, moments: Moments) -> None:
        """Add the moments of other rows."""
        self.moments.setdefault(key, Moments()).merge(moments)

    def folds(self, key: str) -> list[Moments]:
        """Those of each fold, in order, by `<epoch>/<site>/<kind>`."""
        found = {
            int(name.rpartition("/")[2]): moments
            for name, moments in self.moments.items()
            if name.startswith(f"{key}/")
        }
        return [found[fold] for fold in sorted(found)]

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
    views: Views,
    *,
    matches: Sequence[Matches] | None = None,
    batches: Sequence[Batch] | None = None,
    cross_folds: bool = True,
    name: str = "images",
    so_far: Pass | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Pass:
    """Moments at every site of a network, and with those of its partners, at several epochs.

    views: of the partners, then its own, by epoch. matches: sites that are compared with each
    partner; each with the same one, where not given. batches: all images, where not given.
    cross_folds: whether what is shared with partners is kept by fold, or as one. so_far: a pass to
    resume; `pause` is called after each batch.
    """
    so_far = so_far or Pass()
    own = next(iter(views.values()))[-1]
    if matches is None:
        matches = [same_sites(own.architecture)] * (len(next(iter(views.values()))) - 1)
    if batches is None:
        batches = batches_by_fold(len(own), own.architecture)
    done = so_far.done
    for fold, batch in progress(batches[done:], name=f"{name}, batch", done=done):
        for epoch, views_of_epoch in views.items():
            place = fold if cross_folds else 0
            for site, moments, shared in _batch(views_of_epoch, matches, batch):
                so_far.add(f"{epoch}/{site}/own/{fold}", moments)
                if shared is not None:
                    so_far.add(f"{epoch}/{site}/cross/{place}", shared)
        so_far.done += 1
        pause()
    return so_far


def _batch(
    views: Sequence[View], matches: Sequence[Matches], batch: Tensor
) -> Iterator[tuple[str, Moments, Moments | None]]:
    """Each site of the last view, its moments over some images, and those with all sites of the
    others that it is compared with, side by side."""
    *others, own = views
    walks = [
        Walk(view.representations(batch), Centred.of, [theirs for theirs, _ in pairs.values()])
        for view, pairs in zip(others, matches, strict=True)
    ]
    for site, representation in own.representations(batch):
        centred = Centred.of(representation)
        partners = [
            walk.take(theirs)
            for walk, pairs in zip(walks, matches, strict=True)
            for theirs, ours in pairs.values()
            if ours == site.name
        ]
        shared = Moments.of(partners, [centred]) if partners else None
        yield site.name, Moments.of([centred], [centred]), shared


def batches_by_fold(samples: int, *networks: Architecture) -> list[Batch]:
    """All samples in one fixed random order, fold by fold, in batches of one fold each, which suit
    all of some networks."""
    largest = max(1, VALUES // max(network.largest for network in networks))
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(0))
    fold = torch.from_numpy(folds.of(samples))[order]
    found = []
    for number in range(int(fold.max()) + 1):
        members = order[fold == number]
        found += [(number, batch) for batch in members.tensor_split(-(-len(members) // largest))]
    return found


def covariance(
    *,
    images: str | Path,
    network: str | Path,
    partners: Mapping[int, str | Path],
    output: str | Path,
    settings: Mapping[str, Any],
    device: str,
    epochs: str = "ends",
    part: Sequence[int] | None = None,
    code: str = "",
) -> None:
    """Measure the covariances of a network, and its cross-covariances with its partners.

    partners: network files by their seed. settings: {seed, network, training, preprocessing} of
    the network; its partners differ from it in the seed alone. epochs: `ends`, the first and the
    last, or `kept`, all whose weights were kept; then the network at its last epoch is a partner,
    too. part: its number and how many there
    are, for the sums over a range of the samples, which `merge` takes. code: names the code that
    runs; an interrupted pass resumes only under the same code.
    Raises InputError where a network file is not the one that the settings describe.
    """
    described = settings if part is None else _of_part(settings, *part)
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as file:
        loaded = {
            seed: networks.load(path, settings={**settings, "seed": seed}, sha256=file.sha256)
            for seed, path in [*sorted(partners.items()), (settings["seed"], network)]
        }
        own = loaded[settings["seed"]]
        hashes = [storage.sha256(*each.tensors.values()) for each in loaded.values()]
        made_with = {"settings": described, "images": file.sha256, "networks": hashes}
        made_with |= {"epochs": epochs, "code": code}
        checkpoint = Checkpoint(output, made_with=made_with, device=device)
        shown = {
            str(index): [
                of_networks.of(each, index, file.splits, device=device) for each in loaded.values()
            ]
            for index in covariance_file.indices(own, epochs)
        }
        if epochs == "kept":
            final = of_networks.of(own, -1, file.splits, device=device)
            shown = {epoch: [*some, final, at] for epoch, (*some, at) in shown.items()}
        by_split = {
            split: {epoch: [each[split] for each in members] for epoch, members in shown.items()}
            for split in file.splits
        }
        passes = passed(by_split, checkpoint, part=part, device=device)
        attributes = {
            "images_sha256": file.sha256,
            "architecture": own.architecture.text(),
        }
    with storage.create(output, settings=described, device=device) as result:
        result.attrs.update(attributes)
        if part is None:
            crosses = covariance_file.of_seeds(own.architecture, sorted(partners), epochs=epochs)
            covariance_file.write(result, own, passes, crosses=crosses, epochs=epochs)
        else:
            for name, values in _state(passes).items():
                result[name] = values
    checkpoint.remove()


def passed(
    views: Mapping[str, Views],
    checkpoint: Checkpoint,
    *,
    matches: Sequence[Matches] | None = None,
    part: Sequence[int] | None = None,
    device: str,
) -> dict[str, Pass]:
    """A pass over the images of each split, which resumes where it was interrupted.

    views: by split. matches: as in `measure`. part: of the images, and how many there are.
    """
    passes = _restored(checkpoint.load(), device=device)

    def pause() -> None:
        checkpoint.save_when_due(lambda: _state(passes))

    for split, by_epoch in views.items():
        members = next(iter(by_epoch.values()))
        batches = batches_by_fold(len(members[-1]), *(each.architecture for each in members))
        measure(
            by_epoch,
            matches=matches,
            batches=batches if part is None else _share(batches, *part),
            cross_folds=split == "test",
            name=f"{split} images",
            so_far=passes[split],
            pause=pause,
        )
    return passes


def merge(
    *,
    parts: Sequence[str | Path],
    network: str | Path,
    partners: Sequence[int],
    output: str | Path,
    settings: Mapping[str, Any],
    epochs: str = "ends",
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
            found = {key: file.attrs[key] for key in ("images_sha256", "architecture")}
            attributes = attributes or found
            if found != attributes:
                broken.refuse(Path(path), f"is of other images than {parts[0]}")
            for split, measured in _restored(storage.arrays(file), device="cpu").items():
                for key, moments in measured.moments.items():
                    passes[split].add(key, moments)
    own = networks.load(network, settings=settings, sha256=attributes["images_sha256"])
    with storage.create(output, settings=settings) as result:
        result.attrs.update(attributes)
        crosses = covariance_file.of_seeds(own.architecture, partners, epochs=epochs)
        covariance_file.write(result, own, passes, crosses=crosses, epochs=epochs)


def _share(batches: Sequence[Batch], number: int, parts: int) -> Sequence[Batch]:
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
