"""Modules beside users' files, which may have the same names in different folders."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from types import ModuleType


@dataclass
class _Folder:
    """Modules that were imported from a folder, by name, and what others had imported before."""

    before: set[str]
    modules: dict[str, ModuleType] = field(default_factory=dict)


_KNOWN: dict[Path, _Folder] = {}


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """A context for importing a user's file or calling its functions: imports find modules in its
    own folder, and no module of the same name in another folder.

    A folder stays on the path, for later imports, if it shares no name with another.
    """
    for known in _KNOWN:
        _hide(known)
    if folder not in _KNOWN:
        _KNOWN[folder] = _Folder(before={name.partition(".")[0] for name in sys.modules})
    _show(folder)
    try:
        yield
    finally:
        _hide(folder)
        ambiguous = {
            each
            for pair in combinations(_KNOWN, 2)
            for each in pair
            if _modules(pair[0]) & _modules(pair[1])
        }
        for known in _KNOWN.keys() - ambiguous:
            _show(known)


def _modules(folder: Path) -> set[str]:
    """Names that can be imported from a folder."""
    files = {path.stem for path in folder.glob("*.py")}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def _show(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    sys.modules.update(_KNOWN[folder].modules)


def _hide(folder: Path) -> None:
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    own = _modules(folder) - _KNOWN[folder].before
    for name in [each for each in sys.modules if each.partition(".")[0] in own]:
        _KNOWN[folder].modules[name] = sys.modules.pop(name)
