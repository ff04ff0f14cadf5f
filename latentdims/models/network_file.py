"""The file of a network: its tensors at every kept epoch, and its scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.images.preprocessing import Affine
from latentdims.models import architecture, networks, responses
from latentdims.models.architecture import Architecture
from latentdims.statistics import folds

# Tensors kept/<when>/<name>; history/<measure> (measured,), and history/folds/<measure> (folds,
# measured). Of S networks at once, with a leading axis.
Record = dict[str, NDArray[Any]]
FOLDS = "history/folds/"
UNITS = {"loss": ("nats", "cross-entropy"), "accuracy": ("percent", "accuracy")}


def measured(record: Record, split: str, scores: NDArray[np.float64]) -> None:
    """Add loss and accuracy on a split to a history, for test images also by fold.

    scores: of each image, from `outputs.by_image`, (..., 2, N).
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
    kept: Mapping[str, tuple[float, int]],
    history: Sequence[float],
    affine: Affine,
    sha256: str,
    settings: Mapping[str, Any],
    device: str,
    answers: Mapping[str, NDArray[np.float32]] | None = None,
    steps: str = "steps of the descent after which weights were kept",
    reason: str = "",
) -> None:
    """Write the file of one network.

    record: of this network. kept: epoch and number of steps of each entry of the record; `steps`
    describes them in words. history: epochs with scores. affine, sha256: of the images that it saw.
    answers: responses, for a network without weights, as in `responses.write`. reason: why its
    history is undefined, if it is.
    """
    first = f"kept/{next(iter(kept))}/"
    tensors = sorted(name.removeprefix(first) for name in record if name.startswith(first))
    epochs = np.array([epoch for epoch, _ in kept.values()], dtype=np.float64)
    taken = np.array([number for _, number in kept.values()], dtype=np.int64)
    with storage.create(output, settings=settings, device=device) as file:
        architecture.write(file, described)
        affine.write(file)
        file.attrs["images_sha256"] = sha256
        storage.axis(file, "epoch", epochs, units="epochs")
        for name, values, units, what in (
            ("epochs", epochs, "epochs", "epochs after which weights were kept"),
            ("steps", taken, "steps of the descent", steps),
        ):
            storage.write(file, name, values, units=units, description=what, dimensions=("epoch",))
        file.create_group("weights")  # empty, where nothing that is learned is a linear map
        for tensor, name in networks.file_names(described, tensors).items():
            stacked = np.stack([record[f"kept/{when}/{tensor}"] for when in kept])
            storage.write(
                file,
                name,
                stacked,
                units="1",
                description=f"{tensor} of the module at each kept epoch",
                dimensions=networks.axes(name, stacked.ndim),
            )
        responses.write(file, answers or {})
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
