"""The quantities of the summary: one list of their names, units, layers and columns.

The summary takes its units from here, so that it holds no other quantity; published numbers are
checked against it before anything runs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from latentdims import architectures
from latentdims.storage import SPLITS

ONE_RUN = "_of_one_run"  # ends the names of prediction intervals
WHITE = "white"


class Name(NamedTuple):
    """What a number is of, by the columns of the table; epoch: None where it has no meaning."""

    quantity: str
    layer: str = ""
    split: str = ""
    centring: str = ""
    epoch: float | None = None
    null: str = ""


@dataclass(frozen=True)
class Quantity:
    """Its unit, the layers that it is of, its columns, and how many seeds and draws it takes.

    layers: none, "hidden" or "all". nulls: beside the networks themselves.
    """

    unit: str
    layers: str = ""
    splits: tuple[str, ...] = ("",)
    centrings: tuple[str, ...] = ("",)
    nulls: tuple[str, ...] = ()
    seeds: int = 1
    draws: int = 1


BOTH = ("uncentred", "centred")  # eigenvalues of second moments, and of covariances
NULLS = ("untrained", "unrelated")
ASKED = ("{centring}",)  # the centrings of the configuration


def _of_pairs(*, nulls: tuple[str, ...] = ()) -> Quantity:
    return Quantity("1", "all", SPLITS, ASKED, nulls, seeds=2)


def _of_draws(unit: str, *, nulls: tuple[str, ...] = (), draws: int = 1) -> Quantity:
    return Quantity(unit, "", ("test",), nulls=nulls, draws=draws)


_SPECTRUM = Quantity("1", "all", ("train",), BOTH)
_DRAWN = Quantity("1", "hidden", ("train",), ("uncentred",), (WHITE,))
SINGLE = {  # numbers, by names with the fields below in braces
    "accuracy": Quantity("percent", splits=SPLITS),
    "loss": Quantity("nats", splits=SPLITS),
    "calibration_error": Quantity("percent", splits=("test",)),
    "chance_accuracy": Quantity("percent"),
    "similarity": _of_pairs(nulls=NULLS),
    "variance_explained": _of_pairs(nulls=NULLS),
    "similarity_above_untrained": _of_pairs(),
    "variance_explained_above_untrained": _of_pairs(),
    "similarity_p": _of_pairs(),
    "cka": Quantity("1", "all", SPLITS, ("centred",), NULLS, seeds=2),
    "cca": Quantity("1", "all", SPLITS, ("centred",), NULLS, seeds=2),
    "variance_explained_by_mean": Quantity(
        "1", "all", SPLITS, ("centred",), ("untrained",), seeds=3
    ),
    "learned_components_{chance}": Quantity("1", "all"),
    "marchenko_pastur_edge": Quantity("1", "all"),
    "identified_eigenvectors": _SPECTRUM,
    "participation_ratio": _SPECTRUM,
    "effective_rank": _SPECTRUM,
    "power_law_exponent": _SPECTRUM,
    "power_law_exponent_range": _SPECTRUM,
    "rank_within_1_point_weight": Quantity("1", "all", ("test",)),
    "rank_within_1_point_{basis}": Quantity("1", "hidden", ("test",)),
    "generated_accuracy{way}": _of_draws("percent", nulls=(WHITE,)),
    "generated_accuracy{way}_deviation_over_draws": _of_draws("percent", nulls=(WHITE,), draws=2),
    "generated_loss{way}": _of_draws("nats", nulls=(WHITE,)),
    "generated_loss{way}_deviation_over_draws": _of_draws("nats", nulls=(WHITE,), draws=2),
    "generated_calibration_error{way}": _of_draws("percent", nulls=(WHITE,)),
    "generated_calibration_error{way}_deviation_over_draws": _of_draws(
        "percent", nulls=(WHITE,), draws=2
    ),
    "retention_above_chance{way}": _of_draws("1"),
    "retention_above_white{classifier}": _of_draws("1"),
    "generated_accuracy_above_white{classifier}": _of_draws("percent"),
    "generated_similarity{procedure}": _DRAWN,
    "generated_similarity{procedure}_deviation_over_draws": Quantity(
        "1", "hidden", ("train",), ("uncentred",), (WHITE,), draws=2
    ),
}
CURVES = {  # point by point: their units alone are needed
    "accuracy_by_epoch": "percent",
    "loss_by_epoch": "nats",
    "weight_eigenvalue": "1",
    "eigenvalue": "activation^2",
    "subspace_overlap_activation": "1",
    "subspace_overlap_weight": "1",
    "clipped_accuracy_{basis}": "percent",
}
CHANCES = ("theory", "simulation", "bulk", "initial")
WORDS = {  # what stands for the fields, which a configuration names
    "chance": f"(?:{'|'.join(CHANCES)})",
    "basis": r"\w+",
    "way": r"(?:_\w+)?",
    "classifier": r"(?:_\w+)?",
    "procedure": r"(?:_\w+)?",
}


@cache
def unit(name: str) -> str:
    """The unit of a quantity of the summary. Raises KeyError for one that is not on the list."""
    units = {pattern: quantity.unit for pattern, quantity in SINGLE.items()} | CURVES
    for pattern, found in units.items():
        if re.fullmatch(pattern.format(**WORDS), name.removesuffix(ONE_RUN)):
            return found
    raise KeyError(name)


def of_network(network: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[Name, bool]:
    """Every single number of a network, without its epoch, and whether seeds and draws are enough.

    network: its settings; settings: the configuration, complete.
    """
    # Names and kinds of layers are those of images of any size.
    chain = architectures.layers(network, input_shape=(1, 1 << 50, 1 << 50), classes=2)
    layers = {"": [""], "all": [layer.name for layer in chain]}
    layers["hidden"] = layers["all"][:-1]
    ways = _ways(settings["generation"], spatial=len(chain[-1].input_shape) > 1)
    null = {way.removeprefix(f"_{WHITE}") for way in ways if _is_white(way)}
    own = {way: draws for way, draws in ways.items() if not _is_white(way)}
    bases = settings["clipping"]["bases"]
    procedures = [name for name in settings["generation"] if name != WHITE]
    fields = {
        "chance": CHANCES,
        "basis": [basis for basis in bases if basis != "weight"],
        "way": list(own),
        "classifier": sorted(null),
        "procedure": ["" if name == "published" else f"_{name}" for name in procedures],
    }
    found: dict[Name, bool] = {}
    for pattern, quantity in SINGLE.items():
        if pattern == "rank_within_1_point_weight" and "weight" not in bases:
            continue
        used = re.findall(r"{(\w+)}", pattern)
        for words in product(*(fields[field] for field in used)):
            full = pattern.format(**dict(zip(used, words, strict=True)))
            for name in _columns(quantity, full, layers, settings):
                way = "".join(words) if quantity.nulls == (WHITE,) or quantity.draws > 1 else ""
                if name.null == WHITE and way not in null:
                    continue
                drawn = ways.get(f"_{WHITE}{way}" if name.null == WHITE else way, 0)
                enough = _seeds(settings) >= quantity.seeds
                found[name] = enough and (quantity.draws == 1 or drawn >= quantity.draws)
    return found


def _columns(
    quantity: Quantity,
    name: str,
    layers: Mapping[str, list[str]],
    settings: Mapping[str, Any],
) -> Iterator[Name]:
    """A quantity with each of its layers, splits, centrings and nulls."""
    asked = settings["alignment"]["centrings"]
    centrings = asked if quantity.centrings == ASKED else quantity.centrings
    columns = layers[quantity.layers], quantity.splits, centrings, ("", *quantity.nulls)
    for layer, split, centring, null in product(*columns):
        yield Name(name, layer, split, centring, None, null)


def _seeds(settings: Mapping[str, Any]) -> int:
    """Networks that are compared all with all; two where only some pairs are."""
    alignment, seeds = settings["alignment"], settings["seeds"]
    all_pairs = alignment["pairs"] == "all" and (alignment["partners"] or seeds) >= seeds - 1
    return seeds if all_pairs else min(seeds, 2)


def _is_white(way: str) -> bool:
    return way == f"_{WHITE}" or way.startswith(f"_{WHITE}_")


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
