"""Weights in a user's file: a state dict of PyTorch, safetensors, or a network.h5 of this package.

The content decides what a file is, not its name.
"""

import logging
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from latentdims.errors import InputError, nearest
from latentdims.models import architecture, networks

logger = logging.getLogger(__name__)

Tensors = dict[str, Tensor]

ZIP, PICKLE, HDF5 = b"PK\x03\x04", b"\x80", b"\x89HDF"  # how files begin
COUNTER = "num_batches_tracked"  # of batch norm, which older files lack and no output depends on
SHOWN = 3  # tensors that a message names
KINDS = {True: "numbers with a fraction", False: "whole numbers"}


def read(path: str | Path, *, key: str | None, prefix: str | None, epoch: float | None) -> Tensors:
    """The tensors in a file, by name, on the CPU.

    key: dotted, where the tensors are in the content of the file. prefix: removed from the start of
    their names; tensors without it are left out. epoch: which epoch of a network.h5, or None for
    the last. Raises InputError, naming the file, if it does not hold them.
    """
    with Path(path).open("rb") as file:
        start = file.read(9)
    if start.startswith(HDF5):
        if key:
            raise InputError(f"{path}: is HDF5, which needs no key '{key}'; remove the key")
        found: Any = _of_network_file(path, epoch)
    elif start[8:] == b"{":  # after the length of its header
        found = _of_safetensors(path)
    elif start.startswith((ZIP, PICKLE)):
        found = _of_torch(path)
    else:
        raise InputError(
            f"{path}: is no checkpoint: expected a state dict written by torch.save, "
            "safetensors, or a network.h5 of this package"
        )
    tensors = _tensors(_at(found, key, path), path)
    return _without(prefix, tensors, path) if prefix else tensors


def _of_torch(path: str | Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise InputError(
            f"{path}: is a pickle that would run code when it is read"
            f"{f' ({name[1]})' if name else ''}, and is not opened; save only the weights: "
            "torch.save(model.state_dict(), path)"
        ) from None
    except (RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{path}: cannot be read as a checkpoint of PyTorch ({_line(error)}); save it again "
            "with torch.save(model.state_dict(), path)"
        ) from None


def _of_safetensors(path: str | Path) -> Tensors:
    try:
        return load_file(path, device="cpu")
    except SafetensorError as error:
        raise InputError(
            f"{path}: is damaged safetensors ({_line(error)}); copy it again"
        ) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).split(". ")[0][:200]


