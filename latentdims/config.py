"""The configuration: filled in with defaults and checked."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from latentdims import datasets, families, published, ranks, recipe
from latentdims.config_file import expanded
from latentdims.errors import InputError, nearest

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "latentdims" / "config.schema.yaml"

WORDS = {"true": True, "false": False}
NOTHING = (None, "null")  # also as Snakemake hands it on from the command line
# Folders beside those of data sets.
RESERVED = ("download", "figures", "logs", "resources")
# Of the project: what is made there would lie among its code.
PROJECT = {
    *(".ci", ".git", ".snakemake", ".venv", "benchmarks", "configs", "docs", "envs", "latentdims"),
    *("profiles", "report", "resources", "rules", "scripts", "tests"),
}


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in, keys sorted, and numbers as numbers.

    Text that is a number where a number is expected is taken for it, since YAML reads 1e-3 as
    text, and Snakemake hands on as text what stands in braces on the command line.
    Raises InputError naming the key, what was found, and what to do.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    resolved = _complete(_named(config), schema)
    for error in jsonschema.Draft202012Validator(schema).iter_errors(resolved):
        raise InputError(_explain(error))
    _check_finite(resolved)
    resolved["results"] = _folder(resolved["results"])
    for name, dataset in resolved["datasets"].items():
        if name in RESERVED:
            raise InputError(f"datasets.{name}: this name is reserved; choose another")
        resolved["datasets"][name] = datasets.of_source(name, dataset)
    # `together` changes how networks are trained, not the result.
    resolved["together"] = resolved["training"].pop("together")
    resolved["recipes"] = _recipes(resolved, schema["properties"]["training"])
    if resolved["alignment"]["pairs"] == "first" and resolved["alignment"]["partners"]:
        raise InputError(
            "alignment.partners: pairs: first leaves each seed one partner; remove one of the keys"
        )
    shown = resolved["generation"].pop("alignment_images")
    resolved["alignment_images"] = None if shown == "all" else shown
    resolved["generation"] = _procedures(resolved, schema["properties"]["generation"])
    for name, network in resolved["networks"].items():
        resolved["networks"][name] = network = {
            key: value if key == "architecture" else _plain(value)
            for key, value in network.items()
            if value not in NOTHING
        }
        _check_network(name, network, resolved)
    resolved["published"] = published.published(resolved)
    return resolved


def _folder(results: str) -> str:
    """The folder of results as Snakemake takes it. Raises InputError for one it cannot use."""
    folder = os.path.normpath(expanded(results))
    if folder == ".":
        raise InputError(f"results: {results!r} is the working folder itself; name one within it")
    if unknown := re.match(r"~[^/]*", folder) or re.search(r"\$\w+|\$\{\w+\}", folder):
        raise InputError(
            f"results: {unknown[0]} in {results!r} is not defined here; write the path in full"
        )
    if wrong := re.search(r"[{}<>*?\[\]\x00-\x1f\x7f]|^\s|\s$", folder):
        raise InputError(f"results: {results!r} holds {wrong[0]!r}; name a folder without it")
    full = Path(folder).resolve()
    within = full.relative_to(ROOT).parts[:1] if full.is_relative_to(ROOT) else ("elsewhere",)
    if not within or within[0] in PROJECT:
        raise InputError(f"results: {results!r} is a folder of the project; name one of its own")
    return folder


def _named(value: Any, key: str = "") -> Any:
    """The same with every name as text: YAML reads `64` as a number, and `no` as false.

    Raises InputError for a name of another kind, since its text is lost by then.
    """
    if isinstance(value, list):
        return [_named(part, key) for part in value]
    if not isinstance(value, Mapping):
        return value
    named: dict[str, Any] = {}
    for name, part in value.items():
        full = f"{key}.{name}" if key else str(name)
        if not isinstance(name, str) and type(name) is not int:
            raise InputError(f"{full}: YAML reads this name as {name!r}; quote it")
        if str(name) in named:
            raise InputError(f"{full}: this name is given twice, as number and text; remove one")
        named[str(name)] = _named(part, full)
    return named


def _complete(value: Any, schema: Mapping[str, Any]) -> Any:
    """Fill in defaults, sort keys, and turn text into numbers where the schema expects them."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if isinstance(value, Mapping):
        known = schema.get("properties", {})
        others = [*schema.get("patternProperties", {}).values(), schema.get("additionalProperties")]
        other = next((other for other in others if isinstance(other, Mapping)), {})
        defaults = {key: part["default"] for key, part in known.items() if "default" in part}
        return {
            key: _complete(part, known.get(key, other))
            for key, part in sorted({**defaults, **value}.items())
            if part not in NOTHING or "patternProperties" not in schema
        }
    if isinstance(value, list):
        return [_complete(part, schema.get("items", {})) for part in value]
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


def _plain(value: Any) -> Any:
    """Text that is a whole number, or true or false, as that, also in lists."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, str) and value in WORDS:
        return WORDS[value]
    number = _number(value) if isinstance(value, str) else value
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _check_finite(value: Any, key: str = "") -> None:
    """Raise InputError for NaN and infinity, which the schema accepts."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{key}: found {value}, expected a finite number")
    parts = value.items() if isinstance(value, Mapping) else ()
    for name, part in enumerate(value) if isinstance(value, list) else parts:
        _check_finite(part, f"{key}.{name}" if key else str(name))


