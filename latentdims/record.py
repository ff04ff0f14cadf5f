"""What made a file: the parameters of the job that runs, and what its inputs state in turn.

Every file that a job writes states both.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_params: ContextVar[Mapping[str, Any] | None] = ContextVar("params", default=None)
_inputs: ContextVar[str] = ContextVar("inputs", default="")


@contextmanager
def made_by(params: Mapping[str, Any], inputs: str = "") -> Iterator[None]:
    """While it is open, files are made by a job of these parameters.

    inputs: digest of what its inputs state, by `workflow.recorded.digest`.
    """
    tokens = _params.set(params), _inputs.set(inputs)
    try:
        yield
    finally:
        _params.reset(tokens[0])
        _inputs.reset(tokens[1])


def params() -> Mapping[str, Any]:
    """The parameters of the job that runs; none outside of one."""
    return _params.get() or {}


def inputs() -> str:
    """Digest of what the inputs of the job that runs state; empty where they state nothing."""
    return _inputs.get()


def statement() -> str:
    """Both, as a file that is not HDF5 states them."""
    return f"{text(params())} {inputs()}"


def text(params: Mapping[str, Any]) -> str:
    """Parameters as a file states them: JSON in ASCII, always the same for the same ones.

    It has no double hyphen and no bracket of XML, so that it may stand as it is in a comment of
    HTML and in the metadata of a figure. Raises TypeError for what JSON does not know, such as a
    path.
    """
    plain = json.dumps(params, sort_keys=True)
    for part in ("<", ">", "&", "--"):  # all of them in strings alone
        plain = plain.replace(part, "".join(f"\\u{ord(character):04x}" for character in part))
    return plain
