"""Training by stochastic gradient descent on images that already are in memory."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from latentdims import architectures, data, storage
from latentdims.checkpoint import Checkpoint
from latentdims.data import Images, Split
from latentdims.errors import InputError
from latentdims.job import progress
from latentdims.networks import Network, evaluate, initial_weights, torch_generator
from latentdims.storage import SPLITS

logger = logging.getLogger(__name__)


def train(
    *,
    images: str | Path,
    output: str | Path,
    settings: Mapping[str, Any],
    device: str,
    code: str = "",
) -> None:
    """Train one network, and write its weights and its history to `output`.

    settings: {seed, network, training, preprocessing}, as resolved from the configuration. code:
    names the code that runs; a training that was stopped goes on under the same code alone.
    Raises InputError for an architecture that does not fit the images, and for a loss that is not
    finite.
    """
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)
    layers = architectures.layers(
        settings["network"], input_shape=loaded.shape, classes=len(loaded.classes)
    )
    weights = initial_weights(layers, seed=settings["seed"], device=device)
    network = Network(layers, weights)
    made_with = {"settings": settings, "images": loaded.sha256, "code": code}
    checkpoint = Checkpoint(output, made_with=made_with, device=device)
    descent = Descent(network, settings)
    kept: dict[str, np.ndarray] = {}
    history: dict[str, np.ndarray] = {}
    if state := checkpoint.load():
        descent.restore(state)
        kept = {name: state[name] for name in state if name.startswith("kept/")}
        history = {name: state[name] for name in state if name.startswith("history/")}

    def pause() -> None:
        checkpoint.save_when_due(lambda: {**descent.state(), **kept, **history})

    epochs = settings["training"]["epochs"]
    keep = {0, *settings["training"]["keep_epochs"], epochs}
    for epoch in descent.epochs(loaded.train, pause=pause):
        for name, value in _measures(network, loaded).items():
            history[name] = np.append(history.get(name, np.empty(0)), value)
        logger.info(
            "epoch %d of %d: %s",
            epoch,
            epochs,
            {name.removeprefix("history/"): round(v[-1], 3) for name, v in history.items()},
        )
        if epoch in keep:
            for name, weight in weights.items():
                kept[f"kept/{epoch}/{name}"] = _numpy(weight)
    _save(output, kept, history, loaded, epochs=sorted(keep), settings=settings, device=device)
    checkpoint.remove()


def _measures(network: Network, images: Images) -> dict[str, float]:
    found: dict[str, float] = {}
    for split in SPLITS:
        loss, accuracy = evaluate(network, getattr(images, split))
        found |= {f"history/{split}_loss": loss, f"history/{split}_accuracy": accuracy}
    return found


class Descent:
    """Stochastic gradient descent on the weights of a network, in place.

    It can be stopped after any step: another one, given its state, takes the same steps from there.
    settings: {seed, training}; the seed gives the order of the samples.
    """

    def __init__(self, network: Network, settings: Mapping[str, Any]) -> None:
        options = settings["training"]
        self._network, self._options = network, options
        self._order = torch_generator(settings["seed"], stream=1)
        self._start_of_epoch = self._order.get_state()
        self._epoch, self._step = 0, 0  # epochs that are complete, and steps of the next
        self._losses: list[Tensor] = []
        self._optimizer = torch.optim.SGD(
            [weight.requires_grad_() for weight in network.weights.values()],
            lr=options["learning_rate"],
            momentum=options["momentum"],
            weight_decay=options["weight_decay"],
            fused=True,
        )

    def epochs(self, split: Split, *, pause: Callable[[], None] = lambda: None) -> Iterator[int]:
        """Yields 0 before the first epoch, then each that ends; `pause` is called at each step."""
        if self._epoch == self._step == 0:
            yield 0
        first, last = self._epoch + 1, self._options["epochs"]
        for epoch in progress(range(first, last + 1), name="epochs"):
            self._start_of_epoch = self._order.get_state()
            for images, labels in self._batches(split):
                loss = functional.cross_entropy(self._network.logits(images), labels)
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()
                self._losses.append(loss.detach())
                self._step += 1
                pause()
            self._check_losses()
            self._epoch, self._step, self._losses = epoch, 0, []
            yield epoch

    def _batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Every sample once, in a new random order; those of the steps that are done left out."""
        permutation = torch.randperm(len(split.labels), generator=self._order)
        batches = permutation.to(split.labels.device).split(self._options["batch_size"])
        for batch in batches[self._step :]:
            yield split.images[batch], split.labels[batch]

    def state(self) -> dict[str, np.ndarray]:
        """All that the next steps depend on. Raises InputError for a loss that is not finite."""
        self._check_losses()
        arrays = {
            "descent/done": np.array([self._epoch, self._step]),
            "descent/start_of_epoch": self._start_of_epoch.numpy(),
        }
        for name, weight in self._network.weights.items():
            arrays[f"descent/weights/{name}"] = _numpy(weight)
            momentum = self._optimizer.state[weight].get("momentum_buffer")
            if momentum is not None:
                arrays[f"descent/momentum/{name}"] = _numpy(momentum)
        return arrays

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state."""
        self._epoch, self._step = state["descent/done"].tolist()
        self._order.set_state(torch.from_numpy(state["descent/start_of_epoch"]))
        for name, weight in self._network.weights.items():
            with torch.no_grad():
                weight.copy_(torch.from_numpy(state[f"descent/weights/{name}"]))
            if f"descent/momentum/{name}" in state:
                momentum = torch.empty_like(weight)
                momentum.copy_(torch.from_numpy(state[f"descent/momentum/{name}"]))
                self._optimizer.state[weight]["momentum_buffer"] = momentum

    def _check_losses(self) -> None:
        # Once an epoch: reading a loss at every step would make the device wait for the host.
        finite = torch.isfinite(torch.stack(self._losses)) if self._losses else torch.ones(1)
        if not finite.all():
            first = int((~finite).nonzero()[0].item())
            step = self._step - len(self._losses) + first + 1
            rate = self._options["learning_rate"]
            raise InputError(
                f"training.learning_rate: the loss is {self._losses[first].item()} at step {step} "
                f"of epoch {self._epoch + 1} with learning rate {rate}; give a smaller one"
            )


def _numpy(weight: Tensor) -> np.ndarray:
    return weight.detach().cpu().contiguous().numpy().copy()


def _save(
    output: str | Path,
    kept: Mapping[str, np.ndarray],
    history: Mapping[str, np.ndarray],
    images: Images,
    *,
    epochs: Sequence[int],
    settings: Mapping[str, Any],
    device: str,
) -> None:
    layers = [name.removeprefix("kept/0/") for name in sorted(kept) if name.startswith("kept/0/")]
    with storage.create(output, settings=settings, device=device) as file:
        file.attrs["input_shape"] = json.dumps(images.shape)
        file.attrs["classes"] = len(images.classes)
        file.attrs["images_sha256"] = images.sha256
        storage.write(
            file, "epochs", epochs, units="epochs", description="at which weights were kept"
        )
        for layer in layers:
            storage.write(
                file,
                f"weights/{layer}",
                np.stack([kept[f"kept/{epoch}/{layer}"] for epoch in epochs]),
                units="1",
                description="weights, a matrix or kernel for each kept epoch",
                dimensions=("epoch", "out", "in"),
            )
        for name, values in sorted(history.items()):
            units, what = (
                ("nats", "cross-entropy") if name.endswith("loss") else ("percent", "accuracy")
            )
            storage.write(
                file,
                name,
                values,
                units=units,
                description=f"{what} after each epoch, the first before training",
                dimensions=("epoch",),
            )
