"""Comparisons of different networks: their members, pairs and layers."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from latentdims.comparison import partners
from latentdims.comparison.matching import WAYS, matched
from latentdims.configuration.members import Member, check_images, has_start, named, positions
from latentdims.errors import InputError, nearest
from latentdims.models import families

SCALED = ("widths", "channels", "width")  # keys that say how wide a network is


def expand(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with a network for each width in a member {network, widths}, whose names
    replace that member.

    A width multiplies the numbers of channels of the network; 1 is the network itself.
    """
    networks = dict(config.get("networks") or {})
    comparisons = {}
    for name, comparison in (config.get("comparisons") or {}).items():
        given = (comparison or {}).get("members") or []
        members = [
            member
            for each in given
            for member in (
                _of_widths(each, networks, f"comparisons.{name}.members")
                if isinstance(each, Mapping)
                else [each]
            )
        ]
        comparisons[name] = {**(comparison or {}), "members": members}
    return {**config, "networks": networks, "comparisons": comparisons}


def _of_widths(member: Mapping[str, Any], networks: dict[str, Any], key: str) -> Iterator[str]:
    """Names of the networks of a member with a list of widths; the networks are added."""
    if set(member) != {"network", "widths"} or not isinstance(member["widths"], list):
        raise InputError(
            f"{key}: found {dict(member)}, expected a name, or {{network, widths: []}}"
        )
    name = str(member["network"])
    if name not in networks:
        raise InputError(f"{key}: no network '{name}'; {nearest(name, networks)}")
    for factor in member["widths"]:
        try:
            number = float(factor)
        except (TypeError, ValueError):
            number = 0.0
        if not number > 0:
            raise InputError(f"{key}: found the width {factor!r}, expected a number above 0")
        full = name if number == 1 else f"{name}_x{number:g}".replace(".", "p")
        networks.setdefault(full, _scaled(networks[name], number, f"{key}: network '{name}'"))
        yield full


def _scaled(network: Mapping[str, Any], factor: float, where: str) -> dict[str, Any]:
    """The settings of a network whose width is multiplied by a factor."""
    known = [key for key in SCALED if key in network]
    if not known and network.get("architecture") not in ("resnet", "scattering"):
        raise InputError(f"{where} has none of the keys {', '.join(SCALED)}, which widths change")
    if not known:  # of which it is a key with a default
        return {**network, "width": factor}
    key, value = known[0], network[known[0]]
    if isinstance(value, list):
        wide = [round(factor * number) for number in value]
        if min(wide) < 1:
            raise InputError(f"{where}, {factor:g} times as wide, has {key} {wide}; give more")
        return {**network, key: wide}
    return {**network, key: factor * value}


def comparisons(resolved: Mapping[str, Any]) -> dict[str, Any]:
    """Each comparison with its members by name, and its pairs with the layers that are compared.

    resolved: the configuration, complete except for the comparisons. Raises InputError naming the
    key.
    """
    found = {}
    for name, given in resolved["comparisons"].items():
        try:
            found[name] = _comparison(given, resolved)
        except InputError as error:
            raise InputError(f"comparisons.{name}.{error}") from None
    return found


def _comparison(given: Mapping[str, Any], resolved: Mapping[str, Any]) -> dict[str, Any]:
    check_match(given["match"])
    images = _images(given, resolved)
    members = [named(text, images, resolved) for text in given["members"]]
    names = [member.name for member in members]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"members: {twice} is listed twice; remove one")
    if len(members) < 2 and not given["within"]:
        raise InputError("members: found a single one; give two or more, or within: true")
    for each in members:
        check_images(each, images, resolved)
    reference = _reference(given["reference"], members, images, resolved)
    pairs = [
        _pair(*_turned(*both, resolved), given["match"], reference, resolved)
        for both in _pairs(members, reference)
    ]
    if given["within"]:
        pairs += [_pair(each, each, "order", reference, resolved) for each in members]
    if given["positions"] == "samples":
        by_site = {each.name: positions(each, images, resolved) for each in members}
        for pair in pairs:
            _check_positions(pair, by_site[pair["partner"]], by_site[pair["own"]])
    return {
        "images": images,
        "members": {member.name: member._asdict() for member in members},
        "pairs": pairs,
        "positions": given["positions"],
        "reference": reference.name if reference else None,
    }


