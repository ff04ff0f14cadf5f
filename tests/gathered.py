"""All images of a source in memory, as arrays by name and the classes."""

import numpy as np


def gathered(collection):
    wanted = {split: np.ones(len(labels), bool) for split, labels in collection.labels.items()}
    arrays, seen = {}, {split: [] for split in wanted}
    for split, labels in collection.labels.items():
        arrays[f"{split}/images"] = np.zeros((len(labels), *collection.shape), np.uint8)
        arrays[f"{split}/labels"] = labels
    for split, samples, images in collection.parts(wanted):
        assert images.dtype == np.uint8 and samples.ndim == 1
        arrays[f"{split}/images"][samples] = images
        seen[split] += samples.tolist()
    assert all(sorted(each) == [*range(len(wanted[split]))] for split, each in seen.items())
    return arrays, collection.classes


def read(opened):
    """The same of a context."""
    with opened as collection:
        return gathered(collection)
