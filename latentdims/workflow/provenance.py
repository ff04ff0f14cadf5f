"""Fingerprints of code and settings: an edit re-runs only what depends on it, and no result mixes
versions."""

import ast
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path

from latentdims.errors import InputError

RUN = (
    "LATENTDIMS_RUN"  # the environment variable in which a run tells its jobs what it started with
)
PACKAGE = Path(__file__).resolve().parents[1]
TREES = Path(
    ".snakemake", "latentdims-trees.json"
)  # what `remember` writes, for jobs and later runs
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef  # what may have a docstring


def fingerprint(script: str | Path, *modules: str) -> str:
    """Hash of the syntax trees of a script and of every module of the package that it reaches.

    modules: dotted names of further modules, which the script imports by computed names; and files
    of the user, with the modules beside them that they import. Comments, docstrings, blank lines,
    time stamps and the code that runs jobs do not count.
    """
    trees = [
        (
            path.relative_to(PACKAGE.parent).as_posix() if PACKAGE in path.parents else path.name,
            tree,
        )
        for path, tree in reached(script, *modules).items()
    ]
    return hashlib.sha256(repr(sorted(trees)).encode()).hexdigest()[:16]


def reached(script: str | Path, *modules: str) -> dict[Path, str]:
    """The files behind a fingerprint, with the hashes of their syntax trees.

    Files in latentdims/workflow/ are left out, since they affect no result.
    """
    own = [Path(module) for module in modules if module.endswith(".py")]
    named = [module for module in modules if not module.endswith(".py")]
    pending = [Path(script), *own, *chain.from_iterable(map(_sources, named))]
    trees: dict[Path, str] = {}
    while pending:
        path = pending.pop()
        if path not in trees and PACKAGE / "workflow" not in path.parents:
            trees[path], names = _parse(path)
            if path == PACKAGE / "__init__.py":
                continue  # what the package offers to others, no job imports
            pending += chain.from_iterable(map(_sources, names))
            if PACKAGE not in path.parents:
                pending += chain.from_iterable(_own(path, own, name) for name in names)
    return trees


def stamp(script: Path, *modules: str) -> str:
    """The fingerprint of a script with the names of its files, for a job to compute it again."""
    return shlex.join([script.name, *modules, fingerprint(script, *modules)])


def check_code(stamped: str, *, folder: str | Path) -> None:
    """Raise InputError if the code that a job loaded has changed since its run started.

    stamped: the result of `stamp` when the run started. folder: of the script.
    """
    try:
        script, *modules, expected = shlex.split(stamped)
        (Path(folder) / script).stat()
    except (AttributeError, ValueError, OSError):
        raise InputError(
            f"params: code is {stamped!r}, not a fingerprint; leave `code` out when you override "
            "the params of a rule"
        ) from None
    own = [module for module in modules if module.endswith(".py")]
    if fingerprint(Path(folder) / script, *modules) != expected:
        raise InputError(
            f"the code behind {' and '.join([script, *own])} was edited during the run, so "
            "results would mix two versions; run the same command again"
        )


def check_run(*versions: str, in_job: bool) -> None:
    """Raise InputError in a job on a cluster, which reads configuration and code again, if they
    have changed since its run started.

    versions: of everything that was read. Outside of jobs, they are stored in the environment,
    which jobs inherit.
    """
    version = hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
    started = os.environ.get(RUN, "").split()
    if not in_job:
        os.environ[RUN] = " ".join(sorted({*started, version}))
    elif started and version not in started:
        raise InputError(
            "configuration or code was edited during the run, so results would mix two versions; "
            "run the same command again"
        )


@cache
def _parse(path: Path) -> tuple[str, list[str]]:
    """The hash of the tree of a file without its docstrings, and what the file imports."""
    content = path.read_bytes()
    trees, key = _remembered(), hashlib.sha256(content).hexdigest()
    if key not in trees:
        trees[key] = _tree(content.decode())
    tree, imports = trees[key]
    return tree, imports


def _tree(code: str) -> tuple[str, list[str]]:
    tree = ast.parse(code)
    imports: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            begin = "." * node.level + (f"{node.module}." if node.module else "")
            imports += [f"{begin}{alias.name}" for alias in node.names]
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), imports


@cache
def _remembered() -> dict[str, tuple[str, list[str]]]:
    """Trees by the hash of their code, so that each is parsed once and not in every job."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(TREES.read_text(encoding="utf-8"))
        if kept["python"] == sys.version:
            return {
                key: (str(tree), list(imports)) for key, (tree, imports) in kept["trees"].items()
            }
    return {}


def remember() -> None:
    """Store the parsed trees in the working folder."""
    kept = json.dumps({"python": sys.version, "trees": _remembered()})
    partial = TREES.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # then it is parsed again
        partial.write_text(kept, encoding="utf-8")
        partial.replace(TREES)


def _sources(name: str) -> list[Path]:
    """The files of a module of the package, and of the packages that it lies in; none for anything
    else. The last part may also be of what the module defines."""
    return _beside(PACKAGE.parent, name) if name.split(".")[0] == PACKAGE.name else []


def _own(path: Path, named: Sequence[Path], name: str) -> list[Path]:
    """The same of what a file of the user imports: from beside those that are named, or, with dots
    before its name, from the file's own folder and those above."""
    dots = len(name) - len(name.lstrip("."))
    if dots:
        return _beside(path.parents[dots - 1], name[dots:])
    return [file for folder in {each.parent for each in named} for file in _beside(folder, name)]


@cache
def _beside(folder: Path, name: str) -> list[Path]:
    """The same of a module that lies in a folder."""
    parts = name.split(".")
    paths = [folder.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    files = [file for path in paths for file in (path / "__init__.py", path.with_suffix(".py"))]
    return [file for file in files if file.is_file()]
