"""Comparisons beyond the seeds of one network: their members, pairs and layers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from latentdims.comparison import partners
from latentdims.comparison.matching import WAYS, matched
from latentdims.errors import InputError, nearest
from latentdims.images import datasets
from latentdims.models import families, responses
from latentdims.models.epochs import ends

TEXT = re.compile(r"(?:(?P<dataset>[\w-]+)/)?(?P<network>[\w-]+)(?:@(?P<epoch>[\d.]+))?")
SCALED = ("widths", "channels", "width")  # keys that say how wide a network is


class Member(NamedTuple):
    """A network as it was trained on a data set; at its ends, or as it was at one epoch."""

    dataset: str
    network: str
    epoch: float | None

    @property
    def name(self) -> str:
        """What it is called in files and paths."""
        at = "" if self.epoch is None else f"@{self.epoch:g}"
        return f"{self.dataset}/{self.network}{at}"


def expand(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with a network for each width that a member lists, {network, widths}, and
    the names of these in its place.

    A width is a factor of the numbers of channels that the network is given; 1 is itself.
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
    """Names of the networks that a member with a list of widths stands for, which are added."""
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
    """The settings of a network that is wider by a factor."""
    known = [key for key in SCALED if key in network]
    if not known and network.get("architecture") not in ("resnet", "scattering"):
        raise InputError(f"{where} has none of the keys {', '.join(SCALED)}, which a width changes")
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

    resolved: the configuration, all but the comparisons complete. Raises InputError naming the key.
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
    members = [_member(text, images, resolved) for text in given["members"]]
    names = [member.name for member in members]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"members: {twice} is there twice; take one out")
    if len(members) < 2 and not given["within"]:
        raise InputError("members: one alone is compared with nothing; give two, or within: true")
    for member in members:
        _check_images(member, images, resolved)
    reference = _reference(given["reference"], members, images, resolved)
    pairs = [
        _pair(*_turned(*both, resolved), given["match"], reference, resolved)
        for both in _pairs(members, reference)
    ]
    if given["within"]:
        pairs += [_pair(each, each, "order", reference, resolved) for each in members]
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
    """The same pair, where one has no random start of its own, with that one as the partner: the
    untrained networks of the other are compared with it, too."""
    if has_start(own, resolved) or not has_start(partner, resolved):
        return partner, own
    return own, partner


def has_start(member: Member, resolved: Mapping[str, Any]) -> bool:
    """Whether it is known before training, and not taken at one epoch alone."""
    return member.epoch is None and len(ends(resolved["kept"][member.network])) > 1


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
    """Which networks are compared, [seed of the partner, seed of the own]: those of one seed not
    where both begin with the same weights."""
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
    """The data set whose images are shown."""
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


def _member(text: str, images: str, resolved: Mapping[str, Any]) -> Member:
    found = TEXT.fullmatch(text)
    if not found:
        raise InputError(
            f"members: found '{text}', expected NETWORK, DATASET/NETWORK or either@EPOCH"
        )
    network = found["network"]
    runs = [dataset for dataset, of in resolved["runs"] if of == network]
    if network not in resolved["networks"]:
        raise InputError(
            f"members: no network '{network}'; {nearest(network, resolved['networks'])}"
        )
    dataset = found["dataset"] or (images if images in runs else None)
    if dataset is None and len(runs) > 1:
        raise InputError(
            f"members: {network} is run with {', '.join(runs)}; name one of them, such as "
            f"{runs[0]}/{network}"
        )
    dataset = dataset or runs[0]
    if dataset not in runs:
        raise InputError(
            f"members: {network} is not run with the data set '{dataset}'; {nearest(dataset, runs)}"
        )
    member = Member(dataset, network, float(found["epoch"]) if found["epoch"] else None)
    _check_epoch(member, resolved)
    return member


def _check_epoch(member: Member, resolved: Mapping[str, Any]) -> None:
    """Raise InputError where a network is not kept at the epoch that is asked for; what steps are
    parts of an epoch is not known yet."""
    network, kept = member.network, resolved["kept"][member.network]
    if member.epoch is None or member.epoch % 1 or member.epoch in kept:
        return
    if network not in resolved["adopted"] and resolved["recipes"][network]["keep_steps"]:
        return
    add = "" if network in resolved["adopted"] else ", or add it to training.keep_epochs"
    raise InputError(
        f"members: {network} is not kept at epoch {member.epoch:g}, but at "
        f"{', '.join(f'{each:g}' for each in kept)}; name one of them{add}"
    )


def _reference(
    text: str | None, members: Sequence[Member], images: str, resolved: Mapping[str, Any]
) -> Member | None:
    if text is None:
        return None
    try:
        member = _member(text, images, resolved)
    except InputError as error:
        raise InputError(str(error).replace("members:", "reference:", 1)) from None
    if member not in members:
        names = [each.name for each in members]
        raise InputError(f"reference: {text} is no member; {nearest(text, names)}")
    return member


def _check_images(member: Member, images: str, resolved: Mapping[str, Any]) -> None:
    """Raise InputError where a network cannot be shown the images, as far as it is known now."""
    network = resolved["networks"][member.network]
    if responses.are_given(network) and member.dataset != images:
        raise InputError(
            f"images: {member.name} are responses to images of {member.dataset}, and not to those "
            f"of {images}; name {member.dataset}"
        )
    shapes = [datasets.image_shape(resolved["datasets"][each]) for each in (member.dataset, images)]
    if not all(shapes):
        return
    own, shown = (shape[0][1:] for shape in shapes if shape)
    if own != shown:
        raise InputError(
            f"images: {member.name} sees {own[0]} x {own[1]} pixels, but images of {images} have "
            f"{shown[0]} x {shown[1]}; name another data set, or resize one"
        )


def check_match(match: Any) -> None:
    """Raise InputError for a way to match layers that there is not."""
    if isinstance(match, str) and match not in WAYS:
        raise InputError(f"match: unknown value '{match}'; {nearest(match, WAYS)}")
