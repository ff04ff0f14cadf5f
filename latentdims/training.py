"""Training on images that already are in memory."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np
import torch
from torch import Tensor

from latentdims import architecture, augmentation, data, folds, networks, storage
from latentdims.architecture import Architecture
from latentdims.blocks import set_statistics
from latentdims.data import Images, Split
from latentdims.errors import InputError
from latentdims.networks import torch_generator
from latentdims.optimiser import Optimiser
from latentdims.recipe import learning_rate
from latentdims.stack import Stack
from latentdims.storage import SPLITS
from latentdims.workflow.checkpoint import Checkpoint
from latentdims.workflow.job import progress

logger = logging.getLogger(__name__)

# Of S networks: tensors kept/<epoch>/<name> (S, ...), history/<measure> (S, epochs), and
# history/folds/<measure> (S, folds, epochs).
Record = dict[str, np.ndarray]
FOLDS = "history/folds/"
SEEN = 2000  # images whose statistics the norms of an untrained network have


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
    names the code that runs; an interrupted training resumes only under the same code.
    Raises InputError for an architecture that does not fit the images, and for a loss that is not
    finite.
    """
    train_together(
        images=images,
        outputs={settings["seed"]: output},
        settings={key: settings[key] for key in settings if key != "seed"},
        device=device,
        code=code,
    )


def train_together(
    *,
    images: str | Path,
    outputs: Mapping[int, str | Path],
    settings: Mapping[str, Any],
    device: str,
    code: str = "",
) -> None:
    """Train networks that differ in their seed alone, all in each step, and write a file of each.

    outputs: by seed. settings: {network, training, preprocessing}. Each network takes the steps
    that it takes alone, up to the rounding of sums in float32; a single one, to the bit. Raises
    what `train` does, naming the seed of a loss that is not finite.
    """
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)
    seeds = list(outputs)
    stack = Stack([_initial(settings["network"], loaded, seed=seed) for seed in seeds])
    made_with = {"settings": settings, "seeds": seeds, "images": loaded.sha256, "code": code}
    checkpoint = Checkpoint(outputs[seeds[0]], made_with=made_with, device=device)
    descent = Descent(stack, settings["training"], seeds=seeds)
    record: Record = {}
    if state := checkpoint.load():
        descent.restore(state)
        record = {name: state[name] for name in state if name.startswith(("kept/", "history/"))}

    def pause() -> None:
        checkpoint.save_when_due(lambda: {**descent.state(), **record})

    epochs = settings["training"]["epochs"]
    keep = {0, *settings["training"]["keep_epochs"], epochs}
    for epoch in descent.epochs(loaded.train, pause=pause):
        _measure(stack, loaded, record)
        if epoch:
            descent.check({name: record[name] for name in record if name.startswith("history/")})
        _log(record, f"epoch {epoch} of {epochs}", seeds=seeds)
        if epoch in keep:
            for name, tensor in stack.tensors.items():
                record[f"kept/{epoch}/{name}"] = _numpy(tensor)
    for index, (seed, output) in enumerate(outputs.items()):
        own = {name: values[index] for name, values in record.items()}
        made = {**settings, "seed": seed}
        _save(
            output,
            own,
            loaded,
            stack.architecture,
            epochs=sorted(keep),
            settings=made,
            device=device,
        )
    checkpoint.remove()


def _initial(settings: Mapping[str, Any], images: Images, *, seed: int) -> networks.Network:
    """The network that training begins with; its norms have statistics of training images."""
    network = networks.initial(
        settings,
        image_shape=images.shape,
        classes=len(images.classes),
        seed=seed,
        device=str(images.train.images.device),
    )
    set_statistics(network.module, images.train.images[:SEEN])
    return network


def _measure(stack: Stack, images: Images, record: Record) -> None:
    """Add loss and accuracy of each network on both splits to its history, those on test images
    also by fold."""
    for split in SPLITS:
        found = stack.by_image(getattr(images, split)).cpu().numpy()  # (S, 2, N)
        for measure, values in zip(("loss", "accuracy"), found.swapaxes(0, 1), strict=True):
            _append(record, f"history/{split}_{measure}", values.mean(1))
            if split == "test":
                _append(record, f"{FOLDS}test_{measure}", folds.means(values))


