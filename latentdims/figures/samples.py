"""Sample pictures of a data set, as they are stored."""

from collections.abc import Mapping

import h5py
import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style

COLUMNS = 10  # pictures of each class
CLASSES = 20  # classes shown at most


def draw(files: Mapping[str, str]) -> Figure:
    """A row per class, the first training images of it."""
    with storage.read(files["images"], needs=["classes", "train/images", "train/labels"]) as file:
        classes = list(file["classes"].asstr()[:CLASSES])
        pictures = [_of_class(file, label) for label in range(len(classes))]
    figure, axes = style.panels(rows=1, columns=1)
    figure.set_size_inches(COLUMNS * 0.42 + 1, len(classes) * 0.42)
    mosaic = np.concatenate(pictures)  # (classes · H, COLUMNS · W, C)
    height = len(mosaic) / len(classes)
    axes[0, 0].imshow(mosaic.squeeze(), cmap="gray", interpolation="nearest")
    axes[0, 0].set_yticks((np.arange(len(classes)) + 0.5) * height, classes)
    axes[0, 0].set_xticks([])
    axes[0, 0].tick_params(length=0)
    axes[0, 0].spines[:].set_visible(False)
    return figure


def _of_class(file: h5py.File, label: int) -> np.ndarray:
    """(H, COLUMNS · W, C) uint8, padded with white where the class has fewer pictures."""
    places = np.flatnonzero(file["train/labels"][()] == label)[:COLUMNS]
    images = file["train/images"][np.sort(places)].transpose(0, 2, 3, 1)
    row = np.concatenate(images, axis=1)
    missing = COLUMNS * images.shape[2] - row.shape[1]
    return np.pad(row, ((0, 0), (0, missing), (0, 0)), constant_values=255)
