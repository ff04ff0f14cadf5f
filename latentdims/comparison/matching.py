"""Which layers of two members of a comparison are compared."""

from collections.abc import Mapping, Sequence
from itertools import product

from latentdims.errors import InputError, nearest

Match = str | Mapping[str, str]  # order, name or all; or layers of the partner with own ones
WAYS = ("order", "name", "all")


def matched(
    partner: Sequence[str], own: Sequence[str], match: Match, *, names: tuple[str, str]
) -> dict[str, list[str]]:
    """Pairs of sites that are compared, [partner's site, own site], by their name in files: the own
    site, followed by `~` and the partner's site if that has another name.

    partner, own: sites, in order. names: of both members, for messages. The pairs follow the order
    of the own sites. Raises InputError if there is nothing to compare, or a layer has no
    counterpart.
    """
    found = [
        (theirs, ours)
        for ours in own
        for theirs in partner
        if (theirs, ours) in _pairs(partner, own, match, names)
    ]
    return {label(theirs, ours): [theirs, ours] for theirs, ours in found}


def label(theirs: str, ours: str) -> str:
    """The name of a pair of sites."""
    return ours if theirs == ours else f"{ours}~{theirs}"


def _pairs(
    partner: Sequence[str], own: Sequence[str], match: Match, names: tuple[str, str]
) -> set[tuple[str, str]]:
    if isinstance(match, Mapping):
        return _mapped(partner, own, match, names)
    if match == "all":
        return set(product(partner, own))
    if match == "name":
        same = {(name, name) for name in own if name in partner}
        if not same:
            raise InputError(
                f"match: no layer of {names[1]} ({', '.join(own)}) has the name of one of "
                f"{names[0]} ({', '.join(partner)}); give `order`, `all` or a map of layers"
            )
        return same
    if len(partner) != len(own):
        raise InputError(
            f"match: {names[0]} has {len(partner)} layers ({', '.join(partner)}), and {names[1]} "
            f"has {len(own)} ({', '.join(own)}), which have no common order; give `name`, `all` or "
            "a map of layers"
        )
    return set(zip(partner, own, strict=True))


def _mapped(
    partner: Sequence[str], own: Sequence[str], match: Mapping[str, str], names: tuple[str, str]
) -> set[tuple[str, str]]:
    if not match:
        raise InputError("match: the map names no layer; give {layer: layer}")
    for layers, name, known in ((match, names[0], partner), (match.values(), names[1], own)):
        for layer in layers:
            if layer not in known:
                raise InputError(f"match: {name} has no layer '{layer}'; {nearest(layer, known)}")
    return set(match.items())


def stage_beside(stage: int, *, own: int, partner: int) -> int:
    """The index of the partner's epoch that is compared with an own epoch: the same index; the only
    one, if the partner has one; or the last, if the network itself has only one."""
    return stage if own == partner else partner - 1
