"""Adoption: from checkpoints of a trained network to a network file."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentdims import sizes
from latentdims.configuration import adopted
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.data import Stored
from latentdims.images.sources import content
from latentdims.models import network_file, networks, outputs, responses
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
    InputError for a file that does not hold the network, or that changed after the run was planned.
    """
    if responses.are_given(settings["network"]):
        _adopt_responses(images, output, files[0], contents[0], settings)
        return
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
        reason = outputs.unscored(network.architecture, len(stored.classes))
        for epoch, path, hashed in zip(epochs, files, contents, strict=True):
            tensors = _tensors(network, asked, epoch, path)
            _check_content(path, hashed)
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
        kept={str(epoch): (epoch, 0) for epoch in epochs},
        steps="unknown, so 0: the network was trained elsewhere",
        history=epochs,
        affine=stored.splits["train"].affine,
        sha256=stored.sha256,
        settings=settings,
        device=device,
        reason=reason,
    )


def _check_content(path: str, hashed: str) -> None:
    if content.content(path) != hashed:
        raise InputError(f"{path}: changed during the run; run the same command again")


def _adopt_responses(
    images: str | Path, output: str | Path, path: str, hashed: str, settings: Mapping[str, Any]
) -> None:
    """The same for responses, which have no accuracy."""
    family = responses.Family.of(settings["network"])
    record: Record = {}
    with data.opened(images, preprocessing=settings["preprocessing"], device="cpu") as stored:
        samples = {split: len(each) for split, each in stored.splits.items()}
        found = family.read(settings["seed"], samples)
        _check_content(path, hashed)
        for split, number in samples.items():
            network_file.measured(record, split, np.full((2, number), np.nan))
            for site in {name.partition("/")[2]: None for name in found}:
                shape = found[f"{split}/{site}"].shape
                logger.info("%s responses of %s: %s", split, site, " x ".join(map(str, shape)))
        network_file.write(
            output,
            record,
            family.describe(image_shape=stored.shape, classes=len(stored.classes)),
            kept={"1": (1, 0)},
            steps="unknown, so 0: responses were brought",
            history=[1],
            affine=stored.splits["train"].affine,
            sha256=stored.sha256,
            answers=found,
            settings=settings,
            device="cpu",
            reason=responses.UNKNOWN,
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
    """As `outputs.by_image`, of images in their file, (2, N); NaN where there is a reason."""
    if reason:
        return np.full((2, len(images)), np.nan)
    labels = torch.from_numpy(images.labels).to(images.device)
    at_once = sizes.of(images.device).images_at_once(network.architecture)
    batches = torch.arange(len(images)).split(at_once)
    found = [outputs.scores(network.logits(images[rows]), labels[rows]) for rows in batches]
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
