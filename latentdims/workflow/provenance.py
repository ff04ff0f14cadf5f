"""Which code and settings make a result, so that an edit re-runs exactly what it reaches, and none
is made of two versions."""

import ast
import hashlib
import os
from functools import cache
from pathlib import Path

from latentdims.errors import InputError

RUN = (
    "LATENTDIMS_RUN"  # the environment variable in which a run tells its jobs what it started with
)
PACKAGE = Path(__file__).resolve().parents[1]
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef  # what may have a docstring


def fingerprint(script: str | Path, *modules: str) -> str:
    """Hash of the syntax trees of a script and of every module of the package that it reaches.

    modules: further ones by dotted name, which the script imports by a name of its own making.
    Comments, docstrings, blank lines and time stamps do not count.
    """
    pending = [Path(script), *filter(None, map(_source, modules))]
    reached: dict[str, str] = {}
    while pending:
        path = pending.pop()
        name = path.relative_to(PACKAGE.parent).as_posix() if PACKAGE in path.parents else path.name
        if name not in reached:
            tree, imports = _parse(path)
            reached[name] = tree
            pending += imports
    return hashlib.sha256(repr(sorted(reached.items())).encode()).hexdigest()[:16]


def stamp(script: Path, *modules: str) -> str:
    """The fingerprint of a script, with what it is of, so that a job can take it again."""
    return " ".join([script.name, *modules, fingerprint(script, *modules)])


def check_code(stamped: str, *, folder: str | Path) -> None:
    """Raise InputError where the code that a job loaded is not what its run started with.

    stamped: what `stamp` gave when the run started; folder: of the script.
    """
    try:
        script, *modules, expected = stamped.split()
        (Path(folder) / script).stat()
    except (AttributeError, ValueError, OSError):
        raise InputError(
            f"params: code is {stamped!r}, and no fingerprint; leave it out where a rule of this "
            "workflow is used with other params"
        ) from None
    if fingerprint(Path(folder) / script, *modules) != expected:
        raise InputError(
            f"the code behind {script} was edited while the run was going on, and results would be "
            "made by two versions; run the same command again"
        )


def check_run(*versions: str, in_job: bool) -> None:
    """Raise InputError in a job on a cluster, which reads configuration and code anew, where they
    are not what its run started with.

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
    tree = ast.parse(path.read_text())
    imports: list[Path | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [_source(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.append(_source(node.module))
            imports += [_source(f"{node.module}.{alias.name}") for alias in node.names]
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree), [path for path in imports if path]


def _source(module: str) -> Path | None:
    """The file of a module of the package; None for anything else."""
    package, *rest = module.split(".")
    if package != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None
