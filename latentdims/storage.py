"""HDF5 files: written whole or not at all, with provenance, and checked when read."""

import errno
import glob
import hashlib
import importlib.metadata
import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from latentdims import __version__
from latentdims.errors import InputError

FORMAT_VERSION = 1
STAGES = {"initial": 0, "trained": -1}  # of training, and where a network file keeps their weights
SPLITS = ("train", "test")


@contextmanager
def create(
    path: str | Path, *, settings: Mapping[str, Any], device: str = "cpu"
) -> Iterator[h5py.File]:
    """Open a new HDF5 file that appears under `path` only when it is complete.

    It is written beside its final name, flushed to the disk, read back, and moved there.
    settings: what made the content, stored as JSON with sorted keys.
    Raises InputError where a float dataset is not finite, and where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.partial")
    try:
        with _writing(partial, name=path) as file:
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["package_version"] = __version__
            file.attrs["torch_version"] = torch_version()
            file.attrs["device"] = device
            file.attrs["settings"] = json.dumps(settings, sort_keys=True)
            yield file
        _flush(partial)
        _check_finite(partial, name=path)
        partial.replace(path)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            left.unlink(missing_ok=True)  # by a job that was killed, or is too late
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _writing(partial: Path, *, name: Path) -> Iterator[h5py.File]:
    """A new file, whose failed writes are all reported, with what to do where the disk is full."""
    file = h5py.File(partial, "w", locking="best-effort")
    lost: list[BaseException | None] = []  # by h5py while it frees objects, where nothing can raise
    hooks = sys.unraisablehook, sys.excepthook
    sys.unraisablehook = lambda failure: lost.append(failure.exc_value)
    sys.excepthook = lambda *_: None
    try:
        yield file
        file.flush()
        if lost:
            raise OSError(errno.EIO, str(lost[0]))
    except OSError as error:
        # HDF5 tries to write the rest when it closes the file, and crashes: let that go nowhere.
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, file.id.get_vfd_handle())
        os.close(nowhere)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        raise InputError(
            f"{name}: could not be written ({os.strerror(error.errno)}); make room, and run the "
            "same command again"
        ) from None
    finally:
        file.close()
        sys.unraisablehook, sys.excepthook = hooks


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
    missing, cut short, not of this package, or of another format version.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the workflow to make it") from None
    except OSError as error:
        raise InputError(
            f"{path}: not a readable HDF5 file, perhaps cut short ({error}); "
            "delete it and run the same command again"
        ) from None
    with file:
        found = file.attrs.get("format_version")
        if found is None or int(found) != FORMAT_VERSION:
            raise InputError(
                f"{path}: format version {found}, expected {FORMAT_VERSION}; it was made by "
                "another program or version; move it away and run the same command again"
            )
        missing = [name for name in needs if name not in file]
        if missing:
            raise InputError(
                f"{path}: holds no {', '.join(missing)}; delete it and run the same command again"
            )
        if made_with is not None:
            _check_settings(path, found=settings(file), expected=made_with)
        yield file


def layers(group: h5py.Group) -> list[str]:
    """Names of the layers in a group in the order of the network, where HDF5 sorts by letters."""
    return sorted(group, key=lambda name: (name == "classifier", len(name), name))


def settings(file: h5py.File) -> dict[str, Any]:
    """The settings that made an open file."""
    return json.loads(file.attrs["settings"])


def _check_settings(
    path: str | Path, *, found: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    for key in sorted({*found, *expected}):
        if found.get(key) != expected.get(key):
            raise InputError(
                f"{path}: was made with {key} = {found.get(key)}, but {expected.get(key)} is asked "
                "for; delete it and run again, or restore the settings"
            )


def sha256(*arrays: np.ndarray) -> str:
    """Hash of the shapes, types and bytes of arrays, in order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_finite(partial: Path, *, name: Path) -> None:
    def check(key: str, item: h5py.HLObject) -> None:
        floats = isinstance(item, h5py.Dataset) and item.dtype.kind == "f"
        if floats and not np.isfinite(item[()]).all():
            raise InputError(f"{name}: {key} is not finite, so the file was not written")

    with h5py.File(partial, "r", locking=False) as file:
        file.visititems(check)
