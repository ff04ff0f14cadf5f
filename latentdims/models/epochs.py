"""The epochs of a network's file: which of them is trained, and which untrained, if it is there."""

from collections.abc import Sequence
from pathlib import Path

from numpy.typing import NDArray

from latentdims import storage

UNTRAINED = "untrained"  # the null that the first epoch is


def ends(epochs: Sequence[float] | NDArray) -> dict[str, int]:
    """Places on an axis of epochs (E,), by the null that they are: none, the last; and `untrained`,
    the first, where that is epoch 0 and not alone."""
    return {"": -1, UNTRAINED: 0} if epochs[0] == 0 and len(epochs) > 1 else {"": -1}


def of(path: str | Path) -> dict[str, int]:
    """Those of a file. Raises InputError as `storage.read`."""
    with storage.read(path, needs=["epoch"]) as file:
        return ends(file["epoch"][()])
