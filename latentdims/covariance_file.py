"""The file of covariances: what is written of the moments of one network."""

from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from latentdims import storage
from latentdims.moments import Moments
from latentdims.networks import Trained
from latentdims.storage import STAGES


def write(
    file: h5py.File,
    network: Trained,
    moments: Mapping[str, Mapping[str, Moments]],
    *,
    seeds: Sequence[int],
) -> None:
    """Write weights, and the moments of every split and layer; the leading axis is that of stages.

    moments: by split, then by `<stage>/<layer>/own` of the network, and `.../cross` with the
    networks of some seeds, side by side.
    """
    _save_weights(file, network)
    for split, measured in moments.items():
        for layer in network.layers:
            keys = [f"{stage}/{layer.name}" for stage in STAGES]
            group = file.create_group(f"{split}/{layer.name}")
            _save_own(group, [measured[f"{key}/own"] for key in keys])
            if seeds:
                _save_cross(group, [measured[f"{key}/cross"] for key in keys], seeds)


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


def _save_own(group: h5py.Group, moments: Sequence[Moments]) -> None:
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
        np.stack([stage.mean_y.cpu().numpy() for stage in moments]),
        units="activation",
        description="mean over rows",
        dimensions=("stage", "channel"),
    )
    own = np.stack([stage.covariance.cpu().numpy() for stage in moments])
    storage.write(
        group,
        "covariance",
        (own + own.transpose(0, 2, 1)) / 2,
        units="activation^2",
        description="covariance over rows, divided by their count, from products in float32; the "
        "second moment is this plus the outer product of the mean",
        dimensions=("stage", "channel", "channel"),
    )


def _save_cross(group: h5py.Group, moments: Sequence[Moments], seeds: Sequence[int]) -> None:
    blocks = np.stack([stage.covariance.cpu().numpy() for stage in moments])
    width = blocks.shape[2] // 2
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
