"""Recorded responses of a brain or of a network to the images of a data set, one file per subject,
session or seed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError, nearest
from latentdims.models.architecture import Architecture, Site
from latentdims.storage import SPLITS

if TYPE_CHECKING:  # the workflow is planned without torch
    from torch import nn

UNKNOWN = "only its responses are known"
KEYS = ("responses", "sites")
CHUNK = 1 << 24  # values checked at a time


@dataclass(frozen=True, kw_only=True)
class Family:
    """Files of responses, by a path with {seed}, and their sites.

    sites: names, in order; by default all, in the order of the file.
    """

    responses: str
    sites: Sequence[str] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Family":
        """Read the settings. Raises InputError for keys that responses do not have."""
        for key in settings:
            if key not in KEYS:
                raise InputError(f"{key}: responses have no such key; {nearest(key, KEYS)}")
        sites = settings.get("sites") or []
        if not isinstance(sites, list) or len({*map(str, sites)}) != len(sites):
            raise InputError(f"sites: found {sites!r}, expected a list of names, each once")
        if not isinstance(settings["responses"], str):
            raise InputError(f"responses: found {settings['responses']!r}, expected a path")
        return cls(responses=settings["responses"], sites=[str(site) for site in sites])

    def path(self, seed: int) -> Path:
        """Of one subject."""
        return Path(expanded(self.responses.format(seed=seed)))

    def check_files(self, seeds: int) -> None:
        """Raise InputError if a file has other sites or units than the first."""
        first = self._shapes(0)
        for seed in range(1, seeds):
            if (found := self._shapes(seed)) != first:
                raise InputError(
                    f"responses: {self.path(seed)} has {_sizes(found)}, and {self.path(0)} has "
                    f"{_sizes(first)}; give each a network of its own, with seeds: 1, and compare "
                    "them in `comparisons`"
                )

    def _shapes(self, seed: int) -> dict[str, tuple[int, ...]]:
        """Of one image, by site; of the training images."""
        path = self.path(seed)
        try:
            with h5py.File(path, "r", locking=False) as file:
                names = self._names(file, path)
                shapes = {name: tuple(file[f"train/{name}"].shape[1:]) for name in names}
        except FileNotFoundError:
            raise InputError(
                f"responses: there is no file {path}; paths begin at {Path.cwd()}"
            ) from None
        except OSError as error:
            raise InputError(f"responses: {path} is no HDF5 file ({error})") from None
        for name, shape in shapes.items():
            if len(shape) not in (1, 3) or not math.prod(shape):
                raise InputError(
                    f"responses: {path} has shape (images, {', '.join(map(str, shape))}) in "
                    f"train/{name}, expected (images, units) or (images, channels, height, width)"
                )
        return shapes

    def _names(self, file: h5py.File, path: Path) -> list[str]:
        for split in SPLITS:
            if not isinstance(file.get(split), h5py.Group):
                raise InputError(
                    f"responses: {path} has no group '{split}'; it needs train/<site> and "
                    "test/<site>"
                )
        found = [name for name, item in file["train"].items() if isinstance(item, h5py.Dataset)]
        for split in SPLITS:
            for name in self.sites or found:
                if not isinstance(file.get(f"{split}/{name}"), h5py.Dataset):
                    raise InputError(
                        f"responses: {path} has no {split}/{name}; {nearest(name, found)}"
                    )
        if not found:
            raise InputError(f"responses: {path} holds no site; it needs train/<site>, test/<site>")
        return list(self.sites) or found

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        """Sites only, from the first file. Raises InputError for an invalid file."""
        return Architecture(
            image_shape=image_shape,
            classes=classes,
            sites=tuple(Site(name, name, shape) for name, shape in self._shapes(0).items()),
            weights=(),
            output=None,
            undrawn=UNKNOWN,
        )

    def outline(self) -> Architecture:
        """The same, for images of any shape."""
        return self.describe(image_shape=(1, 1, 1), classes=2)

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        """There is none."""
        raise InputError(UNKNOWN)

    def read(self, seed: int, images: Mapping[str, int]) -> dict[str, NDArray[np.float32]]:
        """Responses (images, units) or (images, channels, height, width) by `<split>/<site>`.

        images: number of images in the data set, by split. Raises InputError for another number of
        rows, and for values that are not finite.
        """
        path, shapes = self.path(seed), self._shapes(seed)
        found = {}
        with h5py.File(path, "r", locking=False) as file:
            for split, number in images.items():
                for name, shape in shapes.items():
                    stored = file[f"{split}/{name}"]
                    place = f"{path}: {split}/{name}"
                    if stored.dtype.kind not in "fiu":
                        raise InputError(f"{place} is of {stored.dtype}, expected numbers")
                    if stored.shape[1:] != shape:
                        raise InputError(
                            f"{place} has shape {stored.shape}, and training images have {shape} "
                            "each; give both the same"
                        )
                    if len(stored) != number:
                        raise InputError(
                            f"{place} is of {len(stored)} images, but the data set has {number}; "
                            "give a row for each, in their order"
                        )
                    found[f"{split}/{name}"] = _finite(stored, place)
        return found


def _sizes(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} ({' x '.join(map(str, shape))})" for name, shape in shapes.items())


def _finite(stored: h5py.Dataset, place: str) -> NDArray[np.float32]:
    values = np.empty(stored.shape, dtype=np.float32)
    step = max(1, CHUNK // math.prod(stored.shape[1:]))
    for start in range(0, len(stored), step):
        values[start : start + step] = stored[start : start + step]
        if not np.isfinite(values[start : start + step]).all():
            wrong = np.argwhere(~np.isfinite(values[start : start + step]))[0]
            raise InputError(
                f"{place} is not finite for image {start + wrong[0]}, unit "
                f"{', '.join(map(str, wrong[1:]))}; leave such units out"
            )
    return values


def are_given(settings: Mapping[str, Any]) -> bool:
    """Whether a network in the configuration consists of responses."""
    return "responses" in settings


def mapped(file: h5py.File) -> dict[str, NDArray[np.float32]]:
    """Responses in an open file of a network, by `<split>/<site>`, read from the disk on demand."""
    found: dict[str, NDArray[np.float32]] = {}
    for split in SPLITS:
        for name, stored in file[f"responses/{split}"].items():
            if isinstance(stored, h5py.Dataset) and not h5py.h5ds.is_scale(stored.id):
                found[f"{split}/{name}"] = np.memmap(
                    file.filename,
                    dtype=stored.dtype,
                    mode="r",
                    offset=stored.id.get_offset(),
                    shape=stored.shape,
                )
    return found


def write(file: h5py.File, found: Mapping[str, NDArray[np.float32]]) -> None:
    """Write responses to the file of a network, for `mapped`."""
    for name, values in found.items():
        axes = ("sample", "channel", "row", "column")[: values.ndim]
        storage.write(
            file,
            f"responses/{name}",
            values,
            units="as they were brought",
            description="responses to each image of the data set",
            dimensions=axes,
        )
