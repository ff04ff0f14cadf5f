"""Determinism: on the same device a seed gives the same bytes each time."""

import os


def deterministic(device: str) -> str:
    """Make torch deterministic and exact in float32, for the rest of the process.

    device: where the work will be done, which is returned: ``cpu`` or ``cuda``.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch  # here, because jobs that need no device must not wait for its import

    # What torch.use_deterministic_algorithms does, but that imports a compiler for two seconds.
    torch.set_deterministic_debug_mode("error")
    # All memory is written before it is read, so that filling it first would be wasted.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    return device
