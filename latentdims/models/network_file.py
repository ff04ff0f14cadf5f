"""The file of a network: its tensors at every epoch that was kept, and how well it did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.images.preprocessing import Affine
from latentdims.models import architecture, networks
from latentdims.models.architecture import Architecture
from latentdims.statistics import folds

# Tensors kept/<epoch>/<name>; history/<measure> (measured,), and history/folds/<measure> (folds,
# measured). Of S networks at once, with a leading axis.
Record = dict[str, NDArray[Any]]
FOLDS = "history/folds/"
UNITS = {"loss": ("nats", "cross-entropy"), "accuracy": ("percent", "accuracy")}


def measured(record: Record, split: str, scores: NDArray[np.float64]) -> None:
    """Add loss and accuracy on a split to a history, those on test images also by fold.

    scores: of each image, as `networks.by_image` has them, (..., 2, N).
    """
    for place, measure in enumerate(("loss", "accuracy")):
        values = scores[..., place, :]
        _append(record, f"history/{split}_{measure}", values.mean(-1))
        if split == "test":
            _append(record, f"{FOLDS}test_{measure}", folds.means(values))


def _append(record: Record, name: str, values: NDArray[np.float64]) -> None:
    """Add what was measured at one epoch, (...), to a history (..., epochs)."""
    values = values[..., None]
    record[name] = np.append(record[name], values, axis=-1) if name in record else values


def write(
    output: str | Path,
    record: Mapping[str, NDArray[Any]],
    described: Architecture,
    *,
    epochs: Mapping[float, int],
    history: Sequence[float],
    affine: Affine,
    sha256: str,
    settings: Mapping[str, Any],
    device: str,
    steps: str = "steps of the descent after which weights were kept",
    reason: str = "",
) -> None:
    """Write the file of one network.

    record: of this network alone. epochs: that were kept, with the number of steps until then,
    which `steps` says in words. history: epochs at which it was measured. affine, sha256: of the
    images that it saw. reason: why its history is undefined, where it is.
    """
    first = f"kept/{next(iter(epochs))}/"
    tensors = sorted(name.removeprefix(first) for name in record if name.startswith(first))
    kept = np.array(list(epochs), dtype=np.float64)
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, described)
        affine.write(file)
        file.attrs["images_sha256"] = sha256
        storage.axis(file, "epoch", kept, units="epochs")
        for name, values, units, what in (
            ("epochs", kept, "epochs", "epochs after which weights were kept"),
            (
                "steps",
                np.array(list(epochs.values()), dtype=np.int64),
                "steps of the descent",
                steps,
            ),
        ):
            storage.write(file, name, values, units=units, description=what, dimensions=("epoch",))
        file.create_group("weights")  # empty, where nothing that is learned is a linear map
        for tensor, name in networks.file_names(described, tensors).items():
            stacked = np.stack([record[f"kept/{epoch}/{tensor}"] for epoch in epochs])
            storage.write(
                file,
                name,
                stacked,
                units="1",
                description=f"{tensor} of the module at each kept epoch",
                dimensions=networks.axes(name, stacked.ndim),
            )
        _write_history(file, record, history, reason)


def _write_history(
    file: h5py.File, record: Mapping[str, NDArray[Any]], epochs: Sequence[float], reason: str
) -> None:
    coordinates = np.array(epochs, dtype=np.float64)
    storage.axis(file.create_group("history"), "epoch", coordinates, units="epochs")
    for name in sorted(name for name in record if name.startswith("history/")):
        unit, what = UNITS[name.rsplit("_", 1)[1]]
        fold = name.startswith(FOLDS)
        storage.write(
            file,
            name,
            record[name],
            units=unit,
            description=f"{what} after each epoch, the first before training"
            + (", on each fold of the test images" if fold else ""),
            dimensions=("fold", "epoch") if fold else ("epoch",),
            reason=reason,
        )
