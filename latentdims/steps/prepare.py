"""Images of a data set: from their source to one HDF5 file."""

import json
import logging
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.errors import InputError
from latentdims.images import selection
from latentdims.images.collection import Collection, Part
from latentdims.images.data import ARRAYS

LISTED = 50  # classes whose images are counted one by one in the log

logger = logging.getLogger(__name__)


def prepare(
    *,
    output: str | Path,
    source: Mapping[str, Any],
    files: Sequence[str] = (),
    cores: int = 1,
) -> None:
    """Write the file of images of a source.

    source: its settings, such as {source: embedded, train_samples: 8000, seed: 0}. files: the local
    files that it reads. cores: number of cores that decode images. `classes` and `labels` of any
    source are as in `selection`.

    Writes `train/images` uint8 (N, C, H, W), `train/labels` int64 (N,), the same for `test`, and
    `classes`, names by label; root attributes `source` (JSON) and `sha256` (of the four arrays in
    that order). Images are written part by part. The log ends with the number of images in each
    class. If there are more images of these classes than `train_samples` or `test_samples`, they
    are drawn at random.

    Raises InputError if its files cannot be used, hold fewer images, or lack a class.
    """
    # Each source is imported by name alone, so that its code counts for its own data sets only.
    reader = import_module(f"latentdims.images.sources.{source['source']}")
    with (
        reader.opened(source, files, cores=cores) as whole,
        storage.create(output, settings=dict(source)) as file,
    ):
        file.attrs["source"] = json.dumps(dict(source), sort_keys=True)
        collection = selection.selected(whole, source)
        wanted, labels = {}, {}
        for split, there in collection.labels.items():
            wanted[split] = _wanted(split, len(there), source)
            labels[split] = selection.labelled(there[wanted[split]], split, source)
        _make_room(file, collection, labels)
        for part in collection.parts(wanted):
            _write(file[f"{part.split}/images"], part, wanted[part.split])
        file.attrs["sha256"] = storage.sha256(*(file[name] for name in ARRAYS))
    for split, of_split in labels.items():
        logger.info("%s", _counts(split, of_split, collection.classes))
    if source.get("labels") == selection.SHUFFLED:
        logger.info("labels are shuffled")


def _make_room(
    file: h5py.File, collection: Collection, labels: Mapping[str, NDArray[np.int64]]
) -> None:
    """Write all but the images."""
    storage.write(
        file,
        "classes",
        np.array(collection.classes, dtype=object),
        units="name",
        description="names of the classes, by label",
        dimensions=("class",),
    )
    for split in storage.SPLITS:
        storage.room(
            file,
            f"{split}/images",
            (len(labels[split]), *collection.shape),
            np.uint8,
            units="intensity, 0 to 255",
            description=f"images of the {split} split",
            dimensions=("sample", "channel", "height", "width"),
        )
        storage.write(
            file,
            f"{split}/labels",
            labels[split],
            units="index of the class",
            description=f"labels of the {split} split",
            dimensions=("sample",),
        )


def _write(stored: h5py.Dataset, part: Part, wanted: NDArray[np.bool_]) -> None:
    """Write the images of a part that are wanted, each run of neighbours at once."""
    kept = np.flatnonzero(wanted[part.samples])
    kept = kept[np.argsort(part.samples[kept])]
    places = np.cumsum(wanted)[part.samples[kept]] - 1  # ascending
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    for run, chosen in zip(np.split(places, breaks), np.split(kept, breaks), strict=True):
        if len(run):
            stored[run[0] : run[-1] + 1] = part.images[chosen]


def _wanted(split: str, there: int, source: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Whether each of the images that are there is kept, (there,)."""
    asked = source.get(f"{split}_samples")
    wanted = np.ones(there, dtype=bool)
    if asked is None or asked == there:
        return wanted
    if asked > there:
        raise InputError(
            f"{split}_samples: asks for {asked} images, but there are {there}; give at most {there}"
        )
    stream = storage.SPLITS.index(split)
    wanted[np.random.default_rng([0, stream]).permutation(there)[asked:]] = False
    return wanted


def _counts(split: str, labels: NDArray[np.generic], classes: Sequence[str]) -> str:
    """How many images a split has of each class."""
    counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
    total = f"{split}: {len(labels)} images of {len(classes)} classes"
    if len(classes) > LISTED:
        return f"{total}, {counts.min()} to {counts.max()} of each"
    each = zip(classes, counts, strict=True)
    return f"{total}: {', '.join(f'{name} {count}' for name, count in each)}"
