"""The epochs in a network's file: which is trained, and which untrained, if any."""

from collections.abc import Sequence
from pathlib import Path

from numpy.typing import NDArray

from latentdims import storage

UNTRAINED = "untrained"  # the null that the first epoch is


def ends(epochs: Sequence[float] | NDArray) -> dict[str, int]:
    """Indices on an axis of epochs (E,) by null: the last, with no null; and `untrained`, the
    first, if it is epoch 0 and not the only one."""
    return {"": -1, UNTRAINED: 0} if epochs[0] == 0 and len(epochs) > 1 else {"": -1}


def of(path: str | Path) -> dict[str, int]:
    """The epochs in a file. Raises InputError like `storage.read`."""
    with storage.read(path, needs=["epoch"]) as file:
        return ends(file["epoch"][()])