def _append(record: Record, name: str, values: np.ndarray) -> None:
    """Add what was measured at one epoch, (S, ...), to a history (S, ..., epochs)."""
    values = values[..., None]
    record[name] = np.append(record[name], values, axis=-1) if name in record else values


def _log(record: Record, epoch: str, *, seeds: Sequence[int]) -> None:
    history = [name for name in record if name.startswith("history/") and FOLDS not in name]
    for index, seed in enumerate(seeds):
        last = {
            name.removeprefix("history/"): round(float(record[name][index, -1]), 3)
            for name in history
        }
        logger.info("seed %d, %s: %s", seed, epoch, last)


class Descent:
    """The steps of training on the weights of a stack of networks, in place.

    It can be stopped after any step: another one, given its state, takes the same steps from there.
    options: of `training` in the configuration. seeds: one for each network, which gives the order
    of its samples (stream 1) and how they are changed (stream 2).
    """

    def __init__(self, stack: Stack, options: Mapping[str, Any], *, seeds: Sequence[int]) -> None:
        self._stack, self._options, self._seeds = stack, options, seeds
        self._random = {
            stream: [torch_generator(seed, stream=stream) for seed in seeds] for stream in (1, 2)
        }
        self._starts_of_epoch = self._states()
        self._epoch, self._step = 0, 0  # epochs that are complete, and steps of the next
        self._losses: list[Tensor] = []  # (S,) of each step
        self._optimiser = Optimiser(stack.parameters, options)

    def epochs(self, split: Split, *, pause: Callable[[], None] = lambda: None) -> Iterator[int]:
        """Yields 0 before the first epoch, then each that ends; `pause` is called at each step."""
        if self._epoch == self._step == 0:
            yield 0
        first, last = self._epoch + 1, self._options["epochs"]
        smoothing = self._options["label_smoothing"]
        for epoch in range(first, last + 1):
            self._starts_of_epoch = self._states()
            name = f"epoch {epoch} of {last}, step"
            for images, labels in progress(self._batches(split), name=name, done=self._step):
                each = self._stack.losses(images, labels, smoothing=smoothing)
                each.sum().backward()  # each its own weights alone
                self._optimiser.step(self._stack.gradients(), self._rate(split))
                self._losses.append(each.detach())
                self._step += 1
                pause()
            self._check_losses()
            self._epoch, self._step, self._losses = epoch, 0, []
            yield epoch

    def _rate(self, split: Split) -> float:
        steps = -(-len(split.labels) // self._options["batch_size"])
        step = self._epoch * steps + self._step
        return learning_rate(self._options, step=step, steps_per_epoch=steps)

    def _batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (S, B, C, H, W) and labels (S, B): every sample once for each network, in a new
        random order of its own; those of the steps that are done left out."""
        samples, size = len(split.labels), self._options["batch_size"]
        orders = torch.stack([torch.randperm(samples, generator=each) for each in self._random[1]])
        changes = self._options["augmentation"]
        drawn = [augmentation.draw(samples, changes, each) for each in self._random[2] if changes]
        for start in range(self._step * size, samples, size):
            batch = orders[:, start : start + size].to(split.labels.device)
            images = split.images[batch]
            if changes:
                how = torch.cat([each[:, start : start + size] for each in drawn], dim=1)
                images = augmentation.moved(images.flatten(0, 1), how).view(images.shape)
            yield images, split.labels[batch]

    def _states(self) -> Tensor:
        """(2, S, bytes): of the generators of both streams."""
        return torch.stack(
            [torch.stack([each.get_state() for each in some]) for some in self._random.values()]
        )

    def state(self) -> dict[str, np.ndarray]:
        """All that the next steps depend on. Raises InputError for a loss that is not finite."""
        self._check_losses()
        tensors = {name: _numpy(tensor) for name, tensor in self._stack.tensors.items()}
        self.check(tensors)
        return {
            "descent/done": np.array([self._epoch, self._step]),
            "descent/starts_of_epoch": self._starts_of_epoch.numpy(),
            **{f"descent/tensors/{name}": values for name, values in tensors.items()},
            **{f"descent/optimiser/{n}": values for n, values in self._optimiser.state().items()},
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Resume from a state."""
        self._epoch, self._step = state["descent/done"].tolist()
        starts = state["descent/starts_of_epoch"]
        for some, states in zip(self._random.values(), starts, strict=True):
            for each, start in zip(some, states, strict=True):
                each.set_state(torch.from_numpy(start))  # which must begin its own memory
        for name, tensor in self._stack.tensors.items():
            tensor.copy_(torch.from_numpy(state[f"descent/tensors/{name}"]))
        place = "descent/optimiser/"
        self._optimiser.restore(
            {name.removeprefix(place): x for name, x in state.items() if name.startswith(place)}
        )

    def _check_losses(self) -> None:
        # Once an epoch: reading a loss at every step would make the device wait for the host.
        taken = torch.stack(self._losses).cpu() if self._losses else torch.zeros(0, 1)  # (steps, S)
        for first, index in (~torch.isfinite(taken)).nonzero()[:1].tolist():
            step = self._step - len(taken) + first + 1
            when = f"step {step} of epoch {self._epoch + 1}"
            self._diverged("the loss", index, f"{taken[first, index].item()} at {when}")

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Raise InputError where what was made of the networks, (S, ...) by name, is not finite."""
        for name, values in arrays.items():
            for index in range(len(self._seeds)):
                if not np.isfinite(values[index]).all():
                    self._diverged(name, index, "not finite")

    def _diverged(self, what: str, index: int, found: str) -> NoReturn:
        raise InputError(
            f"training.learning_rate: {what} of seed {self._seeds[index]} is {found} with "
            f"learning rate {self._options['learning_rate']}; give a smaller one"
        )


def _numpy(weight: Tensor) -> np.ndarray:
    return weight.detach().cpu().contiguous().numpy().copy()


def _save(
    output: str | Path,
    record: Mapping[str, np.ndarray],
    images: Images,
    described: Architecture,
    *,
    epochs: Sequence[int],
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write the file of one network, from its part of the record."""
    first = "kept/0/"
    tensors = sorted(name.removeprefix(first) for name in record if name.startswith(first))
    steps = -(-len(images.train.labels) // settings["training"]["batch_size"])  # of an epoch
    kept = np.array(epochs, dtype=np.float64)
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, described)
        file.attrs["images_sha256"] = images.sha256
        storage.axis(file, "epoch", kept, units="epochs")
        for name, values, units in (
            ("epochs", kept, "epochs"),
            ("steps", np.rint(kept * steps).astype(np.int64), "steps of the descent"),
        ):
            what = f"{units} after which weights were kept"
            storage.write(file, name, values, units=units, description=what, dimensions=("epoch",))
        for tensor, name in networks.file_names(described, tensors).items():
            values = np.stack([record[f"kept/{epoch}/{tensor}"] for epoch in epochs])
            storage.write(
                file,
                name,
                values,
                units="1",
                description=f"{tensor} of the module at each kept epoch",
                dimensions=networks.axes(name, values.ndim),
            )
        _save_history(file, record)


def _save_history(file: h5py.File, record: Mapping[str, np.ndarray]) -> None:
    units = {"loss": ("nats", "cross-entropy"), "accuracy": ("percent", "accuracy")}
    epochs = np.arange(record["history/test_loss"].shape[-1], dtype=np.float64)
    storage.axis(file.create_group("history"), "epoch", epochs, units="epochs")
    for name in sorted(name for name in record if name.startswith("history/")):
        unit, what = units[name.rsplit("_", 1)[1]]
        fold = name.startswith(FOLDS)
        storage.write(
            file,
            name,
            record[name],
            units=unit,
            description=f"{what} after each epoch, the first before training"
            + (", on each fold of the test images" if fold else ""),
            dimensions=("fold", "epoch") if fold else ("epoch",),
        )
