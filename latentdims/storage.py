"""HDF5 files: written completely or not at all, with provenance, and checked when read."""

import glob
import hashlib
import importlib.metadata
import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from latentdims import __version__, broken, record
from latentdims.errors import InputError
from latentdims.sink import Sink

logger = logging.getLogger(__name__)

FORMAT_VERSION = 2
FIRST = {"rank": 1, "weight_rank": 1, "k": 1, "weight_k": 1}  # of axes that do not begin at 0
SPLITS = ("train", "test")
HASHED = 1 << 24  # bytes at a time
ABANDONED = 3600  # seconds after which a half-written file of another machine is nobody's


@contextmanager
def create(
    path: str | Path, *, settings: Mapping[str, Any], device: str = "cpu"
) -> Iterator[h5py.File]:
    """Open a new HDF5 file that appears under `path` only when it is complete.

    It is written beside its final name, flushed to the disk, checked, and moved. settings: what
    made the content, stored as JSON with sorted keys, beside the parameters of the running job,
    which include the fingerprint of its code, and a digest of the statements of its inputs.

    Raises InputError if a float dataset is infinite, or undefined without a `reason`, and the
    OSError, naming the path, if it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.partial")
    try:
        with Sink(partial, name=path) as sink, h5py.File(sink, "w") as file:
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["package_version"] = __version__
            file.attrs["torch_version"] = torch_version()
            file.attrs["device"] = device
            file.attrs["settings"] = json.dumps(settings, sort_keys=True)
            file.attrs["code"] = str(record.params().get("code", ""))
            file.attrs["params"] = record.text(record.params())
            file.attrs["inputs"] = record.inputs()
            yield file
        _check_defined(partial, name=path)
        partial.replace(path)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            with suppress(OSError):  # perhaps another user's: no harm if it stays
                if _is_left(left):
                    left.unlink()
    finally:
        with suppress(OSError):  # or it would hide the error that led here
            partial.unlink()


def _is_left(partial: Path) -> bool:
    """Whether a dead job left it: one of this machine that no longer runs, or one of another
    machine that last wrote an hour ago."""
    host, _, process = partial.name.removesuffix(".partial").rpartition("-")
    processes = Path("/proc")
    here = host.endswith(f".{socket.gethostname()}") and (processes / "self").exists()
    if here and process.isdecimal():
        return not (processes / process).exists()
    return time.time() - partial.stat().st_mtime > ABANDONED


def torch_version() -> str:
    """The version of the installed torch, without importing it."""
    return importlib.metadata.version("torch")


def axis(group: h5py.Group, name: str, values: Any, *, units: str = "1") -> None:
    """Name the coordinates of an axis, numbers or text (n,), for a group and all groups below."""
    kind = h5py.string_dtype() if isinstance(values[0], str) else None
    scale = group.create_dataset(name, data=values, dtype=kind)
    scale.attrs["units"] = units
    scale.make_scale(name)


def write(
    group: h5py.Group,
    name: str,
    data: Any,
    *,
    units: str,
    description: str,
    dimensions: Sequence[str] = (),
    reason: str = "",
) -> None:
    """Add a dataset with its units, a description, and its axes by name.

    dimensions: names of axes. Their coordinates come from the nearest axis of that name and length,
    in the group of the dataset or above; else they are numbered from 0, ranks from 1. Every group
    has its own axes, so that it can be opened alone. If an axis of that name has another length in
    the group, the name of the dataset is appended. reason: why values are NaN; stored as an
    attribute if any is.
    """
    values = np.asarray(data)
    dataset = group.create_dataset(name, data=values)
    _describe(dataset, units=units, description=description, dimensions=dimensions)
    if reason and values.dtype.kind == "f" and np.isnan(values).any():
        dataset.attrs["reason"] = reason


def room(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    *,
    units: str,
    description: str,
    dimensions: Sequence[str] = (),
) -> h5py.Dataset:
    """A dataset like that of `write`, to be filled later, part by part in any order."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)  # so that its place is always the same
    dataset = group.create_dataset(name, shape, dtype, dcpl=creation, fill_time="never")
    _describe(dataset, units=units, description=description, dimensions=dimensions)
    return dataset


def _describe(
    dataset: h5py.Dataset, *, units: str, description: str, dimensions: Sequence[str]
) -> None:
    dataset.attrs["units"] = units
    dataset.attrs["description"] = description
    for length, label, scale in zip(dataset.shape, dimensions, dataset.dims, strict=False):
        name = label
        if label in dataset.parent and dataset.parent[label].shape != (length,):
            name = f"{label}_{dataset.name.rpartition('/')[2]}"  # or readers cut it to that length
        if name not in dataset.parent:
            coordinates, unit = _coordinates(dataset.parent, label, length)
            axis(dataset.parent, name, coordinates, units=unit)
        scale.attach_scale(dataset.parent[name])


def _coordinates(group: h5py.Group, name: str, length: int) -> tuple[Any, str]:
    """Those of the nearest axis of a name and length in the groups above; else numbers."""
    while group.name != "/":
        group = group.parent
        found = group.get(name)
        if found is not None and is_axis(found) and found.shape == (length,):
            text = h5py.check_string_dtype(found.dtype)
            return (found.asstr() if text else found)[()], found.attrs["units"]
    first = FIRST.get(name, 0)
    return np.arange(first, first + length), "1"


