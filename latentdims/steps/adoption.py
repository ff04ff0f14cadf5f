"""Adoption: networks that others have trained, from checkpoints to the file that training makes."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentdims.configuration import adopted
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.data import Stored
from latentdims.images.sources import content
from latentdims.models import network_file, networks
from latentdims.models.brought import checkpoints
from latentdims.models.network_file import Record
from latentdims.models.networks import Network
from latentdims.storage import SPLITS

logger = logging.getLogger(__name__)


def adopt(
    *,
    images: str | Path,
    output: str | Path,
    files: Sequence[str],
    contents: Sequence[str],
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write the file of a network from its checkpoints, with its accuracy on the images.

    files: one for each epoch of `adopted.kept`. contents: their hashes, as planned. settings:
    {seed, network, checkpoints, preprocessing}, as resolved from the configuration. Raises
    InputError for a file that does not hold the network, or was changed since the run was planned.
    """
    asked = settings["checkpoints"]
    record: Record = {}
    epochs = adopted.kept(asked)
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as stored:
        network = networks.build(
            settings["network"],
            image_shape=stored.shape,
            classes=adopted.classes(asked, len(stored.classes)),
        )
        network.module.to(device)
        reason = networks.unscored(network.architecture, len(stored.classes))
        for epoch, path, hashed in zip(epochs, files, contents, strict=True):
            tensors = _tensors(network, asked, epoch, path)
            if content.content(path) != hashed:
                raise InputError(f"{path}: was changed while the run went on; run it again")
            network.module.load_state_dict(tensors)
            record |= {f"kept/{epoch}/{name}": tensors[name].numpy() for name in tensors}
            for split in SPLITS:
                found = by_image(network, stored.splits[split], reason=reason)
                network_file.measured(record, split, found)
    _log(record, reason)
    network_file.write(
        output,
        record,
        network.architecture,
        epochs=dict.fromkeys(epochs, 0),
        steps="unknown, so 0: the network was trained elsewhere",
        history=epochs,
        affine=stored.splits["train"].affine,
        sha256=stored.sha256,
        settings=settings,
        device=device,
        reason=reason,
    )


def _tensors(
    network: Network, asked: Mapping[str, Any], epoch: float, path: str
) -> checkpoints.Tensors:
    place = asked["trained"] if epoch else asked["untrained"]
    wanted = epoch if epoch == 0 or asked["epochs"] else None
    found = checkpoints.read(path, key=place["key"], prefix=place["prefix"], epoch=wanted)
    return checkpoints.fitted(network.module, found, path=path)


@torch.inference_mode()
def by_image(network: Network, images: Stored, *, reason: str) -> NDArray[np.float64]:
    """As `networks.by_image`, of images in their file, (2, N); NaN where there is a reason."""
    if reason:
        return np.full((2, len(images)), np.nan)
    labels = torch.from_numpy(images.labels).to(images.device)
    batches = torch.arange(len(images)).split(network.architecture.at_once)
    found = [networks.scores(network.logits(images[rows]), labels[rows]) for rows in batches]
    return torch.cat(found, dim=1).cpu().numpy()


def _log(record: Record, reason: str) -> None:
    if reason:
        logger.warning("accuracy of the adopted network: undefined, since %s", reason)
        return
    last = {split: float(record[f"history/{split}_accuracy"][-1]) for split in SPLITS}
    logger.info(
        "accuracy of the adopted network: %.2f %% of test images, %.2f %% of training images",
        last["test"],
        last["train"],
    )
