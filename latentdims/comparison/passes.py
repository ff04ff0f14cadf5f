"""Passes over images: moments of the representations of networks, and of pairs of networks.

Positions are further samples: a convolution's representation (N, C, H, W) is N·H·W rows of C
channels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from latentdims import sizes
from latentdims.comparison.moments import Centred, Moments
from latentdims.comparison.views import Matches, View, Walk, same_sites
from latentdims.statistics import folds
from latentdims.workflow.checkpoint import State
from latentdims.workflow.job import progress

Views = Mapping[str, Sequence[View]]  # by epoch: of the partners, then the own; the same images
Batch = tuple[int, Tensor]  # the fold of some images, and their indices


@dataclass
class Pass:
    """A pass over images: the moments of finished batches, and their number.

    moments: by `<epoch>/<site>/own/<fold>` for the C channels of a network and, over all images as
    one fold, by `.../cross/0` for the concatenated channels of its partners with these.
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
        """A pass from the arrays of `state`; without arrays, a new one."""
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
    name: str = "images",
    so_far: Pass | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Pass:
    """Moments at every site of a network, and with the sites of its partners, at several epochs.

    views: of the partners, then of the network, by epoch. matches: sites that are compared with
    each partner; by default each with the same site. batches: all images by default. so_far: a pass
    to resume. `pause` is called after each batch.
    """
    so_far = so_far or Pass()
    own = next(iter(views.values()))[-1]
    if matches is None:
        matches = [same_sites(own.architecture)] * (len(next(iter(views.values()))) - 1)
    if batches is None:
        batches = batches_by_fold([own])
    done = so_far.done
    for fold, batch in progress(batches[done:], name=f"{name}, batch", done=done):
        for epoch, views_of_epoch in views.items():
            for site, moments, shared in _batch(views_of_epoch, matches, batch):
                so_far.add(f"{epoch}/{site}/own/{fold}", moments)
                if shared is not None:
                    so_far.add(f"{epoch}/{site}/cross/0", shared)
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


def batches_by_fold(views: Sequence[View], *, part: Sequence[int] = (0, 1)) -> list[Batch]:
    """The images that several views share, in one fixed random order, fold by fold. Each batch is
    within one fold, and small enough for all views.

    part: which of how many parts. Jobs on other devices take the same images in fewer batches.
    """
    largest = max(view.architecture.largest for view in views)
    most, few = (
        max(1, each.measured // largest) for each in (sizes.of(views[-1].device), sizes.CPU)
    )
    order = torch.randperm(len(views[-1]), generator=torch.Generator().manual_seed(0))
    fold = torch.from_numpy(folds.of(len(order)))[order]
    found = []
    for number in range(int(fold.max()) + 1):
        members = order[fold == number]
        found += [(number, batch) for batch in members.tensor_split(-(-len(members) // few))]
    start, stop = (at * len(found) // part[1] for at in (part[0], part[0] + 1))
    return _joined(found[start:stop], most)


def _joined(batches: Sequence[Batch], most: int) -> list[Batch]:
    """Batches of the same fold that follow one another as one, of so many images at most."""
    joined: list[Batch] = []
    for fold, batch in batches:
        if joined and joined[-1][0] == fold and len(joined[-1][1]) + len(batch) <= most:
            batch = torch.cat([joined.pop()[1], batch])
        joined.append((fold, batch))
    return joined
