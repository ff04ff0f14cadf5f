"""Functions that make networks: one in a user's file, or a classifier of torchvision.

An architecture `torchvision:NAME` or `FILE.py:FUNCTION` names one. `check` only reads source code,
so that a workflow is planned without torch; `made` calls the function.
"""

import ast
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError, nearest
from latentdims.models.brought.beside import beside

if TYPE_CHECKING:  # the workflow is planned without torch
    from torch import nn

TORCHVISION = "torchvision"
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def file(architecture: str) -> Path | None:
    """The user's file in an architecture; None for a model of torchvision."""
    place = architecture.rpartition(":")[0]
    return None if place == TORCHVISION else Path(expanded(place))


def check(architecture: str) -> None:
    """Raise InputError if the function does not exist, as far as the source code shows."""
    name, path = architecture.rpartition(":")[2], file(architecture)
    if path is None:
        known, where = _models(), TORCHVISION
    elif path.suffix == ".py":
        known, where = _defined(path), str(path)
    else:
        raise InputError(
            f"architecture: found '{architecture}', expected a family, torchvision:NAME or "
            "FILE.py:FUNCTION"
        )
    if name not in known and "*" not in known:
        raise InputError(f"architecture: {where} has no '{name}'; {nearest(name, known)}")


@cache
def _models() -> list[str]:
    """Classifiers of torchvision, from its source code, because importing it takes seconds."""
    spec = find_spec(TORCHVISION)
    if spec is None or spec.origin is None:
        raise InputError("architecture: torchvision is not installed; `make run` installs it")
    found = []
    for path in sorted(Path(spec.origin).parent.joinpath("models").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                decorators = map(ast.unparse, node.decorator_list)
                found += [node.name for each in decorators if each.startswith("register_model")]
    return found


def _defined(path: Path) -> list[str]:
    """What a file defines or imports."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"architecture: there is no file {path}; paths begin at {Path.cwd()}"
        ) from None
    except (SyntaxError, ValueError) as error:
        raise InputError(f"architecture: {path} is not Python: {error}") from None
    return list(dict.fromkeys(_names(tree)))


def _names(tree: ast.AST) -> Iterator[str]:
    """Also under an `if` or a `try`; `*` for what another file has."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (each.asname or each.name for each in node.names)
        elif isinstance(node, ast.Assign):
            yield from (each.id for each in node.targets if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.If | ast.Try | ast.ExceptHandler):
            yield from _names(node)


def check_keys(architecture: str, keys: Mapping[str, Any]) -> None:
    """Raise InputError for keys that the function of a user's file does not take, or lacks, as far
    as its source shows. A function that is imported, decorated, or bound again is checked when it
    is called."""
    path, name = file(architecture), architecture.rpartition(":")[2]
    if path is None:
        return
    body = ast.parse(path.read_text(encoding="utf-8")).body
    bound = [node for node in body if {name, "*"} & {*_names(ast.Module([node], []))}]
    node = bound[0] if len(bound) == 1 else None
    itself = int(isinstance(node, ast.ClassDef))  # `self` comes first
    function = _initialiser(node) if isinstance(node, ast.ClassDef) else node
    if not isinstance(function, ast.FunctionDef):
        return
    if not (function.decorator_list or getattr(node, "decorator_list", [])):
        taken = dict(list(_parameters(function.args))[itself:])
        _check_keys(taken, {"image_shape": None, "classes": None, **keys}, architecture)


def _initialiser(node: ast.ClassDef) -> ast.AST | None:
    """What takes the arguments of a class, where that does not inherit it."""
    return next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)


def _parameters(found: ast.arguments) -> Iterator[tuple[str, inspect.Parameter]]:
    """By name, as `inspect` would have them."""
    placed = [*found.posonlyargs, *found.args]
    optional = {each.arg for each in placed[len(placed) - len(found.defaults) :]}
    named = zip(found.kwonlyargs, found.kw_defaults, strict=True)
    optional |= {each.arg for each, default in named if default is not None}
    for each in (*placed, *found.kwonlyargs):
        default = None if each.arg in optional else inspect.Parameter.empty
        kind = inspect.Parameter.KEYWORD_ONLY
        yield each.arg, inspect.Parameter(each.arg, kind, default=default)
    if found.kwarg:
        yield found.kwarg.arg, inspect.Parameter(found.kwarg.arg, inspect.Parameter.VAR_KEYWORD)


