"""The configuration: defaults filled in, and checked."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from latentdims.configuration import adopted, comparisons, procedures, published, ranks
from latentdims.configuration.config_file import expanded
from latentdims.configuration.schema import NOTHING, complete, explain, plain
from latentdims.errors import InputError, nearest
from latentdims.images import datasets
from latentdims.models import families, responses
from latentdims.recipes import recipe

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "latentdims" / "config.schema.yaml"

# Folders beside those of data sets, and what else is in files beside groups of their names.
RESERVED = (
    *("comparisons", "download", "figures", "logs", "resources"),
    *("centring", "epoch", "spectra", "split"),
)
# Of the project: what is made there would lie among its code.
PROJECT = {
    *(".ci", ".git", ".snakemake", ".venv", "benchmarks", "configs", "docs", "envs", "latentdims"),
    *("profiles", "report", "resources", "rules", "scripts", "tests"),
}


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every default filled in, keys sorted, and numbers as numbers.

    Numeric strings are converted where the schema expects a number: YAML reads 1e-3 as text, and so
    does Snakemake for values in braces on the command line. Raises InputError naming the key, what
    was found, and what to do.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    resolved = complete(comparisons.expand(_named(config)), schema)
    for error in jsonschema.Draft202012Validator(schema).iter_errors(resolved):
        raise InputError(explain(error))
    _check_finite(resolved)
    resolved["results"] = _folder(resolved["results"])
    for name, dataset in resolved["datasets"].items():
        if name in RESERVED:
            raise InputError(f"datasets.{name}: this name is reserved; choose another")
        resolved["datasets"][name] = datasets.of_source(name, dataset)
    # `together` changes how networks are trained, not the result.
    resolved["together"] = resolved["training"].pop("together")
    resolved["runs"] = _runs(resolved)
    resolved["preprocessing"] = _preprocessing(resolved)
    resolved["adopted"] = adopted.adopted(resolved["networks"], seeds=resolved["seeds"])
    resolved["seeds_of"] = {
        name: resolved["adopted"].get(name, resolved)["seeds"] for name in resolved["networks"]
    }
    resolved["recipes"] = _recipes(resolved, schema["properties"]["training"])
    resolved["kept"] = _kept(resolved)
    if resolved["alignment"]["pairs"] == "first" and resolved["alignment"]["partners"]:
        raise InputError(
            "alignment.partners: pairs: first compares each seed with one other; remove one of the "
            "two keys"
        )
    resolved["generation"] = procedures.procedures(resolved, schema["properties"]["generation"])
    for name, network in resolved["networks"].items():
        resolved["networks"][name] = network = {
            key: value if key == "architecture" else plain(value)
            for key, value in network.items()
            if value not in NOTHING
        }
        _check_network(name, network, resolved)
    procedures.check_drawn(resolved)
    resolved["comparisons"] = comparisons.comparisons(resolved)
    resolved["published"] = published.published(resolved)
    return resolved


def _folder(results: str) -> str:
    """The folder of results as Snakemake takes it. Raises InputError for one it cannot use."""
    folder = os.path.normpath(expanded(results))
    if folder == ".":
        raise InputError(f"results: {results!r} is the working folder itself; name a folder in it")
    if unknown := re.match(r"~[^/]*", folder) or re.search(r"\$\w+|\$\{\w+\}", folder):
        raise InputError(
            f"results: {unknown[0]} in {results!r} is not defined here; write the path in full"
        )
    if wrong := re.search(r"[{}<>*?\[\]\x00-\x1f\x7f]|^\s|\s$", folder):
        raise InputError(f"results: {results!r} contains {wrong[0]!r}; name a folder without it")
    full = Path(folder).resolve()
    within = full.relative_to(ROOT).parts[:1] if full.is_relative_to(ROOT) else ("elsewhere",)
    if not within or within[0] in PROJECT:
        raise InputError(f"results: {results!r} is a folder of the project; choose another")
    return folder


def _named(value: Any, key: str = "") -> Any:
    """The same with every name as text: YAML reads `64` as a number, and `no` as false.

    Raises InputError for a name of another type, whose text is lost by then.
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


