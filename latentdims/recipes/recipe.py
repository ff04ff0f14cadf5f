"""How a network is trained: the learning rate of each step, which steps are kept, and which options
go together.

It needs no torch, so that a configuration can be checked before anything starts.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from latentdims.errors import InputError


def learning_rate(options: Mapping[str, Any], *, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 at the start of training.

    options: of `training` in the configuration. The rate rises linearly over the steps of the
    warm-up, whose last step has the full rate. Milestones also count from the start of training;
    `cosine` decreases to 0 over the steps after the warm-up.
    """
    rate: float = options["learning_rate"]
    steps = options["epochs"] * steps_per_epoch
    if options["schedule"] == "one_cycle":
        return _one_cycle(rate, step=step, steps=steps)
    warm_up = round(options["warm_up"] * steps_per_epoch)
    if step < warm_up:
        rate *= (step + 1) / warm_up
    elif options["schedule"] == "cosine":
        return _annealed(rate, 0.0, (step - warm_up) / (steps - warm_up))
    if options["schedule"] == "steps":
        for milestone in options["milestones"]:
            if step >= milestone * steps_per_epoch:
                rate *= options["factor"]
    return rate


def _one_cycle(rate: float, *, step: int, steps: int) -> float:
    """From rate / 25 up to the rate over 30 % of the steps, then down to rate / 250,000.

    torch.optim.lr_scheduler.OneCycleLR with its defaults (Smith and Topin 2019).
    """
    start, peak = rate / 25, 0.3 * steps - 1
    if step <= peak:
        return _annealed(start, rate, step / peak)
    return _annealed(rate, start / 1e4, (step - peak) / (steps - 1 - peak))


def _annealed(start: float, end: float, share: float) -> float:
    """Half a period of the cosine, from `start` at share 0 to `end` at share 1."""
    return end + (start - end) / 2 * (math.cos(math.pi * share) + 1)


def steps_per_epoch(options: Mapping[str, Any], *, images: int) -> int:
    """Number of steps for this many training images; the last batch may be smaller."""
    return -(-images // int(options["batch_size"]))


def kept_steps(options: Mapping[str, Any], *, steps_per_epoch: int) -> list[int]:
    """The steps after which weights are kept, in ascending order: 0, the last, and those of
    `keep_epochs` and `keep_steps`. A fraction of an epoch is rounded to a step."""
    last = options["epochs"] * steps_per_epoch
    asked = options["keep_steps"]
    if asked == "powers_of_two":
        asked = [2**power for power in range(last.bit_length())]
    epochs = [round(epoch * steps_per_epoch) for epoch in options["keep_epochs"]]
    return sorted({0, *asked, *epochs, last})


def check_kept(options: Mapping[str, Any], *, steps_per_epoch: int) -> None:
    """Raise InputError if a step to be kept is after the last one."""
    last = options["epochs"] * steps_per_epoch
    beyond = kept_steps(options, steps_per_epoch=steps_per_epoch)[-1]
    if beyond > last:
        raise InputError(
            f"training.keep_steps: {beyond} is beyond the last step, {last} (epochs: "
            f"{options['epochs']}, each of {steps_per_epoch} steps); remove it, or train longer"
        )


def check(options: Mapping[str, Any]) -> None:
    """Raise InputError for options of `training` that contradict each other.

    Options that the schedule does not use are ignored, so that you can change only the schedule.
    """
    epochs, schedule, warm_up = (options[key] for key in ("epochs", "schedule", "warm_up"))
    if schedule == "steps":
        _check_milestones(options["milestones"], epochs=epochs)
    if warm_up > epochs:
        raise InputError(
            f"training.warm_up: {warm_up:g} epochs are longer than the training, {epochs}; "
            "shorten the warm-up"
        )
    if warm_up and schedule == "one_cycle":
        raise InputError("training.warm_up: one_cycle has its own warm-up; set warm_up: 0")
    if options["nesterov"] and options["optimiser"] != "sgd":
        raise InputError(
            f"training.nesterov: {options['optimiser']} has no Nesterov momentum; set nesterov: "
            "false"
        )
    if options["nesterov"] and not options["momentum"]:
        raise InputError(
            "training.nesterov: it needs momentum, but training.momentum is 0; change one of them"
        )


def _check_milestones(milestones: list[int], *, epochs: int) -> None:
    if not milestones:
        raise InputError(
            "training.milestones: schedule: steps needs at least one epoch, found none; add one"
        )
    for earlier, later in itertools.pairwise(milestones):
        if later <= earlier:
            raise InputError(
                f"training.milestones: found {later} after {earlier}; list epochs in ascending "
                "order, each once"
            )
    if milestones[-1] >= epochs:
        raise InputError(
            f"training.milestones: {milestones[-1]} is not before the last epoch, {epochs}; "
            "take it out, or train longer"
        )
