"""docs/config.md: every key of the configuration, as the schema has it now."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from latentdims.configuration.config import SCHEMA

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def config():
    """docs/config.py."""
    spec = importlib.util.spec_from_file_location("config_page", ROOT / "docs" / "config.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(config):
    kept = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert config.page() == kept, "docs/config.md is out of date; run: make pages"


def keys(schema, place=""):
    """Every key of a schema, with the section that it is in."""
    for key, part in schema.get("properties", {}).items():
        yield place, key
        yield from keys(part, f"{place}.{key}".strip("."))
        for named in part.get("patternProperties", {}).values():
            yield from keys(named, f"{place}.{key}.<name>".strip("."))


def test_every_key_is_in_its_section(config):
    sections = dict(re.findall(r"^## `(.*?)`\n(.*?)(?=^## |\Z)", config.page(), re.M | re.DOTALL))
    sections[""] = config.page().partition("\n## ")[0]
    found = list(keys(yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))))
    assert len(found) > 80
    assert [(place, key) for place, key in found if f"\n| `{key}` |" not in sections[place]] == []


RANGE = {"exclusiveMinimum": 0, "maximum": 2}
WHOLE = {"type": "integer"}
PAIR = {"minItems": 2, "maxItems": 2}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({**WHOLE, "minimum": 3}, "whole number ≥ 3"),
        ({"type": ["null", "number"], **RANGE}, "number > 0, ≤ 2 or null"),
        ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`"),
        (
            {"type": ["string", "array"], "pattern": "^all$", "items": WHOLE},
            "`all` or list of whole number",
        ),
        ({"type": "array", **PAIR, "items": {"type": "number"}}, "list of 2 × number"),
        ({"type": "array", "items": {"enum": ["x", "y"]}}, "list of `x`, `y`"),
        ({"type": "object", "patternProperties": {"^a$": {}}}, "names with keys"),
        ({}, ""),
    ],
)
def test_limits_in_words(config, schema, words):
    assert config.values(schema) == words


def test_defaults_are_written_as_in_yaml(config):
    assert config.default({"default": 0.1}, required=False) == "`0.1`"
    assert config.default({"default": None}, required=False) == "`null`"
    assert config.default({"default": ["a", "b"]}, required=False) == "`[a, b]`"
    assert config.default({"default": {}}, required=False) == ""
    assert config.default({}, required=True) == "*required*"


def test_a_key_of_a_family_needs_an_explanation(config):
    class Family:
        """Networks.

        depth: number of layers. width: neurons
        in each.
        """

    assert config.meaning(Family, "width") == "Neurons in each."
    assert config.meaning(Family, "depth") == "Number of layers."
    with pytest.raises(LookupError, match="says nothing of height"):
        config.meaning(Family, "height")
