"""Training by stochastic gradient descent on images that already are in memory."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latentdims import architectures, data, storage
from latentdims.data import Images, Split
from latentdims.errors import InputError
from latentdims.job import progress
from latentdims.networks import Network, evaluate, initial_weights, torch_generator

logger = logging.getLogger(__name__)


def train(
    *, images: str | Path, output: str | Path, settings: Mapping[str, Any], device: str
) -> None:
    """Train one network, and write its weights and its history to `output`.

    settings: {seed, network, training, preprocessing}, as resolved from the configuration.
    Raises InputError for an architecture that does not fit the images, and for a loss that is not
    finite.
    """
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)
    layers = architectures.layers(
        settings["network"], input_shape=loaded.shape, classes=len(loaded.classes)
    )
    weights = initial_weights(layers, seed=settings["seed"], device=device)
    history: dict[str, list[float]] = {}
    kept: dict[int, dict[str, np.ndarray]] = {}
    epochs = settings["training"]["epochs"]
    keep = {0, *settings["training"]["keep_epochs"], epochs}
    for epoch in descend(Network(layers, weights), loaded.train, settings):
        for split in ("train", "test"):
            loss, accuracy = evaluate(Network(layers, weights), getattr(loaded, split))
            history.setdefault(f"{split}_loss", []).append(loss)
            history.setdefault(f"{split}_accuracy", []).append(accuracy)
        logger.info(
            "epoch %d of %d: %s",
            epoch,
            epochs,
            {key: round(v[-1], 3) for key, v in history.items()},
        )
        if epoch in keep:
            kept[epoch] = {
                name: weight.detach().cpu().contiguous().numpy().copy()
                for name, weight in weights.items()
            }
    _save(output, kept, history, loaded, settings=settings, device=device)


def descend(network: Network, split: Split, settings: Mapping[str, Any]) -> Iterator[int]:
    """Stochastic gradient descent in place; yields 0 before the first epoch, then each that ends.

    settings: {seed, training}; the seed gives the order of the samples.
    """
    options = settings["training"]
    order = torch_generator(settings["seed"], stream=1)
    weights = [weight.requires_grad_() for weight in network.weights.values()]
    optimizer = torch.optim.SGD(
        weights,
        lr=options["learning_rate"],
        momentum=options["momentum"],
        weight_decay=options["weight_decay"],
        fused=True,
    )
    yield 0
    for epoch in progress(range(1, options["epochs"] + 1), name="epochs"):
        losses = []
        for images, labels in _batches(split, size=options["batch_size"], order=order):
            loss = functional.cross_entropy(network.logits(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        _check_losses(torch.stack(losses), epoch=epoch, learning_rate=options["learning_rate"])
        yield epoch


def _batches(split: Split, *, size: int, order: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Every sample once, in a new random order, in batches of a size (the last may be smaller)."""
    permutation = torch.randperm(len(split.labels), generator=order).to(split.labels.device)
    for batch in permutation.split(size):
        yield split.images[batch], split.labels[batch]


def _check_losses(losses: Tensor, *, epoch: int, learning_rate: float) -> None:
    # Once an epoch: reading a loss at every step would make the device wait for the host.
    finite = torch.isfinite(losses)
    if not finite.all():
        step = int((~finite).nonzero()[0].item()) + 1
        raise InputError(
            f"training.learning_rate: the loss is {losses[step - 1].item()} at step {step} of "
            f"epoch {epoch} with learning rate {learning_rate}; give a smaller learning rate"
        )


def _save(
    output: str | Path,
    kept: Mapping[int, Mapping[str, np.ndarray]],
    history: Mapping[str, list[float]],
    images: Images,
    *,
    settings: Mapping[str, Any],
    device: str,
) -> None:
    epochs = sorted(kept)
    with storage.create(output, settings=settings, device=device) as file:
        file.attrs["input_shape"] = json.dumps(images.shape)
        file.attrs["classes"] = len(images.classes)
        file.attrs["images_sha256"] = images.sha256
        storage.write(
            file, "epochs", epochs, units="epochs", description="at which weights were kept"
        )
        for layer in kept[0]:
            storage.write(
                file,
                f"weights/{layer}",
                np.stack([kept[epoch][layer] for epoch in epochs]),
                units="1",
                description="weights, a matrix or kernel for each kept epoch",
                dimensions=("epoch", "out", "in"),
            )
        for name, values in history.items():
            units, what = (
                ("nats", "cross-entropy") if name.endswith("loss") else ("percent", "accuracy")
            )
            storage.write(
                file,
                f"history/{name}",
                np.array(values),
                units=units,
                description=f"{what} after each epoch, the first before training",
                dimensions=("epoch",),
            )
