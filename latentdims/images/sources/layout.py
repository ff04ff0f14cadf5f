"""The split and class of each image, from its path, and why other files are skipped."""

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from latentdims.errors import InputError
from latentdims.storage import SPLITS

LAYOUT = "train/<class>/<image> and test/<class>/<image>"
MAC = "__MACOSX"  # where archives of another system keep what goes with each file
EXAMPLES = 3  # files or classes named in messages
# Of every format that Pillow decodes by itself.
EXTENSIONS = """
apng avif avifs blp bmp bw cur dcx dds dib fit fits flc fli ftc ftu gbr gif icb icns ico iim im j2c
j2k jfif jp2 jpc jpe jpeg jpf jpg jpx mpo msp pbm pcd pcx pfm pgm png pnm ppm psd pxr qoi ras rgb
rgba sgi tga tif tiff vda vst webp xbm xpm
"""
KNOWN = frozenset(f".{extension}" for extension in EXTENSIONS.split()) | {""}


@dataclass(frozen=True)
class Layout:
    """Split and class of images by path, in the order of the listing. passed: paths of all other
    files, by the reason why they are skipped."""

    images: Mapping[str, tuple[str, str]]
    passed: Mapping[str, list[str]]

    @property
    def classes(self) -> list[str]:
        """Names, sorted."""
        return sorted({label for _, label in self.images.values()})

    def report(self) -> list[str]:
        """A line for each reason why files were skipped: their number, and the first names."""
        return [
            f"passed over, {reason}: {len(places)} ({_first(places)})"
            for reason, places in self.passed.items()
        ]


def arrange(
    places: Iterable[str],
    odd: Mapping[str, str],
    *,
    path: str,
    test_share: float | None = None,
    split_seed: int = 0,
) -> Layout:
    """The layout of a folder or archive.

    places: of its regular files below its root, with "/" between their parts. odd: other entries,
    with the reason why they are not read. path: of the folder or archive, for messages. test_share:
    None if it has train/ and test/; else the share of each class that is held out for testing,
    drawn by `split_seed` and the names of the files only.

    Raises InputError unless at least two classes have images in both splits, below one folder.
    """
    passed: dict[str, list[str]] = {}
    for place, reason in odd.items():
        passed.setdefault(reason, []).append(place)
    possible: list[str] = []
    for place in places:
        if is_image(place):
            possible.append(place)
        else:
            reason = "hidden" if is_hidden(place) else "not an image by its extension"
            passed.setdefault(reason, []).append(place)
    if test_share is None:
        images = _split_by_folder(possible, passed, path)
    else:
        images = _split_by_seed(possible, passed, path, share=test_share, seed=split_seed)
    layout = Layout(images, passed)
    _check_classes(layout, path)
    return layout


def is_hidden(place: str) -> bool:
    """Whether a file, or a folder above it, is hidden."""
    if "/." not in f"/{place}" and MAC not in place:  # as good as all
        return False
    parts = place.split("/")
    return any((part.startswith(".") and part != "..") or part == MAC for part in parts)


def is_image(place: str) -> bool:
    """Whether a file may be an image by its extension, or has no extension."""
    return posixpath.splitext(place)[1].lower() in KNOWN and not is_hidden(place)


def _split_by_folder(
    places: list[str], passed: dict[str, list[str]], path: str
) -> dict[str, tuple[str, str]]:
    images: dict[str, tuple[str, str]] = {}
    first: tuple[str, tuple[str, ...]] | None = None
    for place in places:
        *above, split, label, _ = ("", "", *place.split("/"))
        if split in SPLITS:
            if first is None:
                first = place, tuple(above)
            if first[1] != tuple(above):
                raise InputError(
                    f"{path}: images in several places: {first[0]} and {place}; give the path of "
                    f"one folder or archive that holds {LAYOUT} once"
                )
            images[place] = split, label
        elif label in SPLITS:
            passed.setdefault(f"in {label}/, but in no class", []).append(place)
        elif any(part in SPLITS for part in above):
            passed.setdefault("in a folder below its class", []).append(place)
        else:
            passed.setdefault("outside train/ and test/", []).append(place)
    return images


def _split_by_seed(
    places: list[str], passed: dict[str, list[str]], path: str, *, share: float, seed: int
) -> dict[str, tuple[str, str]]:
    parents = [tuple(place.split("/")[:-1]) for place in places]
    top = _common(min(parents), max(parents)) if parents else ()
    classes: dict[str, dict[str, str]] = {}  # of each, places by their names below the top folder
    for place, parent in zip(places, parents, strict=True):
        if len(parent) == len(top):
            passed.setdefault("in no class", []).append(place)
        elif len(parent) > len(top) + 1:
            passed.setdefault("in a folder below its class", []).append(place)
        else:
            name = f"{parent[-1]}/{place.rpartition('/')[2]}"
            classes.setdefault(parent[-1], {})[name] = place
    if len(classes) < 2 and {*SPLITS} & {part for parent in parents for part in parent}:
        raise InputError(
            f"{path}: test_share is for folders <class>/<image>, but this one holds train/ or "
            "test/; remove datasets.<name>.test_share"
        )
    drawn: dict[str, tuple[str, str]] = {}
    for label, names in classes.items():
        if len(names) < 2:
            raise InputError(
                f"{path}: class {label} has a single image, too few for both train and test; add "
                "images or remove it"
            )
        order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
        test = set(order[: min(max(1, round(share * len(names))), len(names) - 1)])
        drawn |= {place: (SPLITS[name in test], label) for name, place in names.items()}
    return {place: drawn[place] for place in places if place in drawn}


def _common(first: tuple[str, ...], last: tuple[str, ...]) -> tuple[str, ...]:
    """The parts that two paths begin with."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return tuple(part for part, _ in same)


def _first(names: list[str]) -> str:
    return ", ".join([*names[:EXAMPLES], *["…"][: len(names) > EXAMPLES]])


def _check_classes(layout: Layout, path: str) -> None:
    """Raise unless there are two classes or more, and each split has images of all of them."""
    labels: dict[str, set[str]] = {split: set() for split in SPLITS}
    for split, label in layout.images.values():
        labels[split].add(label)
    empty = [split for split in SPLITS if not labels[split]]
    others = "".join(f"; {line}" for line in layout.report())
    if len(empty) == 2:
        raise InputError(
            f"{path}: found no train/ or test/ with images; expected {LAYOUT}, or "
            "<class>/<image> with datasets.<name>.test_share, the share of images to hold out"
            f"{others}"
        )
    if empty:
        raise InputError(f"{path}: no images in {empty[0]}/; expected {LAYOUT}{others}")
    for split, other in (SPLITS, SPLITS[::-1]):
        alone = sorted(labels[split] - labels[other])
        if alone:
            raise InputError(
                f"{path}: class {_first(alone)} is in {split}/ but not in {other}/; "
                f"add its images there or remove it{others}"
            )
    if len(layout.classes) == 1:
        raise InputError(
            f"{path}: all images are of one class, {layout.classes[0]}; add images of another class"
            f"{others}"
        )