def made(
    architecture: str,
    keys: Mapping[str, Any],
    *,
    image_shape: tuple[int, int, int],
    classes: int,
) -> "nn.Module":
    """The module that the function returns for images of a shape (C, H, W) and further keys.

    A user's function takes `image_shape` and `classes`; one of torchvision takes `num_classes` and
    the keys of the class that it returns. Raises InputError if it takes other keys, raises an
    error, or returns no module.
    """
    from torch import nn

    name, path = architecture.rpartition(":")[2], file(architecture)
    if path is None:
        from latentdims import torchvision

        ours: dict[str, Any] = {"num_classes": classes, "weights": None}
        make = getattr(torchvision.load("models"), name)
    else:
        ours = {"image_shape": image_shape, "classes": classes}
        make = getattr(_imported(path.resolve()), name, None)
        if not callable(make):
            raise InputError(f"architecture: {path} has no function '{name}', when it is imported")
    for key in ours:
        if key in keys:
            why = "networks start at random" if key == "weights" else "it follows from the data set"
            raise InputError(f"{key}: leave it out of the keys: {why}")
    given, taken = {**keys, **ours}, _taken(make, path)
    _check_keys(taken, given, architecture)
    if path is None and "init_weights" in taken:  # some warn where it is not given
        given.setdefault("init_weights", True)
    try:
        with beside(path.resolve().parent) if path else nullcontext():
            found = make(**given)
    except (Exception, SystemExit) as error:
        raise InputError(f"architecture: {architecture} {failed(error, path)}") from error
    if not isinstance(found, nn.Module):
        raise InputError(
            f"architecture: {architecture} returned {type(found).__name__}, expected a "
            "torch.nn.Module"
        )
    return found


def _taken(make: Callable[..., Any], path: Path | None) -> Mapping[str, inspect.Parameter]:
    """What a function takes. One of torchvision hands keys on to the class that it returns, and
    some of those pass over what they do not know."""
    signature = inspect.signature(make)
    if path is not None:
        return signature.parameters
    handed_on = inspect.signature(signature.return_annotation).parameters.values()
    optional = [each.replace(default=None) for each in handed_on if each.kind not in VARIABLE]
    own = [each for each in signature.parameters.values() if each.kind not in VARIABLE]
    return {each.name: each for each in (*optional, *own)}


def _check_keys(
    taken: Mapping[str, inspect.Parameter], given: Mapping[str, Any], architecture: str
) -> None:
    parameters = taken.values()
    known = [each.name for each in parameters if each.kind not in VARIABLE]
    anything = any(each.kind is each.VAR_KEYWORD for each in parameters)
    ours = ["small_images"] if file(architecture) is None else []
    for key in given:
        if key not in known and not anything:
            hint = nearest(key, [*known, *ours] or ["nothing"])
            raise InputError(f"{key}: {architecture} does not take it; {hint}")
    for each in parameters:
        required = each.default is each.empty and each.kind not in VARIABLE
        if required and each.name not in given:
            raise InputError(f"{each.name}: missing key of {architecture}; add it")


def _imported(path: Path) -> ModuleType:
    """A user's file as a module, which can import modules beside it. Random numbers that it draws,
    or seeds that it sets, on import do not affect others."""
    import torch

    name = f"{path.stem} of {path.parent}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with beside(path.parent), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        said = _relative(error) or f"{path} {failed(error, path)}"
        raise InputError(f"architecture: {said}") from error
    return module


def _relative(error: BaseException) -> str:
    """What to write instead of a relative import; empty for any other error."""
    if not (isinstance(error, ImportError) and "relative import" in str(error)):
        return ""
    last = traceback.extract_tb(error.__traceback__)[-1]
    found = re.fullmatch(r"from (\.+)(.*?) *(import.*)", last.line or "")
    beside = found and len(found[1]) == 1
    instead = f"`{f'from {found[2]} ' * bool(found[2])}{found[3]}`, or " if found and beside else ""
    return (
        f"{last.filename} is not imported as part of a package, so `{last.line}` in line "
        f"{last.lineno} fails; write {instead}a file beside the package that imports the function, "
        "and name that one"
    )


def failed(error: BaseException, path: Path | None) -> str:
    """The error, and the line of the user's file that raised it."""
    lines = [
        each.lineno
        for each in traceback.extract_tb(error.__traceback__)
        if path is not None and Path(each.filename) == path.resolve()
    ]
    where = f" in line {lines[-1]} of {path}" if lines else ""
    text = " ".join(str(error).split())
    return f"raised {type(error).__name__}{where}: {text}"
