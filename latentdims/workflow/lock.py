"""The lock of a working folder, which outlives a run that was killed."""

import fcntl
import os
from pathlib import Path


def free_stale(folder: Path) -> None:
    """Remove Snakemake's locks from its folder `.snakemake` where no run is going on there.

    Snakemake's own locks are files that a killed run leaves, and that name no process. So every run
    also holds a lock that ends with its process; who gets it finds the others stale.
    """
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / "latentdims.lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another run has it, or the file system knows no locks
        os.close(descriptor)
        return
    for stale in (folder / "locks").glob("*.lock"):
        stale.unlink(missing_ok=True)
