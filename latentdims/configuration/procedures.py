"""How networks are drawn: the procedures in a configuration, by name."""

from collections.abc import Mapping
from typing import Any

from latentdims.configuration.schema import complete
from latentdims.errors import InputError
from latentdims.models import families


def procedures(resolved: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """How networks are drawn, by name: the published way, its null, and the variants, each with one
    rank; and the number of training images that draws are aligned on, None for all."""
    generation = resolved["generation"]
    (variant,) = schema["properties"]["variants"]["patternProperties"].values()
    shared = {"draws": generation["draws"], "classifiers": generation["classifiers"]}
    asked = [generation[key] for key in ("alignment_images", "variant_images")]
    images = None if asked[0] == "all" else asked[0]
    fewer = min((each for each in asked if each != "all"), default=None)
    found = {"published": {**complete(shared, variant), "images": images}}
    if generation["white_draws"]:
        null = {"covariances": "white", "draws": generation["white_draws"], "images": fewer}
        found["white"] = {**found["published"], **null}
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
                raise InputError(
                    f"{key}: another variant has results of the same name, {same}; rename one"
                )
            taken |= new
            found[full] = {**options, "rank": each, "images": fewer}
    return found


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
            "remove the variant"
        )
    if options["covariances"] == "white" and options["rank"] != "all":
        raise InputError(
            f"{key}.rank: found {options['rank']}, but white covariances have no leading "
            "components; remove rank"
        )


def check_drawn(resolved: Mapping[str, Any]) -> None:
    """Raise InputError if ways of drawing are given, but no network can be drawn."""
    reasons = {name: families.outline(each).undrawn for name, each in resolved["networks"].items()}
    variants = [name for name in resolved["generation"] if name not in ("published", "white")]
    if variants and all(reasons.values()):
        name, reason = next(iter(reasons.items()))
        raise InputError(
            f"generation.variants: no networks can be drawn from {name}: {reason}; leave the "
            "variants out"
        )
