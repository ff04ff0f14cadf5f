"""HDF5 files: written whole or not at all, with provenance, and checked when read."""

import glob
import hashlib
import importlib.metadata
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from latentdims import __version__, record
from latentdims.errors import InputError

FORMAT_VERSION = 2
STAGES = {"initial": 0, "trained": -1}  # of training, and where a network file keeps their weights
SPLITS = ("train", "test")


@contextmanager
def create(
    path: str | Path, *, settings: Mapping[str, Any], device: str = "cpu"
) -> Iterator[h5py.File]:
    """Open a new HDF5 file that appears under `path` only when it is complete.

    It is made in memory, because HDF5 takes the process down where the disk is full, then written
    beside its final name, flushed to the disk, read back, and moved there.
    settings: what made the content, stored as JSON with sorted keys; beside them stand the
    parameters of the job that runs, with the fingerprint of its code.
    Raises InputError where a float dataset is not finite, and where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.partial")
    try:
        with h5py.File(partial, "w", driver="core", backing_store=False) as file:
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["package_version"] = __version__
            file.attrs["torch_version"] = torch_version()
            file.attrs["device"] = device
            file.attrs["settings"] = json.dumps(settings, sort_keys=True)
            file.attrs["code"] = str(record.params().get("code", ""))
            file.attrs["params"] = record.text(record.params())
            yield file
            file.flush()
            _write_bytes(partial, file.id.get_file_image(), name=path)
        _check_finite(partial, name=path)
        partial.replace(path)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            left.unlink(missing_ok=True)  # by a job that was killed, or is too late
    finally:
        partial.unlink(missing_ok=True)


def torch_version() -> str:
    """Of the torch that is installed, without importing it."""
    return importlib.metadata.version("torch")


def write(
    group: h5py.Group,
    name: str,
    data: Any,
    *,
    units: str,
    description: str,
    dimensions: Sequence[str] = (),
) -> None:
    """Add a dataset with its units, a description, and the names of its axes."""
    dataset = group.create_dataset(name, data=np.asarray(data))
    dataset.attrs["units"] = units
    dataset.attrs["description"] = description
    for axis, label in enumerate(dimensions):
        dataset.dims[axis].label = label


@contextmanager
def read(
    path: str | Path, *, needs: Sequence[str] = (), made_with: Mapping[str, Any] | None = None
) -> Iterator[h5py.File]:
    """Open a file made by `create`, and check that it is whole and what is asked for.

    needs: groups and datasets that it must hold. made_with: the settings it must come from.
    Raises InputError, naming the file and what differs, where one of these does not hold, or it is
    missing, cut short, not of this package, or of another format version. A file that is of no use
    is moved aside, so that the same command makes it again.
    """
    path = Path(path)
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the workflow to make it") from None
    except OSError as error:
        raise useless(path, f"not a readable HDF5 file, perhaps cut short ({error})") from None
    with file:
        found = file.attrs.get("format_version")
        if found is None:
            raise useless(path, "not a file of this package")
        if int(found) != FORMAT_VERSION:
            raise InputError(
                f"{path}: format version {found}, expected {FORMAT_VERSION}; another version of "
                "this package made it: move all results away, or go back to that version"
            )
        missing = [name for name in needs if name not in file]
        if missing:
            raise useless(path, f"holds no {', '.join(missing)}")
        differs = _difference(settings(file), made_with) if made_with is not None else ""
        if differs:
            raise useless(path, differs)
        yield file


def useless(path: Path, problem: str) -> InputError:
    """Move a file aside, so that it is made again; the error to raise, which says so."""
    aside = path.with_name(f"{path.name}.broken")
    try:
        path.replace(aside)
    except OSError as error:
        return InputError(f"{path}: {problem}; move it away ({error.strerror} for this program)")
    return InputError(
        f"{path}: {problem}; it was moved to {aside.name}: run the same command again"
    )


def layers(group: h5py.Group) -> list[str]:
    """Names of the layers in a group in the order of the network, where HDF5 sorts by letters."""
    return sorted(group, key=lambda name: (name == "classifier", len(name), name))


def arrays(file: h5py.File) -> dict[str, np.ndarray]:
    """Every dataset of an open file, by its full name."""
    found: dict[str, np.ndarray] = {}

    def keep(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    file.visititems(keep)
    return found


def stacked(paths: Sequence[str | Path], name: str) -> np.ndarray:
    """One dataset of several files, (files, ...). Raises InputError as `read`."""
    values = []
    for path in paths:
        with read(path, needs=[name]) as file:
            values.append(file[name][()])
    return np.stack(values)


def settings(file: h5py.File) -> dict[str, Any]:
    """The settings that made an open file."""
    return json.loads(file.attrs["settings"])


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    for key in sorted({*found, *expected}):
        if found.get(key) != expected.get(key):
            return f"was made with {key} = {found.get(key)}, but {expected.get(key)} is asked for"
    return ""


def sha256(*arrays: np.ndarray) -> str:
    """Hash of the shapes, types and bytes of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _write_bytes(partial: Path, content: bytes, *, name: Path) -> None:
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(
            f"{name}: could not be written ({error.strerror}); make room, and run the same command "
            "again"
        ) from None


def _check_finite(partial: Path, *, name: Path) -> None:
    def check(key: str, item: h5py.HLObject) -> None:
        floats = isinstance(item, h5py.Dataset) and item.dtype.kind == "f"
        if floats and not np.isfinite(item[()]).all():
            raise InputError(f"{name}: {key} is not finite, so the file was not written")

    with h5py.File(partial, "r", locking=False) as file:
        file.visititems(check)
