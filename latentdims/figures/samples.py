"""Sample pictures of a data set, as they are stored; large ones at the resolution of a print."""

from collections.abc import Mapping

import h5py
import numpy as np
from PIL import Image

from latentdims import storage
from latentdims.figures import CLASSES_SHOWN, style
from latentdims.figures.scale import lines

COLUMNS = 10  # pictures of each class
EDGE, MARGIN = 0.42, 0.1  # of a picture, and around all of them, inches
WHITE = 255


def draw(files: Mapping[str, str]) -> style.Figure:
    """A row per class, the first training images of it."""
    with storage.read(files["images"], needs=["classes", "train/images", "train/labels"]) as file:
        classes = storage.class_names(file)
        pictures = [_of_class(file, number) for number in range(len(classes[:CLASSES_SHOWN]))]
    names = [label(name, number) for number, name in enumerate(classes[:CLASSES_SHOWN])]
    wide, high = COLUMNS * EDGE, len(names) * EDGE
    left = max(map(style.width, names)) + 2 * MARGIN
    size = left + wide + MARGIN, high + 3 * MARGIN
    figure = style.Figure(figsize=size)
    places = (left / size[0], MARGIN / size[1], wide / size[0], high / size[1])
    axis = figure.add_axes(places)
    axis.imshow(
        np.concatenate(pictures).squeeze(),  # (classes · edge, COLUMNS · edge[, 3])
        cmap="gray",
        vmin=0,
        vmax=WHITE,
        extent=(0, COLUMNS, len(names) - 0.5, -0.5),
        origin="upper",
        aspect="equal",
        interpolation="none",
    )
    lines(axis, names)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    if len(classes) > len(names):
        axis.set_title(f"the first {len(names)} of {len(classes)} classes")
    return figure


def label(name: str, number: int) -> str:
    """The name of a class, or its number where the font lacks a character of it."""
    return style.shorten(name) if style.drawable(name) else f"class {number}"


def _of_class(file: h5py.File, label: int) -> np.ndarray:
    """(edge, COLUMNS · edge, C) uint8: images in white squares, white where there are fewer."""
    places = np.flatnonzero(file["train/labels"][()] == label)[:COLUMNS]
    images = file["train/images"][np.sort(places)].transpose(0, 2, 3, 1)
    if images.shape[3] != 3:
        images = images[..., :1]
    _, height, width, channels = images.shape
    edge = max(height, width)
    row = np.full((COLUMNS, edge, edge, channels), WHITE, dtype=np.uint8)
    top, left = (edge - height) // 2, (edge - width) // 2
    row[: len(images), top : top + height, left : left + width] = images
    if (factor := int(edge / (EDGE * style.RESOLUTION))) > 1:
        row = np.stack([_reduced(square, factor) for square in row])
    return np.concatenate(row, axis=1)


def _reduced(image: np.ndarray, factor: int) -> np.ndarray:
    """The means of blocks of factor x factor pixels, the last ones smaller: (H, W, C) uint8."""
    reduced = np.asarray(
        Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).reduce(factor)
    )
    return reduced.reshape(*reduced.shape[:2], image.shape[2])
