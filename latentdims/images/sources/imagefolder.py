"""Your own images, one folder per class: in a folder, a tar archive or a zip archive."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims.errors import InputError
from latentdims.images.collection import Collection, Part, Wanted
from latentdims.images.sources.archive import Archive
from latentdims.images.sources.content import check, content
from latentdims.images.sources.decoding import File, decoded
from latentdims.images.sources.folder import Folder
from latentdims.images.sources.layout import Layout, arrange
from latentdims.images.sources.picture import Picture, is_gray
from latentdims.storage import SPLITS

PART = 1 << 24  # bytes of images that are handed on at once

logger = logging.getLogger(__name__)


@contextmanager
def opened(
    source: Mapping[str, Any], files: Sequence[str], *, cores: int = 1
) -> Iterator[Collection]:
    """`read` for a data set of the configuration.

    Also raises InputError if the content has changed since planning.
    """
    path = files[0] if files else source["path"]
    keys = ("size", "range", "test_share", "split_seed")
    options = {key: source[key] for key in keys if source.get(key) is not None}
    planned = source.get("content")
    with read(path, cores=cores, **options) as collection:

        def checked(wanted: Wanted) -> Iterator[Part]:
            yield from collection.parts(wanted)
            if planned and content(path, test_share=source.get("test_share")) != planned:
                raise InputError(
                    f"{path}: images changed while they were read; run the same command again"
                )

        yield replace(collection, parts=checked)


@contextmanager
def read(
    path: str | Path,
    *,
    size: int | Sequence[int] | None = None,
    range: Sequence[float] | None = None,
    test_share: float | None = None,
    split_seed: int = 0,
    cores: int = 1,
) -> Iterator[Collection]:
    """Images of a folder or archive, sorted by split, class and name.

    size: None to keep the size, else the height and width (or one number for both) that every image
    is resized to. range: the values of black and white; None for images of 8 bits. test_share: None
    if images are in train/<class>/ and test/<class>/; if they are in <class>/, the share of each
    class that is held out for testing, drawn by split_seed. cores: number of cores that decode
    images.

    There is one channel if every image is gray, else three. An archive is read in memory, never
    extracted. Skipped files are logged with the reason.

    Raises InputError for a missing path, a damaged archive or image, images of several sizes or
    depths, a split without images, a class that only one split has, and a single class.
    """
    path = Path(path)
    logger.info("reading %s", path)
    decoding = {"size": _height_width(size), "value_range": _limits(range)}
    check(path, key="datasets.<name>.path")
    with nullcontext(Folder.walk(path)) if path.is_dir() else Archive(path) as found:
        layout = arrange(
            found.files, found.odd, path=str(path), test_share=test_share, split_seed=split_seed
        )
        reader = _Reader(path, found, layout, decoding, cores)
        yield Collection(reader.shape, reader.labels, layout.classes, reader.parts)
    for line in layout.report():
        logger.info("%s", line)


class _Reader:
    """Decodes the images of a folder or an archive in the order in which they lie there.

    shape: of one image, (C, H, W), of as many channels as the image with most. labels: by split.
    """

    def __init__(
        self,
        path: Path,
        found: Folder | Archive,
        layout: Layout,
        decoding: Mapping[str, Any],
        cores: int,
    ) -> None:
        self._path, self._found, self._decoding, self._cores = path, found, decoding, cores
        self._samples: dict[str, tuple[str, int]] = {}  # split and number by place, as they lie
        numbers = {name: label for label, name in enumerate(layout.classes)}
        places = sorted(layout.images, key=lambda place: place.split("/"))
        self.labels: dict[str, NDArray[np.int64]] = {}
        for split in SPLITS:
            of_split = [place for place in places if layout.images[place][0] == split]
            of_each = [numbers[layout.images[place][1]] for place in of_split]
            self.labels[split] = np.array(of_each, dtype=np.int64)
            self._samples |= {place: (split, number) for number, place in enumerate(of_split)}
        self._samples = {place: self._samples[place] for place in layout.images}
        self._first = next(iter(layout.images))
        (first,) = decoded([self._file(self._first)], cores=1, **decoding)
        self._alike = first.pixels.shape[:2], first.deep
        gray = first.pixels.ndim == 2 and all(
            is_gray(found.read(place), f"{path}: {place}") for place in layout.images
        )
        self.shape = (1 if gray else 3, *self._alike[0])

    def parts(self, wanted: Wanted) -> Iterator[Part]:
        """As `Collection` has it."""
        at_once = max(1, PART // math.prod(self.shape))
        waiting: dict[str, list[tuple[int, NDArray[np.uint8]]]] = {split: [] for split in SPLITS}
        transparent = 0
        places = [
            place for place, (split, number) in self._samples.items() if wanted[split][number]
        ]
        pictures = decoded(map(self._file, places), cores=self._cores, **self._decoding)
        for place, picture in zip(places, pictures, strict=True):
            split, number = self._samples[place]
            self._check_alike(place, picture)
            transparent += picture.transparent
            waiting[split].append((number, picture.pixels))
            if len(waiting[split]) == at_once:
                yield self._part(split, waiting[split])
                waiting[split] = []
        yield from (self._part(split, some) for split, some in waiting.items() if some)
        if transparent:
            logger.info("%d images have transparent pixels, now laid over white", transparent)

    def _file(self, place: str) -> File:
        return self._found.read(place), f"{self._path}: {place}"

    def _part(self, split: str, some: Sequence[tuple[int, NDArray[np.uint8]]]) -> Part:
        images = np.empty((len(some), *self.shape), dtype=np.uint8)
        for image, (_, pixels) in zip(images, some, strict=True):
            image[...] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (C, H, W)
        return Part(split, np.array([number for number, _ in some]), images)

    def _check_alike(self, place: str, picture: Picture) -> None:
        shape, deep = self._alike
        if picture.pixels.shape[:2] != shape:
            sizes = [" x ".join(map(str, each)) for each in (shape, picture.pixels.shape[:2])]
            raise InputError(
                f"{self._path}: images of several sizes: {self._first} is {sizes[0]}, {place} is "
                f"{sizes[1]} (height x width); set datasets.<name>.size, for example to "
                f"[{sizes[0].replace(' x ', ', ')}], to resize them all"
            )
        if picture.deep != deep:
            most, least = (self._first, place) if deep else (place, self._first)
            raise InputError(
                f"{self._path}: images of several depths: {most} has more than 8 bits, {least} has "
                "8, and one range cannot fit both; store all in the same depth"
            )


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
