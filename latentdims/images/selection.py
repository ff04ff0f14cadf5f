"""Some classes of a data set, and labels that are shuffled among its images."""

import hashlib
import json
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims.errors import InputError, nearest
from latentdims.images.collection import Collection, Part, Wanted

SHUFFLED = "shuffled"
SHUFFLED_BY = ("classes", "name", "seed", "source", "split_seed")  # settings that seed it


def check(names: Sequence[str], known: Names[str], *, key: str = "classes") -> None:
    """Raise InputError for the name of a class that there is not. key: for the message."""
    if unknown := next((name for name in names if name not in known), None):
        raise InputError(f"{key}: no class '{unknown}'; {nearest(unknown, known)}")


def selected(collection: Collection, source: Mapping[str, Any]) -> Collection:
    """Only the images of the `classes` of a source, in the same order, with labels that count these
    names from 0; all, if none are given.

    Raises InputError for an unknown name.
    """
    names = source.get("classes")
    if names is None:
        return collection
    check(names, collection.classes)
    numbers = np.full(len(collection.classes), -1, dtype=np.int64)
    numbers[[collection.classes.index(name) for name in names]] = np.arange(len(names))
    labels = {split: numbers[of_split] for split, of_split in collection.labels.items()}
    kept = {split: np.flatnonzero(of_split >= 0) for split, of_split in labels.items()}

    def parts(wanted: Wanted) -> Iterator[Part]:
        of_source = {split: np.zeros(len(labels[split]), dtype=bool) for split in wanted}
        for split, chosen in wanted.items():
            of_source[split][kept[split][chosen]] = True
        for split, samples, images in collection.parts(of_source):
            inside = labels[split][samples] >= 0
            places = np.searchsorted(kept[split], samples[inside])
            yield Part(split, places, images[inside])

    chosen = {split: of_split[kept[split]] for split, of_split in labels.items()}
    return replace(collection, labels=chosen, classes=list(names), parts=parts)


def labelled(labels: NDArray[np.int64], split: str, source: Mapping[str, Any]) -> NDArray[np.int64]:
    """Labels (N,) of the images of a split: their own, or permuted if `labels` of the source is
    "shuffled", each class as often as before.

    The permutation depends on the split, the number of images, and the settings that determine
    which images there are (`SHUFFLED_BY`).
    """
    if source.get("labels") != SHUFFLED:
        return labels
    seed = json.dumps([split, *(source.get(key) for key in SHUFFLED_BY)])
    digest = hashlib.sha256(seed.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest)).permutation(labels)
