"""Which parameters made a file that is there, so that planning sees where others are asked for."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py

from latentdims import record
from latentdims.storage import FORMAT_VERSION

STATED = {  # where files other than HDF5 state them
    ".svg": re.compile(rb"<dc:description>(\{.*?\})</dc:description>"),
    ".pdf": re.compile(rb"/Subject \((\{.*?\})\)\n"),
    ".md": re.compile(rb"<!-- (\{.*?\}) -->"),
}
ESCAPED = re.compile(rb"\\([\\()])")  # in PDF


def difference(path: Path, params: Mapping[str, Any]) -> str:
    """How the parameters that a file states differ from these; empty where they agree.

    Also empty where a file cannot be opened, and for kinds of files that state no parameters.
    """
    if path.suffix != ".h5" and path.suffix not in STATED:
        return ""
    try:
        text = _of_hdf5(path) if path.suffix == ".h5" else _of_text(path)
    except OSError as error:
        return "damaged" if error.errno is None else ""  # an errno: the system failed, not the file
    except (KeyError, TypeError, ValueError):
        return "damaged, or of another version of this package"
    if text == record.text(params):  # the usual case: nothing to parse
        return ""
    found, asked = json.loads(text), json.loads(record.text(params))
    return ", ".join(_differing(found, asked))


def _of_hdf5(path: Path) -> str:
    with h5py.File(path, "r", locking=False) as file:
        version = int(file.attrs["format_version"])
        if version != FORMAT_VERSION:
            raise ValueError(version)
        return str(file.attrs["params"])


def _of_text(path: Path) -> str:
    found = STATED[path.suffix].search(path.read_bytes())
    if found is None:
        raise ValueError(path)
    text = ESCAPED.sub(rb"\1", found[1]) if path.suffix == ".pdf" else found[1]
    return text.decode("ascii")


def _differing(found: Any, asked: Any, key: str = "") -> Iterator[str]:
    """Dotted names of the parameters that differ."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for name in sorted({*found, *asked}):
            yield from _differing(found.get(name), asked.get(name), f"{key}.{name}".lstrip("."))
    elif found != asked:
        yield key
