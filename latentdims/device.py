"""Devices: reproducible results, and the speed of float64."""

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Compute capabilities whose products in float64 run at half the rate of float32 or better: P100,
# V100, A100, H100 and H200, B200.
FAST_DOUBLES = {(6, 0), (7, 0), (8, 0), (9, 0), (10, 0)}


def deterministic(device: str) -> str:
    """Make torch deterministic and exact in float32, for the rest of the process.

    device: where to compute, ``cpu`` or ``cuda``; it is returned.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch  # here, because jobs that need no device must not wait for its import

    from latentdims import decompositions

    # What torch.use_deterministic_algorithms does, but that imports a compiler for two seconds.
    torch.set_deterministic_debug_mode("error")
    # All memory is written before it is read, so that filling it first would be wasted.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    decompositions.use(device)
    return device


def has_fast_doubles(device: "torch.device | str") -> bool:
    """Whether a GPU multiplies in float64 at half the rate of float32 or better."""
    return str(device) != "cpu" and _capability(str(device)) in FAST_DOUBLES


@cache
def _capability(device: str) -> tuple[int, int]:
    import torch

    return torch.cuda.get_device_capability(device)
