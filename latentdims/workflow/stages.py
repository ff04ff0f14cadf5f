"""Acting at stages of a run, when Snakemake logs that it gets there.

Its `onstart` comes after its own locks, and belongs to the workflow that this one is a module of.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from latentdims.errors import InputError


class Stages(logging.Handler):
    """Calls an action for each record that has an event or a message.

    actions: by the event or message. error: raised in place of an InputError; the run ends with it.
    """

    def __init__(
        self, actions: Mapping[Any, Callable[[], None]], *, error: type[Exception]
    ) -> None:
        super().__init__()
        self._actions, self._error = actions, error

    def listen(self, logger: logging.Logger) -> None:
        """Once in a process: two modules of one workflow do not act twice."""
        if not any(isinstance(handler, Stages) for handler in logger.handlers):
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        for stage, action in self._actions.items():
            if stage in (getattr(record, "event", None), record.msg):
                try:
                    action()
                except InputError as error:
                    raise self._error(str(error)) from None