def _check_finite(value: Any, key: str = "") -> None:
    """Raise InputError for NaN and infinity, which the schema accepts."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{key}: found {value}, expected a finite number")
    parts = value.items() if isinstance(value, Mapping) else ()
    for name, part in enumerate(value) if isinstance(value, list) else parts:
        _check_finite(part, f"{key}.{name}" if key else str(name))


def _check_epochs(training: Mapping[str, Any]) -> None:
    for epoch in training["keep_epochs"]:
        if epoch > training["epochs"]:
            raise InputError(
                f"training.keep_epochs: {epoch:g} is beyond the last epoch, {training['epochs']}"
            )


def _check_steps(training: Mapping[str, Any], network: str, resolved: Mapping[str, Any]) -> None:
    """Check the steps that are kept, for data sets whose number of images is known."""
    for dataset, name in resolved["runs"]:
        images = resolved["datasets"][dataset].get("train_samples")
        if name == network and images is not None:
            steps = recipe.steps_per_epoch(training, images=images)
            recipe.check_kept(training, steps_per_epoch=steps)


def _recipes(resolved: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """How each network is trained, by name: `training`, with the overrides of the network."""
    known = {key: part for key, part in schema["properties"].items() if key != "together"}
    own_schema = {**schema, "properties": known}
    found = {}
    for name, network in resolved["networks"].items():
        own = (network or {}).pop("training", None) or {}
        key = f"networks.{name}.training" if own else "training"
        merged = complete({**resolved["training"], **own}, own_schema)
        for error in jsonschema.Draft202012Validator(own_schema).iter_errors(merged):
            raise InputError(f"{key}.{explain(error)}")
        try:
            _check_epochs(merged)
            _check_steps(merged, name, resolved)
            recipe.check(merged)
        except InputError as error:
            raise InputError(f"{key}.{str(error).removeprefix('training.')}") from None
        if merged["schedule"] != "steps":
            merged |= {"milestones": [], "factor": None}
        found[name] = merged
    return found


def _kept(resolved: Mapping[str, Any]) -> dict[str, list[float]]:
    """The epochs in the file of each network, by name: the last is trained, 0 untrained."""
    found = {name: adopted.kept(asked) for name, asked in resolved["adopted"].items()}
    for name, training in resolved["recipes"].items():
        found.setdefault(name, sorted({0, *training["keep_epochs"], training["epochs"]}))
    return found


def _preprocessing(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The preprocessing of each data set for each network, by the names of both."""
    found: dict[str, Any] = {name: {} for name in resolved["datasets"]}
    own = {name: each.pop("preprocessing", None) for name, each in resolved["networks"].items()}
    for dataset, name in resolved["runs"]:
        seen = datasets.seen(resolved["datasets"][dataset], own[name])
        datasets.check_statistics(seen, key=f"networks.{name}")
        found[dataset][name] = seen["preprocessing"]
    return found


def _runs(resolved: Mapping[str, Any]) -> list[list[str]]:
    """Which data set is run with which network: all with all, unless a network names data sets."""
    asked = {}
    for name, network in resolved["networks"].items():
        given = network.pop("datasets", None)
        asked[name] = list(resolved["datasets"]) if given is None else given
        if not isinstance(asked[name], list) or not asked[name]:
            raise InputError(f"networks.{name}.datasets: found {given!r}, expected a list of names")
        for dataset in asked[name]:
            if dataset not in resolved["datasets"]:
                hint = nearest(str(dataset), resolved["datasets"])
                raise InputError(f"networks.{name}.datasets: no data set '{dataset}'; {hint}")
    return [
        [dataset, name]
        for dataset in resolved["datasets"]
        for name in asked
        if dataset in asked[name]
    ]


def _known(
    dataset: str, network: str, resolved: Mapping[str, Any]
) -> tuple[tuple[int, int, int], int] | None:
    """Shape (C, H, W) of the images that a network sees, and the number of its outputs, if they are
    known before images are read."""
    own = resolved["preprocessing"][dataset][network]
    found = datasets.image_shape(datasets.seen(resolved["datasets"][dataset], own))
    return found and (found[0], adopted.classes(resolved["adopted"].get(network), found[1]))


def _check_network(name: str, network: Mapping[str, Any], resolved: Mapping[str, Any]) -> None:
    """Check that the architecture exists, and fits every data set of a known shape."""
    try:
        families.of(network)
        if responses.are_given(network):
            families.outline(network)
        if families.is_brought(network) and not network.get("sites"):
            raise InputError(
                "sites: missing key: name the parts of the network that are compared; `make sites "
                f"CONFIG=... NETWORK={name}` lists them"
            )
        for dataset, of in resolved["runs"]:
            known = _known(dataset, name, resolved) if of == name else None
            if known and not families.is_brought(network) and not responses.are_given(network):
                found = families.described(network, image_shape=known[0], classes=known[1])
                clipping = resolved["clipping"]
                ranks.check_ranks(found, bases=clipping["bases"], ranks=clipping["ranks"])
                drawn = {} if found.undrawn else resolved["generation"]
                for variant, options in drawn.items():
                    key = f"generation.variants.{variant}"
                    ranks.check_sampled(found, options, key=key)
    except InputError as error:
        elsewhere = str(error).startswith(("clipping.", "generation."))
        raise InputError(f"{'' if elsewhere else f'networks.{name}.'}{error}") from None
