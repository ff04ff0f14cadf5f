"""A fingerprint of the code behind a rule, so that an edit re-runs exactly what it reaches."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
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
