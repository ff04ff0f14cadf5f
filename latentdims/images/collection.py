"""The images of a source: what is known in advance, and how they are read in parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Wanted = Mapping[str, NDArray[np.bool_]]  # by split: whether each image is, (N,)


class Part(NamedTuple):
    """Some images uint8 (n, C, H, W) of a split, and their indices (n,), in any order."""

    split: str
    samples: NDArray[np.intp]
    images: NDArray[np.uint8]


@dataclass(frozen=True)
class Collection:
    """Images that have not been read yet.

    shape: of one image, (C, H, W). labels: int64 (N,) by split. classes: names by label. parts:
    reads images, each once, including all that are wanted.
    """

    shape: tuple[int, int, int]
    labels: Mapping[str, NDArray[np.int64]]
    classes: list[str]
    parts: Callable[[Wanted], Iterator[Part]]
