"""Published numbers in the configuration: which numbers of the summary they belong to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from latentdims.errors import InputError, nearest
from latentdims.models import families
from latentdims.results import quantities
from latentdims.results.quantities import Name

COLUMNS = ("split", "centring", "epoch", "null")

Entry = dict[str, Any]  # quantity, layer, the columns (epoch: None for the only one), values


def published(settings: Mapping[str, Any]) -> dict[str, dict[str, list[Entry]]]:
    """The published numbers of a configuration, checked, by data set and network.

    settings: the configuration, complete. Numbers that need more seeds or draws are left out.
    Raises InputError for an unknown data set, network, quantity, layer or column, for columns that
    are ambiguous, and for values that are not numbers.
    """
    found: dict[str, dict[str, list[Entry]]] = {}
    for dataset, networks in settings["published"].items():
        _check_known(dataset, settings["datasets"], "data set", key="published")
        for network, numbers in networks.items():
            key = f"published.{dataset}"
            _check_known(network, settings["networks"], "network", key=key)
            if [dataset, network] not in settings["runs"]:
                raise InputError(
                    f"{key}.{network}: this network is not run with this data set; add it to "
                    f"networks.{network}.datasets"
                )
            *_, last = kept = settings["kept"][network]
            known = quantities.of_network(
                settings["networks"][network],
                settings,
                untrained=kept[0] == 0,
                seeds=settings["seeds_of"][network],
            )
            for quantity, given in numbers.items():
                full = f"{key}.{network}.{quantity}"
                _check_drawn(quantity, settings["networks"][network], key=full)
                for columns, values in _given(given, key=full):
                    name = _chosen(quantity, columns, known, last=float(last), key=full)
                    if known[name._replace(epoch=None)]:
                        entry = {**name._asdict(), "values": values}
                        found.setdefault(dataset, {}).setdefault(network, []).append(entry)
    return found


def _check_known(name: str, choices: Mapping[str, Any], what: str, *, key: str) -> None:
    if name not in choices:
        raise InputError(f"{key}.{name}: no such {what}; {nearest(name, choices)}")


def _check_drawn(quantity: str, network: Mapping[str, Any], *, key: str) -> None:
    reason = families.outline(network).undrawn
    if reason and quantity.startswith(quantities.OF_DRAWS):
        raise InputError(f"{key}: no networks can be drawn from it: {reason}; leave it out")


def _given(given: Any, *, key: str) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Columns and numbers: of a list of numbers, of one set of columns, or of several."""
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise InputError(f"{key}: has no number; give one, or remove the key")
    if not any(isinstance(each, Mapping) for each in given):
        given = [{"values": given}]
    for each in given:
        if not isinstance(each, Mapping):
            raise InputError(f"{key}: {each!r} stands beside columns; put it into their `values`")
        for name in each:
            if name not in (*COLUMNS, "values"):
                hint = nearest(name, (*COLUMNS, "values"))
                raise InputError(f"{key}.{name}: no such column; {hint}")
        yield {name: each[name] for name in each if name != "values"}, _numbers(each, key=key)


def _numbers(given: Mapping[str, Any], *, key: str) -> list[float]:
    values = given.get("values")
    values = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    if not values or values == [None]:
        raise InputError(f"{key}: has no number; give one, or remove the key")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{key}: found {value!r}, expected a number")
    return [float(value) for value in values]


def _chosen(
    quantity: str,
    columns: Mapping[str, Any],
    known: Mapping[Name, bool],
    *,
    last: float,
    key: str,
) -> Name:
    """The one number that a quantity, perhaps with a layer behind a slash, and columns name."""
    base, _, layer = quantity.partition("/")
    of = [name for name in known if name.quantity == base]
    if not of:
        raise InputError(f"{key}: no such quantity; {nearest(base, {n.quantity for n in known})}")
    layers = list(dict.fromkeys(name.layer for name in of))
    if layer and layers == [""]:
        raise InputError(f"{key}: this quantity has no layer; write {base}")
    if not layer and layers != [""]:
        raise InputError(f"{key}: this quantity has a layer; write {base}/{layers[0]}")
    if layer not in layers:
        raise InputError(f"{key}: no such layer; {nearest(layer, layers)}")
    of = [name for name in of if name.layer == layer]
    for column in ("split", "centring", "null"):
        choices = list(dict.fromkeys(getattr(name, column) for name in of))
        asked = columns.get(column) or ("" if "" in choices else None)
        if asked is None and len(choices) > 1:
            raise InputError(f"{key}: give its {column}, one of {', '.join(choices)}")
        asked = choices[0] if asked is None else str(asked)
        if asked not in choices:
            raise InputError(f"{key}.{column}: not {asked!r}; {nearest(asked, choices)}")
        of = [name for name in of if getattr(name, column) == asked]
    (name,) = of
    return name._replace(epoch=_epoch(name, columns.get("epoch"), last=last, key=key))


def _epoch(name: Name, asked: Any, *, last: float, key: str) -> float | None:
    if asked is None:
        return None
    choices = [0.0] if name.null == "untrained" else [last]
    choices += [0.0] if name.null == "unrelated" else []
    if not isinstance(asked, int | float) or float(asked) not in choices:
        known = " or ".join(f"{choice:g}" for choice in choices)
        raise InputError(f"{key}.epoch: found {asked!r}, expected {known}")
    return float(asked)
