"""How much is computed at once: on a CPU what fits in its cache, on a GPU what fills it.

Results depend on it only through the rounding of sums.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from latentdims.models.architecture import Architecture

SHARE = 128  # of a GPU's memory in bytes, for each number of a batch's largest tensor
MOST = 1 << 27  # such numbers, beyond which no kernel gains
HELD = 48  # bytes of a job for each of them: as many tensors as are made of one
BESIDE = 1.5e9  # bytes of its images, and of the libraries


@dataclass(frozen=True)
class Sizes:
    """The largest number of values in a tensor of a batch.

    propagated: for networks without gradients, for at most `images` images. measured: for moments.
    unrelated: for moments of unrelated images. rows: number of rows that are multiplied at once in
    float32. aligned: for one layer of a draw. clipped: for one layer at one rank, for `ranks` ranks
    at once.
    """

    images: int = 250
    propagated: int = 1 << 22
    measured: int = 1 << 20
    unrelated: int = 1 << 21
    rows: int = 2048
    aligned: int = 1 << 20
    clipped: int = 1 << 17
    ranks: int = 8

    @classmethod
    def filling(cls, memory: int) -> "Sizes":
        """Of a GPU with some bytes of memory."""
        values = min(MOST, 1 << int(math.log2(memory / SHARE)))
        return cls(
            images=values,
            propagated=values,
            measured=values,
            unrelated=values // 4,  # all pairings are multiplied at once
            rows=1 << 15,
            aligned=values,
            clipped=values // 32,
            ranks=32,
        )

    def images_at_once(self, network: "Architecture") -> int:
        """Number of images that are propagated at once without gradients."""
        largest = max(network.largest, math.prod(network.image_shape))
        return max(1, min(self.images, self.propagated // largest))


CPU = Sizes()


def jobs(memory: int) -> int:
    """Number of jobs that share a GPU with this many bytes of memory."""
    return max(1, int(memory / (HELD * Sizes.filling(memory).measured + BESIDE)))


def of(device: "torch.device | str") -> Sizes:
    """The sizes for a device."""
    return CPU if str(device) == "cpu" else _of_gpu(str(device))


@cache
def _of_gpu(device: str) -> Sizes:
    import torch

    return Sizes.filling(torch.cuda.get_device_properties(device).total_memory)
