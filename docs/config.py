"""Write docs/config.md, the page of every key, from the schema of the configuration: make pages."""

import dataclasses
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from latentdims.models import families  # noqa: E402

SCHEMA = ROOT / "latentdims" / "config.schema.yaml"
PAGE = ROOT / "docs" / "config.md"
INTRODUCTION = """# The configuration, key by key

`make pages` writes this page from
[`latentdims/config.schema.yaml`](../latentdims/config.schema.yaml), which also checks every
configuration.
[`config.yaml`](../config.yaml) is a short example with comments.

- A key without a default is optional, unless it is marked *required*.
- `<name>` stands for a name of your choice. Names may be numbers. Quote names that YAML reads as
  something else, such as `no`, `on` and `1.5`.
- Paths may contain `~` and environment variables. Relative paths start from the working folder.
- Numeric strings are converted where a number is expected, so that `1e-3` works.
- `--config` changes keys for one run: [running.md](running.md#other-values-for-keys-of-the-file).
"""
ARCHITECTURES = """## Keys of each architecture

[networks.md](networks.md) describes these families. For `torchvision:NAME` and `FILE.py:FUNCTION`,
all further keys are handed to the function; `small_images: true` adapts a classifier of torchvision
to small images ([own.md](own.md)).
"""
TYPES = {  # in words
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true` or `false`",
    "null": "null",
    "object": "keys",
}
LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
}

Schema = Mapping[str, Any]


def page() -> str:
    """The text of docs/config.md."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    parts = [INTRODUCTION, *sections(schema, ""), ARCHITECTURES, *architectures()]
    return "\n".join(parts)


def sections(schema: Schema, place: str) -> Iterator[str]:
    """A table of the keys at a place, then the same of each key that has keys of its own."""
    required = schema.get("required", [])
    if place:
        yield f"## `{place}`\n"
        yield f"{sentence(schema)}\n"
    yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    for key, part in schema["properties"].items():
        cells = [f"`{key}`", values(part), default(part, required=key in required), sentence(part)]
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
    yield ""
    for key, part in schema["properties"].items():
        below = f"{place}.{key}" if place else key
        if "properties" in part:
            yield from sections(part, below)
        for named in part.get("patternProperties", {}).values():
            described = {"description": part["description"], **named}
            yield from sections(described, f"{below}.<name>")


def sentence(schema: Schema) -> str:
    """The description of a key on one line; what it is for is set in italics."""
    text = " ".join(schema.get("description", "").split())
    return re.sub(r"(^|\. )(embedded|torchvision|imagefolder|sgd|steps): ", r"\1*\2*: ", text)


def values(schema: Schema) -> str:
    """What a key takes, with its limits, in words."""
    if "enum" in schema:
        return _choices(schema["enum"])
    if schema.get("patternProperties"):
        return "names with keys"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    found = []
    for kind in sorted(kinds, key=lambda kind: kind == "null"):
        if kind == "array":
            found.append(_list(schema))
        elif kind == "string" and "pattern" in schema:
            found.append(f"`{schema['pattern'].strip('^$')}`")
        else:
            found.append(TYPES[kind] + (_limits(schema) if kind in ("integer", "number") else ""))
    return " or ".join(found)


def _list(schema: Schema) -> str:
    items = schema.get("items", {})
    one = _choices(items["enum"], ", ") if "enum" in items else values(items)
    length = {schema.get("minItems"), schema.get("maxItems")}
    count = f"{length.pop()} × " if len(length) == 1 and None not in length else ""
    return f"list of {count}{one}" if one else "list"


def _choices(choices: list[Any], last: str = " or ") -> str:
    *others, end = map(written, choices)
    return f"{', '.join(others)}{last}{end}" if others else end


def _limits(schema: Schema) -> str:
    found = [words.format(schema[key]) for key, words in LIMITS.items() if key in schema]
    return f" {', '.join(found)}" if found else ""


def default(schema: Schema, *, required: bool) -> str:
    if required:
        return "*required*"
    return written(schema["default"]) if "default" in schema else ""


def written(value: Any) -> str:
    """A value as YAML has it, on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
    return "" if value == {} else f"`{text}`"


def architectures() -> Iterator[str]:
    """Tables of the fields of each family of networks."""
    for module in pkgutil.iter_modules(families.__path__):
        family = import_module(f"{families.__name__}.{module.name}").Family
        yield f"### `architecture: {module.name}`\n\n{first_line(family)}\n"
        yield "| key | value | default | meaning |\n| --- | --- | --- | --- |"
        for field in dataclasses.fields(family):
            has_default = field.default is not dataclasses.MISSING
            shown = written(field.default) if has_default else "*required*"
            yield f"| `{field.name}` | {kind(field)} | {shown} | {meaning(family, field.name)} |"
        yield ""


def first_line(family: type) -> str:
    return " ".join((family.__doc__ or "").split("\n\n")[0].split())


def meaning(family: type, key: str) -> str:
    """What the docstring of a family, or of a class that it extends, says of a key."""
    for each in family.__mro__:
        text = " ".join((each.__doc__ or "").split())
        if found := re.search(rf"(?:^|\. ){key}: (.*?)\.(?= \w+: |$)", text):
            return f"{found[1][0].upper()}{found[1][1:]}."
    raise LookupError(f"{family.__module__}: the docstring of Family says nothing of {key}")


def kind(field: dataclasses.Field[Any]) -> str:
    """What a field of a family takes, in words."""
    least = field.metadata.get("least", 1)
    words = str(getattr(field.type, "__name__", field.type))
    if choices := getattr(field.type, "__args__", None):
        if all(isinstance(choice, str) for choice in choices):
            return _choices(list(choices))
        words = " or ".join(getattr(choice, "__name__", str(choice)) for choice in choices)
    if str(field.type) == "list[int]":
        return f"list of whole numbers ≥ {least}"
    names = {"int": f"whole number ≥ {least}", "float": "number > 0", "bool": TYPES["boolean"]}
    return re.sub(r"\w+", lambda name: {**names, "NoneType": "null"}.get(name[0], name[0]), words)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
