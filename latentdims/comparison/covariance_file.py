"""The file of covariances: what is written about the moments of one network."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np

from latentdims import storage
from latentdims.comparison.measured import FINAL
from latentdims.comparison.moments import Moments
from latentdims.models import networks
from latentdims.models.architecture import Architecture
from latentdims.models.epochs import ends

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


class Described(Protocol):
    """A network to be written: its sites, and the epochs with known weights."""

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        ...

    @property
    def epochs(self) -> np.ndarray:
        """(E,)."""
        ...

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Learned maps (E, ...) by name."""
        ...


class Cross(NamedTuple):
    """A site of a partner that a site is compared with: the name of the pair in files, the
    partner's group there, and its channels."""

    layer: str
    partner: str
    channels: int


Crosses = Mapping[str, Sequence[Cross]]  # by site of the network, in the order of its moments


def of_seeds(network: Architecture, seeds: Sequence[int], *, epochs: str = "ends") -> Crosses:
    """Pair each site with the same site of networks of other seeds and, if all `kept` epochs are
    measured, of the network itself at its last epoch."""
    partners = [f"seed{seed}" for seed in seeds] + [FINAL] * (epochs == "kept")
    return {
        site.name: [Cross(site.name, partner, site.channels) for partner in partners]
        for site in network.sites
    }


def indices(network: Described, epochs: str) -> list[int]:
    """Indices of the measured epochs of a network file: `ends`, or all that were `kept`."""
    places = range(len(network.epochs))
    chosen = places if epochs == "kept" else (places[end] for end in ends(network.epochs).values())
    return sorted(chosen)


def write(
    file: h5py.File,
    network: Described,
    passes: Mapping[str, ByFold],
    *,
    crosses: Crosses,
    epochs: str,
) -> None:
    """Write weights, and the moments of every split and site at every epoch.

    passes: by split, with moments by `<epoch>/<site>/own` for the network, and `.../cross` with the
    sites of partners, concatenated in the order of crosses.
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
            dimensions=networks.axes(f"weights/{name}", weight.ndim),
        )
    for split, measured in passes.items():
        for site in network.architecture.sites:
            group = file.create_group(f"{split}/{site.name}")
            own = [measured.folds(f"{epoch}/{site.name}/own") for epoch in kept]
            _save_own(group, own, space=len(site.shape) > 1)
            if crosses[site.name]:
                cross = [measured.folds(f"{epoch}/{site.name}/cross") for epoch in kept]
                _save_cross(file.require_group(split), cross, crosses[site.name])


def _save_own(group: h5py.Group, epochs: Sequence[Sequence[Moments]], *, space: bool) -> None:
    """epochs: the moments of each fold, by epoch. space: whether the site has positions."""
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
    split: h5py.Group, epochs: Sequence[Sequence[Moments]], crosses: Sequence[Cross]
) -> None:
    blocks = np.stack([Moments.total(parts).covariance.cpu().numpy() for parts in epochs])
    ends = np.cumsum([each.channels for each in crosses])[:-1]
    for each, block in zip(crosses, np.split(blocks, ends, axis=-2), strict=True):
        storage.write(
            split,
            f"{each.layer}/cross_covariance/{each.partner}",
            block,
            units="activation^2",
            description=f"covariance of the channels of {each.partner} with this network's on the "
            "same image",
            dimensions=("epoch", "channel_partner", "channel"),
        )
