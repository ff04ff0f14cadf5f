"""Folds of images, which give numbers an error over images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FOLDS = 8


def of(images: int) -> NDArray[np.int64]:
    """Fold (images,) of each image of a split: the same for every network, of equal size up to one
    image, and independent of the order of a sorted data set.

    Few images have fewer folds, with at least two images each.
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


@dataclass(frozen=True)
class FoldMoments:
    """Moments of the rows of each fold, about its own mean."""

    counts: NDArray[np.int64]  # (F,)
    means: Array  # (F, C)
    covariances: Array  # (F, C, C)

    def about(self, centring: str) -> Array:
        """(F, C, C): moments about zero if `uncentred`, else about the mean of all folds."""
        middle = 0 if centring == "uncentred" else self.counts @ self.means / self.counts.sum()
        return self.covariances + _squares(self.means - middle)

    def without_each(self, centring: str) -> Array:
        """(F, C, C): the moment of all folds but one; about zero, or about their mean."""
        weighted = self.about(centring) * self.counts[:, None, None]
        left = self.counts.sum() - self.counts
        moments = (weighted.sum(0) - weighted) / left[:, None, None]
        if centring == "uncentred":
            return moments
        middle = self.counts @ self.means / self.counts.sum()
        drift = (self.means - middle) * (self.counts / left)[:, None]  # of the mean, but for sign
        return moments - _squares(drift)


def _squares(vectors: Array) -> Array:
    """(F, C) -> (F, C, C): the outer product of each with itself."""
    return vectors[:, :, None] * vectors[:, None, :]