def _number(text: str | float) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _explain(error: jsonschema.ValidationError) -> str:
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
                return f"{full}: names may hold only letters, digits, '_' and '-'; rename it"
            return f"{full}: unknown key; {nearest(unknown, known)}"
        case "required":
            missing = next(name for name in error.validator_value if name not in found)
            return f"{prefix}missing key '{missing}'; add it"
        case "enum":
            choices = nearest(found, map(str, error.validator_value))
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


def _matches(pattern: str, name: str) -> bool:
    return jsonschema.Draft202012Validator({"pattern": pattern}).is_valid(name)


def _type_name(types: str | list[str]) -> str:
    names = {"object": "keys with values", "array": "a list", "string": "text", "null": "nothing"}
    names |= {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return " or ".join(names[each] for each in ([types] if isinstance(types, str) else types))


def _check_epochs(training: Mapping[str, Any]) -> None:
    for epoch in training["keep_epochs"]:
        if epoch > training["epochs"]:
            raise InputError(
                f"training.keep_epochs: {epoch} is beyond the last epoch, {training['epochs']}"
            )


def _recipes(resolved: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """How each network is trained, by name: `training`, and what the network overrides."""
    known = {key: part for key, part in schema["properties"].items() if key != "together"}
    own_schema = {**schema, "properties": known}
    found = {}
    for name, network in resolved["networks"].items():
        own = (network or {}).pop("training", None) or {}
        key = f"networks.{name}.training" if own else "training"
        merged = _complete({**resolved["training"], **own}, own_schema)
        for error in jsonschema.Draft202012Validator(own_schema).iter_errors(merged):
            raise InputError(f"{key}.{_explain(error)}")
        try:
            _check_epochs(merged)
            recipe.check(merged)
        except InputError as error:
            raise InputError(f"{key}.{str(error).removeprefix('training.')}") from None
        if merged["schedule"] != "steps":
            merged |= {"milestones": [], "factor": None}
        found[name] = merged
    return found


def _procedures(resolved: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """How networks are drawn, by name: as published, the null of that, and the variants, each with
    one rank."""
    generation = resolved["generation"]
    (variant,) = schema["properties"]["variants"]["patternProperties"].values()
    shared = {"draws": generation["draws"], "classifiers": generation["classifiers"]}
    procedures = {"published": _complete(shared, variant)}
    if generation["white_draws"]:
        null = {"covariances": "white", "draws": generation["white_draws"]}
        procedures["white"] = {**procedures["published"], **null}
    taken: set[str] = set()  # names of results
    for name, options in generation["variants"].items():
        key = f"generation.variants.{name}"
        _check_variant(name, options, key=key, seeds=resolved["seeds"])
        options = {**options, "draws": options["draws"] or generation["draws"]}
        rank = options["rank"]
        several = isinstance(rank, list)
        for each in rank if several else [rank]:
            full = f"{name}_{each}" if several else name
            # Each classifier has results of its own, under a name of its own.
            new = {full, *(f"{full}_{classifier}" for classifier in options["classifiers"])}
            for same in taken & new:
                raise InputError(f"{key}: another variant has results {same}, too; rename one")
            taken |= new
            procedures[full] = {**options, "rank": each}
    return procedures


def _check_variant(name: str, options: Mapping[str, Any], *, key: str, seeds: int) -> None:
    if name in ("published", "flattened", "retrained", "deviation_over_draws"):
        raise InputError(f"{key}: this name is reserved; choose another")
    for start in ("white", "above_white"):
        if name.startswith(start):
            raise InputError(
                f"{key}: names that begin with '{start}' are reserved for the null; choose another"
            )
    if options["covariances"] == "averaged" and seeds < 2:
        raise InputError(
            f"{key}.covariances: an average needs two networks or more; give seeds: 2, or "
            "leave the variant out"
        )
    if options["covariances"] == "white" and options["rank"] != "all":
        raise InputError(
            f"{key}.rank: found {options['rank']}, but the components of white covariances are all "
            "alike, and none come first; leave rank out"
        )


def _check_network(name: str, network: Mapping[str, Any], resolved: Mapping[str, Any]) -> None:
    """Check that the architecture exists, and fits every data set of a known shape."""
    try:
        if families.of(network).alone and resolved["together"]:
            raise InputError(
                f"training.together: {network['architecture']} networks train alone; set it to "
                "false"
            )
        for dataset in resolved["datasets"].values():
            known = datasets.image_shape(dataset)
            if known:
                found = families.described(network, image_shape=known[0], classes=known[1])
                clipping = resolved["clipping"]
                ranks.check_ranks(found, bases=clipping["bases"], ranks=clipping["ranks"])
                for variant, options in resolved["generation"].items():
                    key = f"generation.variants.{variant}"
                    ranks.check_sampled(found, options, key=key)
    except InputError as error:
        elsewhere = str(error).startswith(("clipping.", "generation.", "training."))
        raise InputError(f"{'' if elsewhere else f'networks.{name}.'}{error}") from None
