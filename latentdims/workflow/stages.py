"""Acting at stages of a run, when Snakemake logs that it gets there.

Its `onstart` comes after its own locks, and belongs to the workflow that this one is a module of.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from latentdims.errors import InputError


class Stages(logging.Handler):
    """Calls an action for each record that has an event or a message.

    actions: by the event or message, in the order of the stages. error: raised in place of an
    InputError, and where the last stage comes without one before it, which another version of
    Snakemake may call something else; the run ends with it. rare: the same of stages that not every
    run comes to.
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
        """Once in a process: two modules of one workflow do not act twice."""
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
