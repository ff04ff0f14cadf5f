"""The steps of training, which can stop after any step."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from latentdims.errors import InputError
from latentdims.images.data import Split
from latentdims.models.networks import torch_generator
from latentdims.recipes import augmentation
from latentdims.recipes.optimiser import Optimiser
from latentdims.recipes.recipe import learning_rate, steps_per_epoch
from latentdims.recipes.recorded import Recorded
from latentdims.recipes.stack import Stack
from latentdims.workflow.job import progress

logger = logging.getLogger(__name__)


class Descent:
    """The steps of training on the weights of a stack of networks, in place.

    It can stop after any step: another one with its state takes the same further steps. options: of
    `training` in the configuration. seeds: one for each network; they determine the order of its
    samples (stream 1) and their augmentation (stream 2). recorded: whether steps on a GPU are
    recorded; modules of users may differ in what Python does.
    """

    def __init__(
        self,
        stack: Stack,
        options: Mapping[str, Any],
        *,
        seeds: Sequence[int],
        recorded: bool = True,
    ) -> None:
        self._stack, self._options, self._seeds = stack, options, seeds
        self._random = {
            stream: [torch_generator(seed, stream=stream) for seed in seeds] for stream in (1, 2)
        }
        self._noise = torch_generator(seeds[0], stream=3).initial_seed()
        self._starts_of_epoch = self._states()
        self._epoch, self._step = 0, 0  # epochs that are complete, and steps of the next
        self._losses: list[Tensor] = []  # (S,) of each step
        self._optimiser = Optimiser(stack.parameters, options)
        on_gpu = self._optimiser.on_gpu
        self._take = Recorded(self._taken) if recorded and on_gpu else self._taken
        if on_gpu and not recorded:
            logger.info("steps are not recorded as a CUDA graph: the module is of others")

    def steps(
        self,
        split: Split,
        *,
        keep: Collection[int] = (),
        pause: Callable[[], None] = lambda: None,
    ) -> Iterator[int]:
        """Yields the number of steps taken: 0, then each of `keep`, and the end of each epoch.
        `pause` is called at each step."""
        per_epoch = self._per_epoch(split)
        if self._epoch == self._step == 0:
            yield 0
        first, last = self._epoch + 1, self._options["epochs"]
        for epoch in range(first, last + 1):
            self._starts_of_epoch = self._states()
            name = f"epoch {epoch} of {last}, step"
            for images, labels in progress(self._batches(split), name=name, done=self._step):
                # What a module of others draws itself, for dropout for example.
                torch.manual_seed((self._noise + self._epoch * 2**32 + self._step) % 2**63)
                self._optimiser.begin(self._rate(split))
                self._losses.append(self._take(images, labels))
                self._step += 1
                taken = self._epoch * per_epoch + self._step
                if taken in keep and self._step < per_epoch:  # before a checkpoint, which holds it
                    yield taken
                pause()
            self._check_losses()
            self._epoch, self._step, self._losses = epoch, 0, []
            yield epoch * per_epoch

    def _taken(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of every network; returns its losses (S,)."""
        smoothing = self._options["label_smoothing"]
        each = self._stack.losses(images, labels, smoothing=smoothing)
        each.sum().backward()  # each its own weights alone
        self._optimiser.step(self._stack.gradients())
        return each.detach()

    def _rate(self, split: Split) -> float:
        steps = self._per_epoch(split)
        step = self._epoch * steps + self._step
        return learning_rate(self._options, step=step, steps_per_epoch=steps)

    def _per_epoch(self, split: Split) -> int:
        return steps_per_epoch(self._options, images=len(split.labels))

    def _batches(self, split: Split) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (S, B, C, H, W) and labels (S, B): every sample once for each network, in a new
        random order of its own; those of the steps that are done left out."""
        samples, size = len(split.labels), self._options["batch_size"]
        orders = torch.stack([torch.randperm(samples, generator=each) for each in self._random[1]])
        orders = orders.to(split.labels.device)
        changes = self._options["augmentation"]
        drawn = [augmentation.draw(samples, changes, each) for each in self._random[2] if changes]
        for start in range(self._step * size, samples, size):
            batch = orders[:, start : start + size]
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
        """Everything that the next steps depend on. Raises InputError for a loss that is not
        finite."""
        self._check_losses()
        tensors = {name: to_numpy(tensor) for name, tensor in self._stack.tensors.items()}
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


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A copy, contiguous."""
    return tensor.detach().cpu().contiguous().numpy().copy()
