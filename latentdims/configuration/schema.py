"""The schema of the configuration: its defaults, types, and errors in words."""

from collections.abc import Mapping
from typing import Any

import jsonschema

from latentdims.errors import nearest

WORDS = {"true": True, "false": False}
NOTHING = (None, "null")  # also as Snakemake hands it on from the command line


def complete(value: Any, schema: Mapping[str, Any]) -> Any:
    """Fill in defaults, sort keys, and turn text into numbers where the schema expects them."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        others = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        other = next((other for other in others if isinstance(other, Mapping)), {})
        defaults = {key: part["default"] for key, part in known.items() if "default" in part}
        return {
            key: complete(part, known.get(key, other))
            for key, part in sorted({**defaults, **value}.items())
            if part not in NOTHING or "patternProperties" not in schema
        }
    if isinstance(value, list):
        return [complete(part, schema.get("items", {})) for part in value]
    if "boolean" in types and isinstance(value, str):
        return WORDS.get(value, value)
    if value == "null" and "null" in types:
        return None
    if isinstance(value, str) and "number" in types:
        return _number(value)
    if isinstance(value, str | float) and "integer" in types:
        number = _number(value)
        return int(number) if isinstance(number, float) and number.is_integer() else value
    return float(value) if types == ["number"] and type(value) is int else value


def plain(value: Any) -> Any:
    """The same value with text that is a whole number, true or false converted, also in lists."""
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    number = _number(value) if isinstance(value, str) else value
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _number(text: str | float) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def explain(error: jsonschema.ValidationError) -> str:
    """One line: the key, what was found, what is expected."""
    key = ".".join(str(part) for part in error.absolute_path)
    prefix = f"{key}: " if key else ""
    found = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            patterns = list(error.schema.get("patternProperties", {}))
            unknown = next(
                name
                for name in found
                if name not in known and not any(_matches(p, name) for p in patterns)
            )
            full = f"{key}.{unknown}" if key else str(unknown)
            if patterns:
                return f"{full}: names may contain only letters, digits, '_' and '-'; rename it"
            return f"{full}: unknown key; {nearest(unknown, known)}"
        case "required":
            missing = next(name for name in error.validator_value if name not in found)
            return f"{prefix}missing key '{missing}'; add it"
        case "enum":
            choices = nearest(found, map(_written, error.validator_value))
            return f"{prefix}unknown value {found!r}; {choices}"
        case "type":
            return f"{prefix}found {found!r}, expected {_type_name(error.validator_value)}"
        case "pattern":
            expected = error.validator_value.strip("^$")
            return f"{prefix}found {found!r}, expected '{expected}' or a list"
        case _:
            return (
                f"{prefix}{error.message}; see {error.validator} in latentdims/config.schema.yaml"
            )


def _written(value: Any) -> str:
    """As YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _matches(pattern: str, name: str) -> bool:
    return jsonschema.Draft202012Validator({"pattern": pattern}).is_valid(name)


def _type_name(types: str | list[str]) -> str:
    names = {"object": "keys with values", "array": "a list", "string": "text", "null": "nothing"}
    names |= {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return " or ".join(names[each] for each in ([types] if isinstance(types, str) else types))
