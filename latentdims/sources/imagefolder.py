"""Images of one's own: `train/<class>/*` and `test/<class>/*`, in a folder or a tar archive."""

import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from latentdims.errors import InputError

LAYOUT = "train/<class>/<image> and test/<class>/<image>"
GRAY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}
BROKEN_ARCHIVE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, KeyError)
BROKEN_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class Picture(NamedTuple):
    """One image: where it lies below the root, and its pixels uint8 (H, W) or (H, W, 3)."""

    place: PurePosixPath
    pixels: NDArray[np.uint8]

    @property
    def split(self) -> str:
        return self.place.parts[-3]

    @property
    def label(self) -> str:
        return self.place.parts[-2]


def from_settings(
    source: Mapping[str, Any], files: Sequence[str]
) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """What `read` gives for a data set of the configuration."""
    return read(files[0] if files else source["path"], size=source.get("size"))


def read(
    path: str | Path, *, size: int | Sequence[int] | None = None
) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """Images of a folder or tar archive, sorted by class and then by name, and the class names.

    size: None to take images as they are, else the height and width (or one number for both)
        that every image is resized to.
    Returns `train/images` uint8 (N, C, H, W), `train/labels` int64 (N,), the same for `test`;
    C is 1 where every image is gray, else 3. An archive is read in memory, never extracted.
    Raises InputError for a missing path, a broken archive or image, images of several sizes, a
    split without images, a class that only one split has.
    """
    path = Path(path)
    target = _height_width(size)
    pictures: list[Picture] = []
    for place, content in _files(path):
        picture = Picture(place, _pixels(content, f"{path}: {place}", size=target))
        if pictures:
            _check_alike(path, pictures[0], picture)
        pictures.append(picture)
    classes = _classes(path, pictures)
    pictures.sort(key=lambda picture: picture.place.parts)
    channels = max(picture.pixels.ndim for picture in pictures) * 2 - 3  # 2 -> 1, 3 -> 3
    arrays: dict[str, NDArray[np.generic]] = {}
    for split in ("train", "test"):
        chosen = [picture for picture in pictures if picture.split == split]
        arrays[f"{split}/images"] = _stack(chosen, channels)
        labels = [classes.index(picture.label) for picture in chosen]
        arrays[f"{split}/labels"] = np.array(labels, dtype=np.int64)
    return arrays, classes


def _files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Place and content of every file that lies where an image should."""
    if path.is_dir():
        return _folder_files(path)
    if path.is_file():
        return _archive_files(path)
    raise InputError(
        f"{path}: no such folder or archive; give the path of one that holds {LAYOUT} "
        "as datasets.<name>.path"
    )


def _folder_files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    def refuse(error: OSError) -> None:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); mend it or take it out"
        ) from None

    for folder, folders, names in os.walk(path, followlinks=True, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            place = PurePosixPath(Path(folder, name).relative_to(path).as_posix())
            if _is_image(place):
                try:
                    content = Path(folder, name).read_bytes()
                except OSError as error:
                    refuse(error)
                yield place, content


def _archive_files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                if not member.isdir() and _is_image(place):
                    content = archive.extractfile(member)
                    if content is not None:
                        yield place, content.read()
            _check_end(archive)
    except BROKEN_ARCHIVE as error:
        raise InputError(
            f"{path}: not a whole tar archive ({error}); fetch or pack it again"
        ) from None


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise where an archive stops early, which tarfile takes for its end between two members."""
    stream = archive.fileobj
    assert stream is not None
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"damaged or cut short at byte {archive.offset}")
    while stream.read(1 << 20):  # to the end, where the compression keeps its checksum
        pass


def _is_image(place: PurePosixPath) -> bool:
    """Whether a file lies at train/<class>/ or test/<class>/; what starts with '.' is skipped."""
    parts = place.parts
    hidden = any(part.startswith(".") and part != ".." for part in parts)
    return len(parts) >= 3 and parts[-3] in ("train", "test") and not hidden


def _pixels(content: bytes, name: str, *, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Decode one image to uint8 (H, W) where it is gray, else (H, W, 3)."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            ImageOps.exif_transpose(opened, in_place=True)  # cameras store images on their side
            image: Image.Image = opened
            if image.mode in GRAY:
                image = _eight_bits(image)
            elif image.mode != "RGB":
                image = image.convert("RGB")
            if size is not None:
                image = image.resize(size[::-1], Image.Resampling.LANCZOS)
            return np.array(image)
    except BROKEN_IMAGE as error:
        reason = str(error).split("<_io.BytesIO")[0].rstrip()
        raise InputError(
            f"{name}: not a readable image ({reason}); mend it or take it out"
        ) from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """A gray image with values from 0 to 255; deeper ones are taken to span 16 bits."""
    if not image.mode.startswith("I"):
        return image.convert("L")
    deep = np.asarray(image).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((deep + 128) // 257).astype(np.uint8))


def _height_width(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise InputError(
            f"size: {size!r} is neither a whole number of pixels above 0 nor [height, width]"
        )
    return sides[0], sides[1]


def _check_alike(path: Path, first: Picture, other: Picture) -> None:
    if first.pixels.shape[:2] != other.pixels.shape[:2]:
        sizes = [" x ".join(map(str, picture.pixels.shape[:2])) for picture in (first, other)]
        raise InputError(
            f"{path}: images of several sizes: {first.place} is {sizes[0]}, {other.place} is "
            f"{sizes[1]} (height x width); set datasets.<name>.size, for example to "
            f"[{sizes[0].replace(' x ', ', ')}], to resize them all"
        )
    if first.place.parts[:-3] != other.place.parts[:-3]:
        raise InputError(
            f"{path}: images in several places: {first.place} and {other.place}; "
            f"give the path of one folder or archive that holds {LAYOUT} once"
        )


def _classes(path: Path, pictures: list[Picture]) -> list[str]:
    """Names of the classes, sorted; the splits must hold the same."""
    labels: dict[str, set[str]] = {"train": set(), "test": set()}
    for picture in pictures:
        labels[picture.split].add(picture.label)
    empty = [split for split, names in labels.items() if not names]
    if len(empty) == 2:
        raise InputError(f"{path}: found no train/ or test/ with images; expected {LAYOUT}")
    if empty:
        raise InputError(f"{path}: no images in {empty[0]}/; expected {LAYOUT}")
    for split, other in (("train", "test"), ("test", "train")):
        alone = sorted(labels[split] - labels[other])
        if alone:
            raise InputError(
                f"{path}: class {', '.join(alone)} is in {split}/ but not in {other}/; "
                "add its images there or take it out"
            )
    return sorted(labels["train"])


def _stack(pictures: list[Picture], channels: int) -> NDArray[np.uint8]:
    height, width = pictures[0].pixels.shape[:2]
    stacked = np.empty((len(pictures), channels, height, width), dtype=np.uint8)
    for place, (_, pixels) in zip(stacked, pictures, strict=True):
        place[...] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (C, H, W)
    return stacked