def _of_network_file(path: str | Path, epoch: float | None) -> Tensors:
    """The tensors of a network.h5, of any settings; it is the user's own, and stays as it is."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            epochs = file["epochs"][()].tolist()
            if epoch is not None and epoch not in epochs:
                known = ", ".join(f"{each:g}" for each in epochs)
                raise InputError(f"{path}: has no weights of epoch {epoch:g}; it has {known}")
            place = -1 if epoch is None else epochs.index(epoch)
            stored = networks.stored(file, architecture.read(file))
            return {
                name: torch.from_numpy(np.asarray(each[place])) for name, each in stored.items()
            }
    except (KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{path}: is HDF5, but no network.h5 of this package ({_line(error)})"
        ) from None


def _at(found: Any, key: str | None, path: str | Path) -> Any:
    """What a file holds under a dotted key."""
    place = ""
    for part in key.split(".") if key else ():
        if not isinstance(found, Mapping) or part not in found:
            where = f"in '{place}' " if place else ""
            names = list(map(str, found)) if isinstance(found, Mapping) else []
            hint = nearest(part, names) if names else "it is no dictionary"
            raise InputError(f"{path}: {where}there is no key '{part}'; {hint}")
        found, place = found[part], f"{place}.{part}".lstrip(".")
    return found


def _tensors(found: Any, path: str | Path) -> Tensors:
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: holds a {type(found).__name__}, expected tensors by name")
    tensors = {str(name): each for name, each in found.items() if isinstance(each, Tensor)}
    if len(tensors) < len(found) or not found:
        keys = list(_keys(found))
        hint = f"give the key that they are under, such as {keys[0]}" if keys else "give another"
        others = [str(name) for name in found if name not in tensors]
        raise InputError(
            f"{path}: holds {_few(others) if others else 'nothing'}, expected only tensors; {hint}"
        )
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _keys(found: Mapping[Any, Any], place: str = "") -> Iterator[str]:
    """Dotted keys of dictionaries of tensors alone."""
    for name, each in found.items():
        full = f"{place}.{name}".lstrip(".")
        if isinstance(each, Mapping) and each:
            if all(isinstance(part, Tensor) for part in each.values()):
                yield full
            yield from _keys(each, full)


def _without(prefix: str, tensors: Tensors, path: str | Path) -> Tensors:
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    if not found:
        raise InputError(f"{path}: no tensor has the prefix '{prefix}'; it has {_few(tensors)}")
    if len(found) < len(tensors):
        logger.info("%s: left out %d tensors without %s", path, len(tensors) - len(found), prefix)
    return found


def fitted(module: nn.Module, tensors: Tensors, *, path: str | Path) -> Tensors:
    """The tensors of a file for a module: all of them, with its shapes and types.

    Half precision becomes float32. Raises InputError, naming the file, if the tensors do not match
    the module, or are not finite.
    """
    expected = module.state_dict()
    counters = {name: each.cpu() for name, each in expected.items() if name.endswith(COUNTER)}
    tensors = {**counters, **tensors}
    _check_names(tensors, expected, path)
    _check_shapes(tensors, expected, path)
    found = {}
    for name, like in expected.items():
        kinds = [each.is_floating_point() or each.is_complex() for each in (tensors[name], like)]
        if kinds[0] != kinds[1] or tensors[name].is_complex() != like.is_complex():
            raise InputError(
                f"{path}: {name} is of {_type(tensors[name])}, expected {_type(like)}; save it as "
                "the network has it"
            )
        found[name] = tensors[name].to(like.dtype)
        if not found[name].isfinite().all():
            count = int((~found[name].isfinite()).sum())
            raise InputError(
                f"{path}: {name} holds {count} of {like.numel()} values that are not finite; take "
                "a checkpoint from before the training failed"
            )
    return found


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _check_names(tensors: Tensors, expected: Tensors, path: str | Path) -> None:
    missing = [name for name in expected if name not in tensors]
    unexpected = [name for name in tensors if name not in expected]
    if not missing and not unexpected:
        return
    found = [
        f"{what} {_few(names)}"
        for what, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    raise InputError(
        f"{path}: has other tensors than the network: {'; '.join(found)}"
        f"{_hint(missing, unexpected)}"
    )


def _hint(missing: list[str], unexpected: list[str]) -> str:
    """A prefix that fits, or the nearest name."""
    if not missing or not unexpected:
        return "; is the architecture the one that was trained?"
    for name in unexpected:
        if name.endswith(f".{missing[0]}"):
            return f"; give prefix: {name.removesuffix(missing[0])}"
    return f"; for {missing[0]}, {nearest(missing[0], unexpected)}"


def _check_shapes(tensors: Tensors, expected: Tensors, path: str | Path) -> None:
    wrong = [name for name in expected if tensors[name].shape != expected[name].shape]
    if not wrong:
        return
    shapes = [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in wrong
    ]
    rows = {(*tensors[name].shape[:1], *expected[name].shape[:1]) for name in wrong}
    rest = all(tensors[name].shape[1:] == expected[name].shape[1:] for name in wrong)
    hint = "is the architecture the one that was trained?"
    if rest and len(rows) == 1:
        hint = f"give classes: {min(rows)[0]}, if these are its outputs"
    raise InputError(f"{path}: {_few(shapes)}; {hint}")


def _few(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return f"{', '.join(shown[:SHOWN])}{more}"
