"""The quantities of the summary: one list of names, units, ranges, layers and columns.

The summary takes units and ranges from here, so it holds no other quantity. Published numbers are
checked against this list before anything runs.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from latentdims.models import families
from latentdims.models.epochs import UNTRAINED
from latentdims.statistics.scales import COSINE, PERCENT, POSITIVE, SHARE, Range
from latentdims.storage import SPLITS

ONE_RUN = "_of_one_run"  # ends the names of prediction intervals
WHITE = "white"
OF_DRAWS = ("generated_", "retention_")  # begin the names of what is of networks that are drawn


class Name(NamedTuple):
    """The identity of a number, by the columns of the table; epoch: None if it has no meaning."""

    quantity: str
    layer: str = ""
    split: str = ""
    centring: str = ""
    epoch: float | None = None
    null: str = ""


@dataclass(frozen=True)
class Quantity:
    """Its unit and range, its layers, its columns, and the seeds and draws that it needs.

    within: the range of its values, which its intervals respect; `NEURONS`: from 1 to the neurons
    of the layer. layers: none, "sites", only "hidden" ones, or "weights". nulls: in addition to the
    networks themselves.
    """

    unit: str
    within: Range | str
    layers: str = ""
    splits: tuple[str, ...] = ("",)
    centrings: tuple[str, ...] = ("",)
    nulls: tuple[str, ...] = ()
    seeds: int = 1
    draws: int = 1


BOTH = ("uncentred", "centred")  # eigenvalues of second moments, and of covariances
NULLS = (UNTRAINED, "unrelated")
ASKED = ("{centring}",)  # the centrings of the configuration
NEURONS = "neurons"
DIFFERENCE: Range = (-2, 2)  # of two cosines


def _of_pairs(within: Range, *, nulls: tuple[str, ...] = ()) -> Quantity:
    return Quantity("1", within, "sites", SPLITS, ASKED, nulls, seeds=2)


def _measure(within: Range) -> Quantity:
    return Quantity("1", within, "sites", SPLITS, ("centred",), NULLS, seeds=2)


def _of_draws(unit: str, within: Range, *, nulls: tuple[str, ...] = (), draws: int = 1) -> Quantity:
    return Quantity(unit, within, "", ("test",), nulls=nulls, draws=draws)


def _spectrum(within: Range | str) -> Quantity:
    return Quantity("1", within, "sites", ("train",), BOTH)


_WHITE_TOO = (WHITE,)
SINGLE = {  # numbers, by names with the fields below in braces
    "accuracy": Quantity("percent", PERCENT, splits=SPLITS),
    "loss": Quantity("nats", POSITIVE, splits=SPLITS),
    "calibration_error": Quantity("percent", PERCENT, splits=("test",)),
    "chance_accuracy": Quantity("percent", PERCENT),
    "similarity": _of_pairs(COSINE, nulls=NULLS),
    "variance_explained": _of_pairs(COSINE, nulls=NULLS),
    "similarity_above_untrained": _of_pairs(DIFFERENCE),
    "variance_explained_above_untrained": _of_pairs(DIFFERENCE),
    "similarity_p": _of_pairs(SHARE),
    "cka": _measure(SHARE),
    "cca": _measure(SHARE),
    "mutual_neighbours": replace(_measure(SHARE), splits=("test",)),
    "variance_explained_by_mean": Quantity(
        "1", COSINE, "sites", SPLITS, ("centred",), (UNTRAINED,), seeds=3
    ),
    "learned_components_{chance}": Quantity("1", POSITIVE, "weights"),
    "marchenko_pastur_edge": Quantity("1", POSITIVE, "weights"),
    "identified_eigenvectors": _spectrum(POSITIVE),
    "participation_ratio": _spectrum(NEURONS),
    "effective_rank": _spectrum(NEURONS),
    "power_law_exponent": _spectrum(POSITIVE),
    "power_law_exponent_range": _spectrum(POSITIVE),
    "rank_within_1_point_weight": Quantity("1", POSITIVE, "weights", ("test",)),
    "rank_within_1_point_{basis}": Quantity("1", POSITIVE, "hidden", ("test",)),
    "generated_accuracy{way}": _of_draws("percent", PERCENT, nulls=_WHITE_TOO),
    "generated_accuracy{way}_deviation_over_draws": _of_draws(
        "percent", POSITIVE, nulls=_WHITE_TOO, draws=2
    ),
    "generated_loss{way}": _of_draws("nats", POSITIVE, nulls=_WHITE_TOO),
    "generated_loss{way}_deviation_over_draws": _of_draws(
        "nats", POSITIVE, nulls=_WHITE_TOO, draws=2
    ),
    "generated_calibration_error{way}": _of_draws("percent", PERCENT, nulls=_WHITE_TOO),
    "generated_calibration_error{way}_deviation_over_draws": _of_draws(
        "percent", POSITIVE, nulls=_WHITE_TOO, draws=2
    ),
    "retention_above_chance{way}": _of_draws("1", None),
    "retention_above_white{classifier}": _of_draws("1", None),
    "generated_accuracy_above_white{classifier}": _of_draws("percent", (-100, 100)),
    "generated_similarity{procedure}": Quantity(
        "1", COSINE, "hidden", ("train",), ("uncentred",), _WHITE_TOO
    ),
    "generated_similarity{procedure}_deviation_over_draws": Quantity(
        "1", POSITIVE, "hidden", ("train",), ("uncentred",), _WHITE_TOO, draws=2
    ),
}
LEADING = 5  # eigenvectors of the last weights whose curves are in the table
CURVES = {  # point by point: their units and ranges alone are needed
    "accuracy_by_epoch": Quantity("percent", PERCENT),
    "loss_by_epoch": Quantity("nats", POSITIVE),
    "weight_eigenvalue": Quantity("1", POSITIVE),
    "eigenvalue": Quantity("activation^2", POSITIVE),
    "subspace_overlap_activation": Quantity("1", SHARE),
    "subspace_overlap_weight": Quantity("1", SHARE),
    "clipped_accuracy_{basis}": Quantity("percent", PERCENT),
    "similarity_by_epoch": Quantity("1", COSINE),
    "similarity_to_final_by_epoch": Quantity("1", COSINE),
    "participation_ratio_by_epoch": Quantity("1", NEURONS),
    "learned_components_{chance}_by_epoch": Quantity("1", POSITIVE),
    "weight_amplification_{rank}_by_epoch": Quantity("1", POSITIVE),
    "weight_cosine_{rank}_by_epoch": Quantity("1", SHARE),
    "weight_span_{rank}_by_epoch": Quantity("1", SHARE),
}
INITIAL = "initial"  # weights themselves, which a network has where it is known untrained
CHANCES = ("theory", "simulation", "bulk", INITIAL)
WORDS = {  # what stands for the fields, which a configuration names
    "chance": f"(?:{'|'.join(CHANCES)})",
    "basis": r"\w+",
    "rank": r"\d+",
    "way": r"(?:_\w+)?",
    "classifier": r"(?:_\w+)?",
    "procedure": r"(?:_\w+)?",
}


@cache
def _known(name: str) -> Quantity:
    """The most specific on the list: fields stand for what its longer names have in them, too."""
    listed = SINGLE | CURVES
    matching = [
        pattern
        for pattern in listed
        if re.fullmatch(pattern.format(**WORDS), name.removesuffix(ONE_RUN))
    ]
    if not matching:
        raise KeyError(name)
    return listed[max(matching, key=lambda pattern: len(re.sub(r"{\w+}", "", pattern)))]


def unit(name: str) -> str:
    """The unit of a quantity of the summary. Raises KeyError for an unknown one."""
    return _known(name).unit


def within(name: str, *, neurons: int | None = None) -> Range:
    """The range of a quantity of the summary, which its intervals respect; None: any number.

    neurons: of its layer. Raises KeyError for an unknown quantity.
    """
    found = _known(name).within
    if not isinstance(found, str):
        return found
    return (1, np.inf if neurons is None else neurons)


def of_network(
    network: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    untrained: bool = True,
    seeds: int | None = None,
) -> dict[Name, bool]:
    """Every single number of a network, without its epoch, and whether seeds and draws suffice.

    network: its settings. settings: the configuration, complete. untrained: whether untrained
    weights are known. seeds: number of seeds of the network; by default that of the configuration.
    """
    seeds = settings["seeds"] if seeds is None else seeds
    described = families.outline(network)
    layers = {"": [""], "hidden": [site.name for site in described.hidden]}
    layers["sites"] = [site.name for site in described.sites]
    layers["weights"] = [weight.name for weight in described.weights]
    spatial = bool(described.weights) and described.weights[-1].shape[2] > 1
    ways = _ways(settings["generation"], spatial=spatial)
    null = {way.removeprefix(f"_{WHITE}") for way in ways if _is_white(way)}
    own = {way: draws for way, draws in ways.items() if not _is_white(way)}
    bases = settings["clipping"]["bases"]
    procedures = [name for name in settings["generation"] if name != WHITE]
    fields = {
        "chance": [chance for chance in CHANCES if untrained or chance != INITIAL],
        "basis": [basis for basis in bases if basis != "weight"],
        "way": list(own),
        "classifier": sorted(null),
        "procedure": ["" if name == "published" else f"_{name}" for name in procedures],
    }
    absent = set() if "weight" in bases else {"rank_within_1_point_weight"}
    if settings["alignment"]["neighbours"] is None:
        absent.add("mutual_neighbours")
    if not untrained:
        absent |= {pattern for pattern in SINGLE if pattern.endswith(f"_above_{UNTRAINED}")}
    found: dict[Name, bool] = {}
    for pattern, quantity in SINGLE.items():
        if pattern in absent or (described.undrawn and pattern.startswith(OF_DRAWS)):
            continue
        used = re.findall(r"{(\w+)}", pattern)
        for words in product(*(fields[field] for field in used)):
            full = pattern.format(**dict(zip(used, words, strict=True)))
            for name in _columns(quantity, full, layers, settings):
                way = "".join(words) if quantity.nulls == (WHITE,) or quantity.draws > 1 else ""
                if name.null == WHITE and way not in null:
                    continue
                if name.null == UNTRAINED and not untrained:
                    continue
                drawn = ways.get(f"_{WHITE}{way}" if name.null == WHITE else way, 0)
                enough = _compared(settings, seeds) >= quantity.seeds
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


def _compared(settings: Mapping[str, Any], seeds: int) -> int:
    """Networks that are compared all with all; two where only some pairs are."""
    alignment = settings["alignment"]
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
