"""The one error that is meant for the person at the keyboard."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """A mistake that the user can mend: the message says what was found, where, and what to do."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint such as ``did you mean 'epochs'?``, or the list of choices where none is near."""
    choices = sorted(choices)
    close = get_close_matches(str(name), choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(choices)}"
