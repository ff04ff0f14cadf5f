"""Fingerprints of code and settings: an edit re-runs exactly what depends on it, and no result is
made by two versions."""

import ast
import hashlib
import os
from functools import cache
from itertools import chain
from pathlib import Path

from latentdims.errors import InputError

RUN = (
    "LATENTDIMS_RUN"  # the environment variable in which a run tells its jobs what it started with
)
PACKAGE = Path(__file__).resolve().parents[1]
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef  # what may have a docstring


def fingerprint(script: str | Path, *modules: str) -> str:
    """Hash of the syntax trees of a script and of every module of the package that it reaches.

    modules: dotted names of further ones, which the script imports by computed names.
    Comments, docstrings, blank lines and time stamps do not count, nor does what runs jobs.
    """
    trees = {
        path.relative_to(PACKAGE.parent).as_posix() if PACKAGE in path.parents else path.name: tree
        for path, tree in reached(script, *modules).items()
    }
    return hashlib.sha256(repr(sorted(trees.items())).encode()).hexdigest()[:16]


def reached(script: str | Path, *modules: str) -> dict[Path, str]:
    """The files behind a fingerprint, with their syntax trees.

    Not those of latentdims/workflow/: nothing there affects a result.
    """
    pending = [Path(script), *chain.from_iterable(map(_sources, modules))]
    trees: dict[Path, str] = {}
    while pending:
        path = pending.pop()
        if path not in trees and PACKAGE / "workflow" not in path.parents:
            trees[path], imports = _parse(path)
            pending += imports
    return trees


def stamp(script: Path, *modules: str) -> str:
    """The fingerprint of a script, with what it is of, so that a job can take it again."""
    return " ".join([script.name, *modules, fingerprint(script, *modules)])


def check_code(stamped: str, *, folder: str | Path) -> None:
    """Raise InputError if the code that a job loaded has changed since its run started.

    stamped: what `stamp` gave when the run started; folder: of the script.
    """
    try:
        script, *modules, expected = stamped.split()
        (Path(folder) / script).stat()
    except (AttributeError, ValueError, OSError):
        raise InputError(
            f"params: code is {stamped!r}, not a fingerprint; leave `code` out when you override "
            "the params of a rule"
        ) from None
    if fingerprint(Path(folder) / script, *modules) != expected:
        raise InputError(
            f"the code behind {script} was edited while the run was going on, and results would be "
            "made by two versions; run the same command again"
        )


def check_run(*versions: str, in_job: bool) -> None:
    """Raise InputError in a job on a cluster, which reads configuration and code again, if they
    have changed since its run started.

    versions: of everything that was read. Where it is no job, they are kept in the environment,
    which jobs inherit.
    """
    version = hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
    started = os.environ.get(RUN, "").split()
    if not in_job:
        os.environ[RUN] = " ".join(sorted({*started, version}))
    elif started and version not in started:
        raise InputError(
            "configuration or code was edited while the run was going on, and results would be "
            "made by two versions; run the same command again"
        )


@cache
def _parse(path: Path) -> tuple[str, list[Path]]:
    """The tree of a file without its docstrings, and the package's files that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: list[Path] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            imports += chain.from_iterable(map(_sources, names))
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            imports += chain.from_iterable(map(_sources, names))
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree), imports


def _sources(name: str) -> list[Path]:
    """The files of a module of the package, and of the packages that it lies in; none for anything
    else. The last part may also be of what the module defines."""
    parts = name.split(".")
    paths = [PACKAGE.parent.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    files = [file for path in paths for file in (path / "__init__.py", path.with_suffix(".py"))]
    return [file for file in files if parts[0] == PACKAGE.name and file.is_file()]
