"""Checkpoints: the state of a long job beside its output, from which it resumes."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from latentdims import storage
from latentdims.errors import InputError

logger = logging.getLogger(__name__)

State = Mapping[str, np.ndarray]  # by names that may hold slashes
SECONDS = float(os.environ.get("LATENTDIMS_CHECKPOINT_SECONDS", "60"))  # between two of them


class Checkpoint:
    """The state of one job, in a hidden file beside its output.

    made_with: everything that the state depends on, including code and inputs. A state made with
    anything else is ignored, but kept until the next save, in case a change is reverted.
    """

    def __init__(
        self, output: str | Path, *, made_with: Mapping[str, Any], device: str = "cpu"
    ) -> None:
        output = Path(output)
        self.path = output.with_name(f".{output.name}.checkpoint")
        self._made_with = {**made_with, "torch": storage.torch_version(), "device": device}
        self._saved = time.monotonic()

    def load(self) -> State:
        """The last saved state; empty if this job has none."""
        if not self.path.exists():
            return {}
        try:
            with storage.read(self.path) as file:
                differs = storage.difference(storage.settings(file), self._made_with)
                found = {} if differs else storage.arrays(file)
        except InputError as error:
            logger.info("starting again: %s", error)
            self.path.with_name(f"{self.path.name}.broken").unlink(missing_ok=True)
            return {}
        if differs:
            logger.info("starting again: %s %s", self.path, differs)
        else:
            logger.info("resuming from %s", self.path)
        return found

    def save_when_due(self, state: Callable[[], State]) -> None:
        """Save if `SECONDS` have passed since the last save."""
        if time.monotonic() - self._saved < SECONDS:
            return
        with storage.create(self.path, settings=self._made_with) as file:
            for name, values in state().items():
                file[name] = values
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove the state; to be called when the output is complete."""
        with suppress(OSError):
            self.path.unlink()
