"""The file of covariances: what is written of the moments of one network."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import h5py
import numpy as np

from latentdims import storage
from latentdims.comparison.moments import Moments
from latentdims.models import networks
from latentdims.models.networks import Trained

UNITS = {"count": "1", "mean": "activation", "position_mean": "activation"}
DESCRIPTIONS = {
    "count": "rows: images times positions in space",
    "mean": "mean over rows",
    "position_mean": "mean over images at each position, row by row",
    "covariance": "covariance over rows, divided by their count, from products in float32; the "
    "second moment is this plus the outer product of the mean",
}
AXES = {
    "count": (),
    "mean": ("channel",),
    "position_mean": ("channel", "position"),
    "covariance": ("channel", "channel_2"),
}


class ByFold(Protocol):
    """Moments of the rows of each fold."""

    def folds(self, key: str) -> list[Moments]:
        """Those by `<epoch>/<layer>/<kind>`."""


def indices(network: Trained, epochs: str) -> list[int]:
    """Which of the epochs of a network file are measured: `ends`, or all that were `kept`."""
    last = len(network.epochs) - 1
    return list(range(last + 1)) if epochs == "kept" else [0, last]


def write(
    file: h5py.File,
    network: Trained,
    passes: Mapping[str, ByFold],
    *,
    seeds: Sequence[int],
    epochs: str,
) -> None:
    """Write weights, and the moments of every split and site at every epoch.

    passes: by split, with moments by `<epoch>/<site>/own` of the network, and `.../cross` with the
    networks of some seeds, side by side.
    """
    kept = indices(network, epochs)
    storage.axis(file, "epoch", network.epochs[kept].astype(np.float64))
    file.create_group("weights")  # empty, where none reads a site or the images
    for name, weight in network.weights.items():
        storage.write(
            file,
            f"weights/{name}",
            weight[kept],
            units="1",
            description="weights, so that an alignment needs no other file",
            dimensions=networks.axes("weights/", weight.ndim),
        )
    for split, measured in passes.items():
        for site in network.architecture.sites:
            group = file.create_group(f"{split}/{site.name}")
            own = [measured.folds(f"{epoch}/{site.name}/own") for epoch in kept]
            _save_own(group, own, space=len(site.shape) > 1)
            if seeds:
                cross = [measured.folds(f"{epoch}/{site.name}/cross") for epoch in kept]
                _save_cross(group, cross, seeds, by_fold=split == "test")


def _save_own(group: h5py.Group, epochs: Sequence[Sequence[Moments]], *, space: bool) -> None:
    """epochs: the moments of each fold, by epoch. space: whether there are positions."""
    totals = [_arrays(Moments.total(parts)) for parts in epochs]
    parts = [[_arrays(part) for part in folds] for folds in zip(*epochs, strict=True)]
    for name, axes in AXES.items():
        if name == "position_mean" and not space:
            continue
        for place, leading, values in (
            ("", ("epoch",), [total[name] for total in totals]),
            ("folds/", ("fold", "epoch"), [[each[name] for each in fold] for fold in parts]),
        ):
            storage.write(
                group,
                f"{place}{name}",
                np.array(values),
                units=UNITS.get(name, "activation^2"),
                description=DESCRIPTIONS[name] + (", of each fold of the images" if place else ""),
                dimensions=(*leading, *axes),
            )


def _arrays(moments: Moments) -> dict[str, Any]:
    own = moments.covariance.cpu().numpy()
    return {
        "count": moments.count,
        "mean": moments.mean_y.cpu().numpy(),
        "position_mean": moments.positions.T.cpu().numpy(),
        "covariance": (own + own.T) / 2,
    }


def _save_cross(
    group: h5py.Group,
    epochs: Sequence[Sequence[Moments]],
    seeds: Sequence[int],
    *,
    by_fold: bool,
) -> None:
    totals = [Moments.total(parts).covariance.cpu().numpy() for parts in epochs]
    _save_blocks(group, "", ("epoch",), np.stack(totals), seeds)
    if by_fold:
        folds = [[x.covariance.cpu().numpy() for x in fold] for fold in zip(*epochs, strict=True)]
        _save_blocks(group, "folds/", ("fold", "epoch"), np.array(folds), seeds)


def _save_blocks(
    group: h5py.Group, place: str, leading: Sequence[str], blocks: np.ndarray, seeds: Sequence[int]
) -> None:
    width = blocks.shape[-1]
    for number, seed in enumerate(seeds):
        storage.write(
            group,
            f"{place}cross_covariance/seed{seed}",
            blocks[..., number * width : (number + 1) * width, :],
            units="activation^2",
            description=f"covariance of the channels of seed {seed} with this network's on the "
            "same image",
            dimensions=(*leading, "channel_partner", "channel"),
        )