def is_axis(item: h5py.HLObject) -> bool:
    """Whether it holds the coordinates of an axis."""
    return isinstance(item, h5py.Dataset) and h5py.h5ds.is_scale(item.id)


@contextmanager
def read(
    path: str | Path, *, needs: Sequence[str] = (), made_with: Mapping[str, Any] | None = None
) -> Iterator[h5py.File]:
    """Open a file made by `create`, and check that it is complete and the requested one.

    needs: groups and datasets that it must hold. made_with: the settings that must have made it.

    Raises InputError, naming the file and the difference, if a check fails, or if it is missing,
    incomplete, not from this package, or of another format version. An unusable file is moved
    aside, so that the same command makes it again. A file that cannot be opened stays where it is,
    and the OSError says why.
    """
    path = Path(path)
    with _opened(path) as file:
        try:
            problem = _problem(file, needs, made_with)
        except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            problem = f"damaged ({error})"
        if problem:
            file.close()
            broken.refuse(path, problem)
        yield file


def _opened(path: Path) -> h5py.File:
    try:
        os.close(os.open(path, os.O_RDONLY))  # what HDF5 says of a failure is long, and not its own
        return h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        if path.is_symlink():
            raise InputError(broken.without_file(path)) from None
        raise InputError(f"{path}: no such file; run the workflow to make it") from None
    except OSError as error:
        if error.errno is None:  # from HDF5: the content is wrong; the system did not fail
            broken.refuse(path, f"not a readable HDF5 file, perhaps cut short ({error})")
        raise


def _problem(file: h5py.File, needs: Sequence[str], made_with: Mapping[str, Any] | None) -> str:
    """What is wrong with an open file; empty if nothing is."""
    found = file.attrs.get("format_version")
    if found is None:
        return "not a file of this package"
    if int(found) != FORMAT_VERSION:
        raise InputError(
            f"{file.filename}: format version {found}, expected {FORMAT_VERSION}; another version "
            "of this package made it: run the workflow, which makes it again"
        )
    missing = [name for name in needs if name not in file]
    if missing:
        return f"holds no {', '.join(missing)}"
    return difference(settings(file), made_with) if made_with is not None else ""


def class_names(file: h5py.File) -> tuple[str, ...]:
    """Names of the classes in an open file of images, by label."""
    return tuple(file["classes"].asstr()[()])


def arrays(file: h5py.File, place: str = "/") -> dict[str, np.ndarray]:
    """Every dataset of a group of an open file except axes, by its name there; none without the
    group."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and not is_axis(item):
            found[name] = item[()]

    if place in file:
        file[place].visititems(keep)
    return found


def stacked(paths: Sequence[str | Path], name: str) -> np.ndarray:
    """One dataset of several files, (files, ...). Raises InputError like `read`."""
    values = []
    for path in paths:
        with read(path, needs=[name]) as file:
            values.append(file[name][()])
    return np.stack(values)


def settings(file: h5py.File) -> dict[str, Any]:
    """The settings that made an open file."""
    return json.loads(file.attrs["settings"])


def reasons(path: str | Path) -> list[str]:
    """Why numbers in a file are undefined, each reason once. Raises like `read`."""
    found: dict[str, None] = {}

    def keep(name: str, item: h5py.HLObject) -> None:
        if "reason" in item.attrs:
            found[str(item.attrs["reason"])] = None

    with read(path) as file:
        if "undefined" in file.attrs:
            found[str(file.attrs["undefined"])] = None
        file.visititems(keep)
    return list(found)


def difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The first setting that differs from the expected one, in words; empty if none does."""
    for key in sorted({*found, *expected}):
        if found.get(key) != expected.get(key):
            return f"was made with {key} = {found.get(key)}, but {expected.get(key)} is asked for"
    return ""


def sha256(*arrays: np.ndarray | h5py.Dataset) -> str:
    """Hash of the shapes, types and bytes of arrays, in order; datasets are read part by part."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        length = len(array) if array.ndim else 1
        rows = max(1, HASHED * length // max(1, array.nbytes))
        for start in range(0, length, rows):
            part = array[start : start + rows] if array.ndim else array[()]
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _check_defined(partial: Path, *, name: Path) -> None:
    reasons: dict[str, list[str]] = {}

    def check(key: str, item: h5py.HLObject) -> None:
        if not isinstance(item, h5py.Dataset) or item.dtype.kind != "f":
            return
        values = item[()]
        undefined = np.isnan(values) if "reason" in item.attrs else False
        if not np.all(np.isfinite(values) | undefined):
            raise InputError(f"{name}: {key} is not finite, so the file was not written")
        if "reason" in item.attrs:
            reasons.setdefault(str(item.attrs["reason"]), []).append(key)

    with h5py.File(partial, "r", locking=False) as file:
        file.visititems(check)
    for reason, keys in reasons.items():
        logger.warning("%s: undefined, %s: %s", name, reason, ", ".join(keys))
