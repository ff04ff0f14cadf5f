"""How much is computed at once: on a CPU what stays in its cache, on a GPU what fills it.

Results depend on it by the rounding of sums alone.
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
    """The most numbers in the largest tensor of a batch.

    propagated: where networks run without gradients, of at most some `images`. measured: where
    moments are taken, unrelated: of unrelated images, rows: that are multiplied at once in float32.
    aligned: of one layer, which is drawn. clipped: of one layer at one rank, of so many `ranks` at
    once.
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
        """How many images are propagated at once where no gradient is needed."""
        largest = max(network.largest, math.prod(network.image_shape))
        return max(1, min(self.images, self.propagated // largest))


CPU = Sizes()


def jobs(memory: int) -> int:
    """How many jobs share a GPU with some bytes of memory."""
    return max(1, int(memory / (HELD * Sizes.filling(memory).measured + BESIDE)))


def of(device: "torch.device | str") -> Sizes:
    """What suits a device."""
    return CPU if str(device) == "cpu" else _of_gpu(str(device))


@cache
def _of_gpu(device: str) -> Sizes:
    import torch

    return Sizes.filling(torch.cuda.get_device_properties(device).total_memory)
