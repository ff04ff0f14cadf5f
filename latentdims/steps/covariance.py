"""Covariances and cross-covariances of representations, in one pass over images in their file.

A pass can be split over jobs, each with a range of the samples, whose sums are merged.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentdims import broken, sizes, storage
from latentdims.comparison import covariance_file
from latentdims.comparison import views as of_networks
from latentdims.comparison.passes import Pass, Views, batches_by_fold, measure
from latentdims.comparison.views import Matches
from latentdims.images import data
from latentdims.models import networks
from latentdims.storage import SPLITS
from latentdims.workflow.checkpoint import Checkpoint, State

logger = logging.getLogger(__name__)


def covariance(
    *,
    images: str | Path,
    network: str | Path,
    partners: Mapping[int, str | Path],
    output: str | Path,
    settings: Mapping[str, Any],
    device: str,
    epochs: str = "ends",
    part: Sequence[int] | None = None,
    code: str = "",
) -> None:
    """Measure the covariances of a network, and its cross-covariances with its partners.

    partners: network files by seed. settings: {seed, network, training, preprocessing} of the
    network; its partners differ only in the seed. epochs: `ends`, the first and the last, or
    `kept`, all with kept weights; then the network at its last epoch is a further partner. part:
    its number and the number of parts, for the sums over a range of the samples, which `merge`
    takes. code: identifies the code; an interrupted pass resumes only with the same code.

    Raises InputError if a network file does not match the settings.
    """
    described = settings if part is None else _of_part(settings, *part)
    with data.opened(images, preprocessing=settings["preprocessing"], device=device) as file:
        loaded = {
            seed: networks.load(path, settings={**settings, "seed": seed}, sha256=file.sha256)
            for seed, path in [*sorted(partners.items()), (settings["seed"], network)]
        }
        own = loaded[settings["seed"]]
        hashes = [storage.sha256(*each.tensors.values()) for each in loaded.values()]
        made_with: dict[str, Any] = {"settings": described, "images": file.sha256}
        made_with |= {"networks": hashes, "epochs": epochs, "code": code}
        made_with |= {"measured": sizes.of(device).measured}
        checkpoint = Checkpoint(output, made_with=made_with, device=device)
        shown = {
            str(index): [
                of_networks.of(each, index, file.splits, device=device) for each in loaded.values()
            ]
            for index in covariance_file.indices(own, epochs)
        }
        if epochs == "kept":
            final = of_networks.of(own, -1, file.splits, device=device)
            shown = {epoch: [*some, final, at] for epoch, (*some, at) in shown.items()}
        by_split = {
            split: {epoch: [each[split] for each in members] for epoch, members in shown.items()}
            for split in file.splits
        }
        passes = passed(by_split, checkpoint, part=part, device=device)
        attributes = {
            "images_sha256": file.sha256,
            "architecture": own.architecture.text(),
        }
    with storage.create(output, settings=described, device=device) as result:
        result.attrs.update(attributes)
        if part is None:
            crosses = covariance_file.of_seeds(own.architecture, sorted(partners), epochs=epochs)
            covariance_file.write(result, own, passes, crosses=crosses, epochs=epochs)
        else:
            for name, values in _state(passes).items():
                result[name] = values
    checkpoint.remove()


def passed(
    views: Mapping[str, Views],
    checkpoint: Checkpoint,
    *,
    matches: Sequence[Matches] | None = None,
    part: Sequence[int] | None = None,
    device: str,
) -> dict[str, Pass]:
    """A pass over the images of each split, which resumes after an interruption.

    views: by split. matches: as in `measure`. part: number of the part, and number of parts.
    """
    passes = _restored(checkpoint.load(), device=device)

    def pause() -> None:
        checkpoint.save_when_due(lambda: _state(passes))

    for split, by_epoch in views.items():
        members = next(iter(by_epoch.values()))
        measure(
            by_epoch,
            matches=matches,
            batches=batches_by_fold(members, part=part or (0, 1)),
            name=f"{split} images",
            so_far=passes[split],
            pause=pause,
        )
    return passes


def merge(
    *,
    parts: Sequence[str | Path],
    network: str | Path,
    partners: Sequence[int],
    output: str | Path,
    settings: Mapping[str, Any],
    epochs: str = "ends",
) -> None:
    """Write the covariances of all samples from the sums over their parts, in order.

    The result equals that of a single pass, up to rounding in float64. Raises InputError if a part
    does not match the settings, or comes from other images than the first.
    """
    passes = {split: Pass() for split in SPLITS}
    attributes: dict[str, Any] = {}
    for number, path in enumerate(parts):
        made_with = _of_part(settings, number, len(parts))
        with storage.read(path, needs=SPLITS, made_with=made_with) as file:
            found = {key: file.attrs[key] for key in ("images_sha256", "architecture")}
            attributes = attributes or found
            if found != attributes:
                broken.refuse(Path(path), f"is of other images than {parts[0]}")
            for split, measured in _restored(storage.arrays(file), device="cpu").items():
                for key, moments in measured.moments.items():
                    passes[split].add(key, moments)
    own = networks.load(network, settings=settings, sha256=attributes["images_sha256"])
    with storage.create(output, settings=settings) as result:
        result.attrs.update(attributes)
        crosses = covariance_file.of_seeds(own.architecture, partners, epochs=epochs)
        covariance_file.write(result, own, passes, crosses=crosses, epochs=epochs)


def _of_part(settings: Mapping[str, Any], number: int, parts: int) -> dict[str, Any]:
    return {**settings, "part": number, "parts": parts}


def _state(passes: Mapping[str, Pass]) -> dict[str, np.ndarray]:
    return {f"{split}/{k}": x for split, each in passes.items() for k, x in each.state().items()}


def _restored(state: State, *, device: str) -> dict[str, Pass]:
    return {
        split: Pass.restored(
            {
                name.removeprefix(f"{split}/"): values
                for name, values in state.items()
                if name.startswith(f"{split}/")
            },
            device=device,
        )
        for split in SPLITS
    }
