"""Images of a data set: from their source to one HDF5 file."""

import json
import logging
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.errors import InputError
from latentdims.images.data import ARRAYS

LISTED = 50  # classes whose images are counted one by one in the log

logger = logging.getLogger(__name__)


def prepare(*, output: str | Path, source: Mapping[str, Any], files: Sequence[str] = ()) -> None:
    """Write the file of images of a source.

    source: its settings, such as {source: embedded, train_samples: 8000, seed: 0}. files: the
        local files that it reads.
    Writes `train/images` uint8 (N, C, H, W), `train/labels` int64 (N,), the same for `test`, and
    `classes`, names by label; root attributes `source` (JSON) and `sha256` (of the four arrays in
    that order). The log ends with the images of each class.
    Of more images than `train_samples` and `test_samples` ask for, some are drawn at random.
    Raises InputError where its files cannot be used, or hold fewer.
    """
    # Each source is imported by name alone, so that its code counts for its own data sets only.
    reader = import_module(f"latentdims.images.sources.{source['source']}")
    arrays, classes = reader.from_settings(source, files)
    arrays = {name: values[_kept(name, arrays, source)] for name, values in arrays.items()}
    with storage.create(output, settings=dict(source)) as file:
        file.attrs["source"] = json.dumps(dict(source), sort_keys=True)
        file.attrs["sha256"] = storage.sha256(*(arrays[name] for name in ARRAYS))
        storage.write(
            file,
            "classes",
            np.array(classes, dtype=object),
            units="name",
            description="names of the classes, by label",
            dimensions=("class",),
        )
        for split in storage.SPLITS:
            storage.write(
                file,
                f"{split}/images",
                arrays[f"{split}/images"],
                units="intensity, 0 to 255",
                description=f"images of the {split} split",
                dimensions=("sample", "channel", "height", "width"),
            )
            storage.write(
                file,
                f"{split}/labels",
                arrays[f"{split}/labels"],
                units="index of the class",
                description=f"labels of the {split} split",
                dimensions=("sample",),
            )
            logger.info("%s", _counts(split, arrays[f"{split}/labels"], classes))


def _kept(
    name: str, arrays: Mapping[str, NDArray[np.generic]], source: Mapping[str, Any]
) -> NDArray[np.intp] | slice:
    """Which rows of an array are kept, in their order."""
    split = name.partition("/")[0]
    there, asked = len(arrays[f"{split}/labels"]), source.get(f"{split}_samples")
    if asked is None or asked == there:
        return slice(None)
    if asked > there:
        raise InputError(
            f"{split}_samples: asks for {asked} images, but there are {there}; give at most {there}"
        )
    stream = storage.SPLITS.index(split)
    drawn = np.random.default_rng([0, stream]).permutation(there)[:asked]
    return np.sort(drawn)


def _counts(split: str, labels: NDArray[np.generic], classes: Sequence[str]) -> str:
    """How many images a split has of each class."""
    counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
    total = f"{split}: {len(labels)} images of {len(classes)} classes"
    if len(classes) > LISTED:
        return f"{total}, {counts.min()} to {counts.max()} of each"
    each = zip(classes, counts, strict=True)
    return f"{total}: {', '.join(f'{name} {count}' for name, count in each)}"
