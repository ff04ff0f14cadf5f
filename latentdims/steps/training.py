"""Training on images that already are in memory."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from latentdims import storage
from latentdims.images import data
from latentdims.images.data import Images
from latentdims.models import architecture, families, networks
from latentdims.models.architecture import Architecture
from latentdims.models.blocks import set_statistics
from latentdims.recipes import recipe
from latentdims.recipes.descent import Descent, to_numpy
from latentdims.recipes.stack import Stack
from latentdims.statistics import folds
from latentdims.storage import SPLITS
from latentdims.workflow.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

# Of S networks: tensors kept/<step>/<name> (S, ...), history/<measure> (S, epochs), and
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
    loaded = data.load(images, preprocessing=settings["preprocessing"], device=device)
    options = settings["training"]
    per_epoch = recipe.steps_per_epoch(options, images=len(loaded.train.labels))
    recipe.check_kept(options, steps_per_epoch=per_epoch)
    kept = recipe.kept_steps(options, steps_per_epoch=per_epoch)
    seeds = list(outputs)
    stack = Stack([_initial(settings["network"], loaded, seed=seed) for seed in seeds])
    made_with = {"settings": settings, "seeds": seeds, "images": loaded.sha256, "code": code}
    checkpoint = Checkpoint(outputs[seeds[0]], made_with=made_with, device=device)
    descent = Descent(stack, options, seeds=seeds)
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
        _save(
            output,
            own,
            loaded,
            stack.architecture,
            steps=kept,
            per_epoch=per_epoch,
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
    set_statistics(network.module, images.train.images[:SEEN].split(networks.BATCH))
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


def _save(
    output: str | Path,
    record: Mapping[str, np.ndarray],
    images: Images,
    described: Architecture,
    *,
    steps: Sequence[int],
    per_epoch: int,
    settings: Mapping[str, Any],
    device: str,
) -> None:
    """Write the file of one network, from its part of the record.

    steps: that are kept, of so many an epoch.
    """
    first = "kept/0/"
    tensors = sorted(name.removeprefix(first) for name in record if name.startswith(first))
    epochs = np.array(steps) / per_epoch
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, described)
        file.attrs["images_sha256"] = images.sha256
        storage.axis(file, "epoch", epochs, units="epochs")
        for name, values, units in (
            ("epochs", epochs, "epochs"),
            ("steps", np.array(steps, dtype=np.int64), "steps of the descent"),
        ):
            what = f"{units} after which weights were kept"
            storage.write(file, name, values, units=units, description=what, dimensions=("epoch",))
        images.affine.write(file)
        file.create_group("weights")  # empty, where nothing that is learned is a linear map
        for tensor, name in networks.file_names(described, tensors).items():
            values = np.stack([record[f"kept/{step}/{tensor}"] for step in steps])
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
