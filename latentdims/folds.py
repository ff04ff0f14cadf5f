"""Folds of images: numbers that are measured fold by fold have an error over images."""

import numpy as np
from numpy.typing import NDArray

FOLDS = 8


def of(images: int) -> NDArray[np.int64]:
    """Fold (images,) of each image of a split: the same for every network, equal in size to one
    image, and independent of the order in which a data set is sorted.

    Of few images there are fewer folds, so that each holds two or more.
    """
    folds = max(1, min(FOLDS, images // 2))
    order = np.random.default_rng(0).permutation(images)
    found = np.empty(images, dtype=np.int64)
    found[order] = np.arange(images) * folds // images
    return found


def means(values: NDArray) -> NDArray[np.float64]:
    """Mean over the images of each fold: (..., images) -> (..., folds)."""
    fold = of(values.shape[-1])
    members = np.eye(fold.max() + 1)[fold]  # (images, folds)
    return values @ members / members.sum(0)
