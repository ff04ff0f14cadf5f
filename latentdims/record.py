"""What made a file: the parameters of the running job, and the statements of its inputs.

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
    """A context in which files are made by a job with these parameters.

    inputs: digest of the statements of its inputs, by `workflow.recorded.digest`.
    """
    tokens = _params.set(params), _inputs.set(inputs)
    try:
        yield
    finally:
        _params.reset(tokens[0])
        _inputs.reset(tokens[1])


def params() -> Mapping[str, Any]:
    """The parameters of the running job; none outside of a job."""
    return _params.get() or {}


def inputs() -> str:
    """Digest of the statements of the inputs of the running job; empty without statements."""
    return _inputs.get()


def statement() -> str:
    """Both, as a file that is not HDF5 states them."""
    return f"{text(params())} {inputs()}"


def text(params: Mapping[str, Any]) -> str:
    """Parameters as a file states them: JSON in ASCII, always the same for the same parameters.

    It has no double hyphen and no bracket of XML, so that it can be used in comments of HTML and in
    metadata of figures. Raises TypeError for types that JSON does not have, such as a path.
    """
    plain = json.dumps(params, sort_keys=True)
    for part in ("<", ">", "&", "--"):  # all of them in strings alone
        plain = plain.replace(part, "".join(f"\\u{ord(character):04x}" for character in part))
    return plain
