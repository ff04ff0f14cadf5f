"""The quantities of the summary: one list of their names, units and layers.

The summary takes its units from here, so that it holds no other quantity; published numbers are
checked against it before anything runs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from latentdims import architectures
from latentdims.errors import InputError, nearest
from latentdims.measured import CENTRINGS
from latentdims.storage import SPLITS, STAGES


@dataclass(frozen=True)
class Quantity:
    """Its unit, the layers that it is of, and how many seeds and draws it takes."""

    unit: str
    layers: str = ""  # none, "hidden" or "all"
    seeds: int = 1
    draws: int = 1


SINGLE = {  # numbers, by names with the fields below in braces
    "{split}_accuracy": Quantity("percent"),
    "{split}_loss": Quantity("nats"),
    "similarity_{split}_{centring}_{pairing}": Quantity("1", "all", seeds=2),
    "variance_explained_{split}_{centring}_{pairing}": Quantity("1", "all", seeds=2),
    "variance_explained_by_mean_{split}_centred_{stage}": Quantity("1", "all", seeds=3),
    "learned_components_{chance}": Quantity("1", "all"),
    "marchenko_pastur_edge": Quantity("1", "all"),
    "identified_eigenvectors_{moment}": Quantity("1", "all"),
    "participation_ratio_{moment}": Quantity("1", "all"),
    "effective_rank_{moment}": Quantity("1", "all"),
    "power_law_exponent_{moment}": Quantity("1", "all"),
    "power_law_exponent_range_{moment}": Quantity("1", "all"),
    "rank_within_1_point_weight": Quantity("1", "all"),
    "rank_within_1_point_{basis}": Quantity("1", "hidden"),
    "chance_accuracy": Quantity("percent"),
    "test_calibration_error": Quantity("percent"),
    "generated_accuracy{way}": Quantity("percent"),
    "generated_accuracy{way}_deviation_over_draws": Quantity("percent", draws=2),
    "generated_loss{way}": Quantity("nats"),
    "generated_loss{way}_deviation_over_draws": Quantity("nats", draws=2),
    "generated_calibration_error{way}": Quantity("percent"),
    "generated_calibration_error{way}_deviation_over_draws": Quantity("percent", draws=2),
    "generated_retention{way}": Quantity("1"),
    "generated_similarity{procedure}": Quantity("1", "hidden"),
    "generated_similarity{procedure}_deviation_over_draws": Quantity("1", "hidden", draws=2),
}
CURVES = {  # point by point
    "{split}_accuracy_by_epoch": Quantity("percent"),
    "{split}_loss_by_epoch": Quantity("nats"),
    "eigenvalue_weight_{stage}": Quantity("1", "all"),
    "eigenvalue_{moment}_{stage}": Quantity("activation^2", "all"),
    "eigenvalue_{moment}_held_out_{stage}": Quantity("activation^2", "all"),
    "subspace_overlap_activation_{stage}": Quantity("1", "all", seeds=2),
    "subspace_overlap_weight_{stage}": Quantity("1", "all", seeds=2),
    "clipped_accuracy_weight": Quantity("percent", "all"),
    "clipped_accuracy_{basis}": Quantity("percent", "hidden"),
}
FIELDS: dict[str, tuple[str, ...]] = {
    "split": SPLITS,
    "centring": CENTRINGS,
    "stage": tuple(STAGES),
    "pairing": (*STAGES, "shuffled"),
    "moment": ("second_moment", "covariance"),
    "chance": ("theory", "simulation", "bulk", "initial"),
}
ANY = {"basis": r"\w+", "procedure": r"(?:_\w+)?", "way": r"(?:_\w+)?"}  # named by a configuration


@cache
def unit(name: str) -> str:
    """The unit of a quantity of the summary. Raises KeyError for one that is not on the list."""
    words = {field: f"(?:{'|'.join(choices)})" for field, choices in FIELDS.items()} | ANY
    for pattern, quantity in {**SINGLE, **CURVES}.items():
        if re.fullmatch(pattern.format(**words), name):
            return quantity.unit
    raise KeyError(name)


def published(settings: Mapping[str, Any]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """The published numbers of a configuration, checked, by data set, network and quantity.

    settings: the configuration, complete. Numbers that its seeds or draws are too few for are left
    out. Raises InputError for an unknown data set, network, quantity or layer, and for what is not
    a number.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for dataset, networks in settings["published"].items():
        _check_known(dataset, settings["datasets"], "data set", key="published")
        for network, numbers in networks.items():
            key = f"published.{dataset}"
            _check_known(network, settings["networks"], "network", key=key)
            known = dict(of_network(settings["networks"][network], settings))
            for name, values in numbers.items():
                _check_numbers(values, key=f"{key}.{network}.{name}")
                if _is_measured(name, known, key=f"{key}.{network}.{name}"):
                    found.setdefault(dataset, {}).setdefault(network, {})[name] = values
    return found


