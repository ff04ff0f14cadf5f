"""Checks of ranks and layers that a network does not have."""

from collections.abc import Mapping, Sequence
from typing import Any

from latentdims.errors import InputError, nearest
from latentdims.models.architecture import Architecture


def check_ranks(network: Architecture, *, bases: Sequence[str], ranks: str | Sequence[int]) -> None:
    """Raise InputError for a rank beyond the dimension of every layer that is clipped in `bases`.

    The basis `weight` has the rank of a layer's weights, the others the channels of its
    representation.
    """
    dimensions = [site.channels for site in network.hidden] if set(bases) - {"weight"} else []
    if "weight" in bases:
        dimensions += [weight.rank for weight in network.weights]
    beyond = [rank for rank in ranks if isinstance(rank, int) and rank > max(dimensions)]
    if beyond:
        raise InputError(
            f"clipping.ranks: {beyond[0]} is beyond the dimension of every layer, at most "
            f"{max(dimensions)}; give smaller ranks, or 'all'"
        )


def check_sampled(network: Architecture, options: Mapping[str, Any], *, key: str) -> None:
    """Raise InputError if a variant of generation draws an unknown layer, or only ranks beyond the
    dimension of every layer.

    options: {layers, rank, ...} of the variant, under `key` in the configuration.
    """
    hidden = {each.name: each.rank for each in network.weights if each.writes != network.output}
    for name in options["layers"] if options["layers"] != "all" else ():
        if name not in hidden:
            raise InputError(f"{key}.layers: no hidden layer '{name}'; {nearest(name, hidden)}")
    if options["rank"] != "all" and options["rank"] > max(hidden.values()):
        raise InputError(
            f"{key}.rank: {options['rank']} is beyond the dimension of every layer, at most "
            f"{max(hidden.values())}; give a smaller rank, or 'all'"
        )