def _pairs(members: Sequence[Member], reference: Member | None) -> list[tuple[Member, Member]]:
    """The partner of each pair, and the other."""
    if reference is None:
        return list(combinations(members, 2))
    return [(reference, member) for member in members if member != reference]


def _turned(partner: Member, own: Member, resolved: Mapping[str, Any]) -> tuple[Member, Member]:
    """The same pair with the member that has no random start as the partner, so that it is also
    compared with the untrained networks of the other."""
    if has_start(own, resolved) or not has_start(partner, resolved):
        return partner, own
    return own, partner


def _pair(
    partner: Member,
    own: Member,
    match: Any,
    reference: Member | None,
    resolved: Mapping[str, Any],
) -> dict[str, Any]:
    if isinstance(match, Mapping) and own == reference:  # a map begins with the reference
        match = {ours: theirs for theirs, ours in match.items()}
    theirs, ours = (
        [site.name for site in families.outline(resolved["networks"][each.network]).sites]
        for each in (partner, own)
    )
    found = matched(theirs, ours, match, names=(partner.name, own.name))
    if partner.network == own.network and resolved["seeds_of"][own.network] < 2:
        raise InputError(
            f"members: {partner.name} and {own.name} have the same random start for the same seed, "
            "so that other seeds are compared, but there is one alone; give more seeds"
        )
    return {
        "partner": partner.name,
        "own": own.name,
        "matches": found,
        "seeds": _seeds(partner, own, resolved),
    }


def _seeds(partner: Member, own: Member, resolved: Mapping[str, Any]) -> list[list[int]]:
    """Which networks are compared, [seed of the partner, own seed]; not those of the same seed if
    both start from the same weights."""
    theirs, ours = (resolved["seeds_of"][each.network] for each in (partner, own))
    choice = {
        "pairs": resolved["alignment"]["pairs"],
        "number": resolved["alignment"]["partners"],
    }
    found = []
    for seed in range(ours):
        if partner == own:
            chosen = partners.of(seed, **choice)
        else:
            same_start = partner.network == own.network
            chosen = partners.across(seed, theirs, same_start=same_start, **choice)
        found += [[each, seed] for each in chosen]
    return found


def _images(given: Mapping[str, Any], resolved: Mapping[str, Any]) -> str:
    """The data set whose images the members see."""
    known, images = resolved["datasets"], given["images"]
    if images is None:
        named = {text.partition("/")[0] for text in given["members"] if "/" in text}
        candidates = named or set(known)
        if len(candidates) > 1:
            raise InputError(f"images: missing key; name one of {', '.join(sorted(candidates))}")
        (images,) = candidates
    if images not in known:
        raise InputError(f"images: no data set '{images}'; {nearest(str(images), known)}")
    return str(images)


def _reference(
    text: str | None, members: Sequence[Member], images: str, resolved: Mapping[str, Any]
) -> Member | None:
    if text is None:
        return None
    try:
        member = named(text, images, resolved)
    except InputError as error:
        raise InputError(str(error).replace("members:", "reference:", 1)) from None
    if member not in members:
        names = [each.name for each in members]
        raise InputError(f"reference: {text} is not a member; {nearest(text, names)}")
    return member


def _check_positions(
    pair: Mapping[str, Any], theirs: Mapping[str, int], ours: Mapping[str, int]
) -> None:
    for partner, own in pair["matches"].values():
        numbers = theirs.get(partner), ours.get(own)
        if None not in numbers and numbers[0] != numbers[1]:
            raise InputError(
                f"match: {partner} of {pair['partner']} has {numbers[0]} positions in an image, "
                f"and {own} of {pair['own']} has {numbers[1]}; set positions: average, or match "
                "other layers"
            )


def check_match(match: Any) -> None:
    """Raise InputError for an unknown way of matching layers."""
    if isinstance(match, str) and match not in WAYS:
        raise InputError(f"match: unknown value '{match}'; {nearest(match, WAYS)}")
