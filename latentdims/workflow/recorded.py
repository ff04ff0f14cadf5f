"""What made an existing file, so that planning notices when something else is requested."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py

from latentdims import record
from latentdims.storage import FORMAT_VERSION

STATED = {  # where files other than HDF5 state them
    ".svg": re.compile(rb"<dc:description>(\{.*?\}) ([0-9a-f]*)</dc:description>"),
    ".pdf": re.compile(rb"/Subject \((\{.*?\}) ([0-9a-f]*)\)\n"),
    ".md": re.compile(rb"<!-- (\{.*?\}) ([0-9a-f]*) -->"),
}
ESCAPED = re.compile(rb"\\([\\()])")  # in PDF
# Inputs of this name are removed after use; what they are made from is an input beside them.
TEMPORARY = "parts"


def digest(paths: Iterable[str]) -> str:
    """Digest of the statements of the inputs of a job, in order; empty if none has a statement.

    It depends on no path, time or other content: an input that is made again in the same way
    changes nothing. Raises OSError if an input is missing or cannot be opened.
    """
    left_out = {*getattr(paths, TEMPORARY, ())}
    digests = "".join(_digest(*_known(path)) for path in paths if path not in left_out)
    return _hash(digests) if digests else ""


def difference(path: Path, params: Mapping[str, Any], inputs: str | None = None) -> str:
    """How the statement of a file differs from these parameters and inputs; empty if it agrees.

    inputs: from `digest`; None if unknown. Also empty if a file cannot be opened, and for kinds of
    files without a statement.
    """
    if not _states(path):
        return ""
    try:
        text, found_inputs = _stated(*_known(path))
    except OSError as error:
        return "damaged" if error.errno is None else ""  # an errno: the system failed, not the file
    except (KeyError, TypeError, ValueError):
        return "damaged, or of another version of this package"
    others = ["inputs"] if inputs not in (None, found_inputs) else []
    if text != record.text(params):  # rarely: else there is nothing to parse
        found, asked = json.loads(text), json.loads(record.text(params))
        others = [*_differing(found, asked), *others]
    return ", ".join(others)


def _states(path: Path) -> bool:
    """Whether it is of a kind that states what made it."""
    return path.suffix in (".h5", ".json") or path.suffix in STATED


def _known(path: str | Path) -> tuple[Path, int, int]:
    """What a file is remembered by: many jobs read the same ones."""
    there = Path(path).stat()
    return Path(path), there.st_mtime_ns, there.st_size


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    try:
        return _hash(" ".join(_stated(path, modified, size))) if _states(path) else ""
    except OSError as error:
        if error.errno is not None:
            raise
        return ""  # damaged: made again
    except (KeyError, TypeError, ValueError):
        return ""  # not of this package


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _stated(path: Path, _modified: int, _size: int) -> tuple[str, str]:
    """Its parameters as text, and the digest of its inputs."""
    kinds = {".h5": _of_hdf5, ".json": _of_json}
    return kinds.get(path.suffix, _of_text)(path)


def _of_hdf5(path: Path) -> tuple[str, str]:
    with h5py.File(path, "r", locking=False) as file:
        version = int(file.attrs["format_version"])
        if version != FORMAT_VERSION:
            raise ValueError(version)
        return str(file.attrs["params"]), str(file.attrs["inputs"])


def _of_json(path: Path) -> tuple[str, str]:
    found = json.loads(path.read_text(encoding="utf-8"))
    return record.text(found["params"]), str(found["inputs"])


def _of_text(path: Path) -> tuple[str, str]:
    found = STATED[path.suffix].search(path.read_bytes())
    if found is None:
        raise ValueError(path)
    text = ESCAPED.sub(rb"\1", found[1]) if path.suffix == ".pdf" else found[1]
    return text.decode("ascii"), found[2].decode("ascii")


def _differing(found: Any, asked: Any, key: str = "") -> Iterator[str]:
    """Dotted names of the parameters that differ."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for name in sorted({*found, *asked}):
            yield from _differing(found.get(name), asked.get(name), f"{key}.{name}".lstrip("."))
    elif found != asked:
        yield key