def _check_known(name: str, choices: Mapping[str, Any], what: str, *, key: str) -> None:
    if name not in choices:
        raise InputError(f"{key}.{name}: no such {what}; {nearest(name, choices)}")


def _check_numbers(values: list[float], *, key: str) -> None:
    if not values:
        raise InputError(f"{key}: holds no number; give one, or leave the key out")


def _is_measured(name: str, known: Mapping[str, tuple[list[str], bool]], *, key: str) -> bool:
    """Whether a quantity, perhaps with a layer behind a slash, will be in the summary."""
    quantity, _, layer = name.partition("/")
    if quantity not in known:
        raise InputError(f"{key}: no such quantity; {nearest(quantity, known)}")
    layers, measured = known[quantity]
    if layer and not layers:
        raise InputError(f"{key}: is not of a layer; write {quantity}")
    if layers and not layer:
        raise InputError(f"{key}: is of a layer; write {quantity}/{layers[0]}")
    if layers and layer not in layers:
        raise InputError(f"{key}: no such layer; {nearest(layer, layers)}")
    return measured


def of_network(
    network: Mapping[str, Any], settings: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[list[str], bool]]]:
    """Every single number of a network by name: its layers, and whether seeds and draws are enough.

    network: its settings.
    """
    # Names and kinds of layers are those of images of any size.
    chain = architectures.layers(network, input_shape=(1, 1 << 50, 1 << 50), classes=2)
    layers = {"": [], "all": [layer.name for layer in chain]}
    layers["hidden"] = layers["all"][:-1]
    spatial = len(chain[-1].input_shape) > 1
    seeds = (
        settings["seeds"] if settings["alignment"]["pairs"] == "all" else min(settings["seeds"], 2)
    )
    ways = _ways(settings["generation"], spatial=spatial)
    fields = {
        **FIELDS,
        "basis": [basis for basis in settings["clipping"]["bases"] if basis != "weight"],
        "procedure": [f"_{name}" if name != "published" else "" for name in settings["generation"]],
        "way": list(ways),
    }
    for pattern, quantity in SINGLE.items():
        used = re.findall(r"{(\w+)}", pattern)
        for words in product(*(fields[field] for field in used)):
            drawn = max((ways.get(word, 0) for word in words), default=0)
            enough = seeds >= quantity.seeds and (drawn >= quantity.draws or quantity.draws == 1)
            name = pattern.format(**dict(zip(used, words, strict=True)))
            if name != "rank_within_1_point_weight" or "weight" in settings["clipping"]["bases"]:
                yield name, (layers[quantity.layers], enough)


def _ways(procedures: Mapping[str, Mapping[str, Any]], *, spatial: bool) -> dict[str, int]:
    """Number of draws by what the names of quantities end with, for each procedure and classifier.

    spatial: whether the classifier reads more than channels, so that flattening changes something.
    """
    ways = {}
    for name, options in procedures.items():
        procedure = f"_{name}" if name != "published" else ""
        ways[procedure] = options["draws"]
        for classifier in options["classifiers"]:
            if spatial or classifier != "flattened":
                ways[f"{procedure}_{classifier}"] = options["draws"]
    return ways
