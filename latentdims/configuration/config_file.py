"""The configuration file, read strictly: surprises are refused in one line."""

import json
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from latentdims.errors import InputError

TAG = "tag:yaml.org,2002:"
NAMES = ("str", "int", "merge")  # what may stand as a key


def read(path: str | Path) -> dict[str, Any]:
    """The content of a YAML or JSON file.

    Raises InputError naming the file, the line and what to do, for a missing file, invalid text or
    YAML, a key that occurs twice, and a name that YAML reads as another type.
    """
    path = Path(path)
    try:
        if path.is_fifo() or path.is_char_device():  # it may never end, and can be read but once
            raise InputError(f"{path}: is a pipe or a device; give a file with a configuration")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":
            return _keys(json.loads(text, object_pairs_hook=_once), path)
        return _keys(yaml.load(text, _Loader), path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file{_beside(path)}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a file with a configuration") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply, or within itself") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    except yaml.MarkedYAMLError as error:
        where = f"{path}, line {error.problem_mark.line + 1}" if error.problem_mark else path
        raise InputError(f"{where}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def expanded(path: str) -> str:
    """A path with `~` and environment variables expanded; unknown ones stay unchanged."""
    # Path.expanduser raises an error where a user has no home.
    return os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111


class _Loader(yaml.SafeLoader):
    """Refuses keys that occur twice, and keys that YAML does not read as the written text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _problem(key, "a key is text; quote it")
            if key.tag.removeprefix(TAG) not in NAMES or (
                key.tag == f"{TAG}int" and str(self.construct_yaml_int(key)) != key.value
            ):
                value = self.construct_object(key)
                raise _problem(key, f"YAML reads {key.value or 'this'} as {value}; quote it")
            if key.value in seen:
                raise _problem(key, f"'{key.value}' is also in line {seen[key.value]}; keep one")
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _problem(node: yaml.Node, text: str) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"'{key}' is given twice; keep one")
        found[key] = value
    return found


def _keys(found: Any, path: Path) -> dict[str, Any]:
    if not isinstance(found, dict):
        what = "is empty" if found is None else f"holds {type(found).__name__} alone"
        raise InputError(f"{path}: {what}; give keys with values, as config.yaml does")
    json.dumps(found, default=str)  # raises where something holds itself
    return found


def _beside(path: Path) -> str:
    """A hint at the configurations in the folder of a missing file."""
    folder = path.parent
    found = sorted(str(each) for each in folder.glob("*.yaml")) if folder.is_dir() else []
    return f"; there are {', '.join(found[:5])}" if found else ""
