"""Actions at stages of a run, triggered by the log of Snakemake.

The `onstart` of Snakemake comes after its own locks, and belongs to the importing workflow.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from latentdims.errors import InputError


class Stages(logging.Handler):
    """Calls an action for each record with an event or a message.

    actions: by event or message, in the order of the stages. error: raised in place of an
    InputError, and if the last stage comes without an earlier one, which another version of
    Snakemake may name differently; it ends the run. rare: actions of stages that not every run
    reaches.
    """

    def __init__(
        self,
        actions: Mapping[Any, Callable[[], None]],
        *,
        error: type[Exception],
        rare: Mapping[Any, Callable[[], None]] | None = None,
    ) -> None:
        super().__init__()
        self._actions, self._error = {**(rare or {}), **actions}, error
        self._missed = dict.fromkeys(actions)

    def listen(self, logger: logging.Logger) -> None:
        """Listen once per process: two modules of one workflow do not act twice."""
        if not any(isinstance(handler, Stages) for handler in logger.handlers):
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        *_, last = self._actions
        for stage, action in self._actions.items():
            if stage in (getattr(record, "event", None), record.msg):
                self._missed.pop(stage, None)
                try:
                    if stage == last and self._missed:
                        missed = ", ".join(map(str, self._missed))
                        raise InputError(
                            f"this version of Snakemake does not log {missed}, at which runs are "
                            "checked and locked; use that of envs/requirements.txt"
                        )
                    action()
                except InputError as error:
                    raise self._error(str(error)) from None
