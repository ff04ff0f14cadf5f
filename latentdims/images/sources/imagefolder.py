"""The user's own images, one folder per class: in a folder, a tar archive or a zip archive."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims.errors import InputError
from latentdims.images.sources.archive import Archive
from latentdims.images.sources.content import check, content
from latentdims.images.sources.folder import Folder
from latentdims.images.sources.layout import Layout, arrange
from latentdims.images.sources.picture import Picture, decode
from latentdims.storage import SPLITS

logger = logging.getLogger(__name__)


def from_settings(
    source: Mapping[str, Any], files: Sequence[str]
) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """What `read` gives for a data set of the configuration.

    Raises InputError also if the content has changed since planning.
    """
    path = files[0] if files else source["path"]
    keys = ("size", "range", "test_share", "split_seed")
    result = read(path, **{key: source[key] for key in keys if source.get(key) is not None})
    planned = source.get("content")
    if planned and content(path, test_share=source.get("test_share")) != planned:
        raise InputError(f"{path}: images changed while they were read; run the same command again")
    return result


def read(
    path: str | Path,
    *,
    size: int | Sequence[int] | None = None,
    range: Sequence[float] | None = None,
    test_share: float | None = None,
    split_seed: int = 0,
) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """Images of a folder or archive, sorted by split, class and name, and the class names.

    size: None to take images as they are, else the height and width (or one number for both)
        that every image is resized to.
    range: the values that are black and white; None for images of 8 bits.
    test_share: None where the images lie in train/<class>/ and test/<class>/; where they lie in
        <class>/ alone, the share of those of each class that are drawn for testing, by split_seed.
    Returns `train/images` uint8 (N, C, H, W), `train/labels` int64 (N,), the same for `test`;
    C is 1 where every image is gray, else 3. An archive is read in memory, never extracted.
    What is passed over is logged, with the reason.
    Raises InputError for a missing path, a broken archive or image, images of several sizes or
    depths, a split without images, a class that only one split has, a single class.
    """
    path = Path(path)
    logger.info("reading %s", path)
    target = _height_width(size)
    limits = _limits(range)
    check(path, key="datasets.<name>.path")
    pictures: dict[str, Picture] = {}
    with nullcontext(Folder.walk(path)) if path.is_dir() else Archive(path) as found:
        layout = arrange(
            found.files, found.odd, path=str(path), test_share=test_share, split_seed=split_seed
        )
        first = next(iter(layout.images))
        for place in layout.images:
            picture = decode(found.read(place), f"{path}: {place}", size=target, value_range=limits)
            pictures[place] = picture
            _check_alike(path, first, pictures[first], place, picture)
    arrays = _arrays(layout, pictures)
    transparent = sum(picture.transparent for picture in pictures.values())
    if transparent:
        logger.info("%d images have transparent pixels, now laid over white", transparent)
    for line in layout.report():
        logger.info("%s", line)
    return arrays, layout.classes


def _height_width(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise InputError(
            f"size: {size!r} is neither a whole number of pixels above 0 nor [height, width]"
        )
    return sides[0], sides[1]


def _limits(range: Sequence[float] | None) -> tuple[float, float] | None:
    if range is None:
        return None
    if len(range) != 2 or not range[0] < range[1]:
        raise InputError(f"range: {range!r} is not [black, white], the lower value first")
    return range[0], range[1]


def _check_alike(
    path: Path, first_place: str, first: Picture, place: str, picture: Picture
) -> None:
    shapes = [each.pixels.shape[:2] for each in (first, picture)]
    if shapes[0] != shapes[1]:
        sizes = [" x ".join(map(str, shape)) for shape in shapes]
        raise InputError(
            f"{path}: images of several sizes: {first_place} is {sizes[0]}, {place} is "
            f"{sizes[1]} (height x width); set datasets.<name>.size, for example to "
            f"[{sizes[0].replace(' x ', ', ')}], to resize them all"
        )
    if first.deep != picture.deep:
        deep, flat = (first_place, place) if first.deep else (place, first_place)
        raise InputError(
            f"{path}: images of several depths: {deep} has more than 8 bits, {flat} has 8, and one "
            "range cannot fit both; store all in the same depth"
        )


def _arrays(layout: Layout, pictures: Mapping[str, Picture]) -> dict[str, NDArray[np.generic]]:
    labels = {name: label for label, name in enumerate(layout.classes)}
    channels = max(picture.pixels.ndim for picture in pictures.values()) * 2 - 3  # 2 -> 1, 3 -> 3
    arrays: dict[str, NDArray[np.generic]] = {}
    for split in SPLITS:
        places = [place for place, (of, _) in layout.images.items() if of == split]
        places.sort(key=lambda place: place.split("/"))
        arrays[f"{split}/images"] = _stack([pictures[place] for place in places], channels)
        numbers = [labels[layout.images[place][1]] for place in places]
        arrays[f"{split}/labels"] = np.array(numbers, dtype=np.int64)
    return arrays


def _stack(pictures: list[Picture], channels: int) -> NDArray[np.uint8]:
    height, width = pictures[0].pixels.shape[:2]
    stacked = np.empty((len(pictures), channels, height, width), dtype=np.uint8)
    for place, (pixels, *_) in zip(stacked, pictures, strict=True):
        place[...] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (C, H, W)
    return stacked
