"""Training, on images in memory or, where they are too many, in their file."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from latentdims import sizes
from latentdims.images import data
from latentdims.images.data import Images
from latentdims.models import families, network_file, networks
from latentdims.models.blocks import set_statistics
from latentdims.models.network_file import FOLDS, Record
from latentdims.recipes import recipe
from latentdims.recipes.descent import Descent, to_numpy
from latentdims.recipes.stack import Stack
from latentdims.storage import SPLITS
from latentdims.workflow.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

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
    Raises InputError for an architecture that does not fit the images, for a step to be kept that
    is beyond the last, and for a loss that is not finite.
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
    that it takes alone, up to the rounding of sums in float32; a single one, to the bit. Modules
    that others have written are trained one after the other. Raises what `train` does, naming the
    seed of a loss that is not finite.
    """
    if len(outputs) > 1 and families.is_brought(settings["network"]):
        for seed, output in outputs.items():
            made = {**settings, "seed": seed}
            train(images=images, output=output, settings=made, device=device, code=code)
        return
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as stored:
        _train(stored.images(), outputs, settings, device=device, code=code)


def _train(
    loaded: Images,
    outputs: Mapping[int, str | Path],
    settings: Mapping[str, Any],
    *,
    device: str,
    code: str,
) -> None:
    options = settings["training"]
    per_epoch = recipe.steps_per_epoch(options, images=len(loaded.train.labels))
    recipe.check_kept(options, steps_per_epoch=per_epoch)
    kept = recipe.kept_steps(options, steps_per_epoch=per_epoch)
    seeds = list(outputs)
    stack = Stack([_initial(settings["network"], loaded, seed=seed) for seed in seeds])
    made_with = {"settings": settings, "seeds": seeds, "images": loaded.sha256, "code": code}
    checkpoint = Checkpoint(outputs[seeds[0]], made_with=made_with, device=device)
    known = not families.is_brought(settings["network"])
    descent = Descent(stack, options, seeds=seeds, recorded=known)
    record: Record = {}
    if state := checkpoint.load():
        descent.restore(state)
        record = {name: state[name] for name in state if name.startswith(("kept/", "history/"))}

    def pause() -> None:
        checkpoint.save_when_due(lambda: {**descent.state(), **record})

    for step in descent.steps(loaded.train, keep=kept, pause=pause):
        epoch, within = divmod(step, per_epoch)
        if not within:
            _measure(stack, loaded, record)
            if step:
                found = {name: record[name] for name in record if name.startswith("history/")}
                descent.check(found)
            _log(record, f"epoch {epoch} of {options['epochs']}", seeds=seeds)
        if step in kept:
            for name, tensor in stack.tensors.items():
                record[f"kept/{step}/{name}"] = to_numpy(tensor)
    for index, (seed, output) in enumerate(outputs.items()):
        own = {name: values[index] for name, values in record.items()}
        made = {**settings, "seed": seed}
        network_file.write(
            output,
            own,
            stack.architecture,
            kept={str(step): (step / per_epoch, step) for step in kept},
            history=range(options["epochs"] + 1),
            affine=loaded.affine,
            sha256=loaded.sha256,
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
    seen = images.train.chosen(torch.arange(min(SEEN, len(images.train.labels))))
    at_once = sizes.of(seen.labels.device).images_at_once(network.architecture)
    set_statistics(network.module, seen.images.split(at_once))
    return network


def _measure(stack: Stack, images: Images, record: Record) -> None:
    """Add loss and accuracy of each network on both splits to its history."""
    for split in SPLITS:
        found = stack.by_image(getattr(images, split)).cpu().numpy()  # (S, 2, N)
        network_file.measured(record, split, found)


def _log(record: Record, epoch: str, *, seeds: Sequence[int]) -> None:
    history = [name for name in record if name.startswith("history/") and FOLDS not in name]
    for index, seed in enumerate(seeds):
        last = {
            name.removeprefix("history/"): round(float(record[name][index, -1]), 3)
            for name in history
        }
        logger.info("seed %d, %s: %s", seed, epoch, last)
