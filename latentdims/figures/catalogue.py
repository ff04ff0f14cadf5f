"""Which figures there are. Only planning reads it: adding a figure draws no other again."""

from collections.abc import Mapping
from typing import Any

SOURCES = {  # what each figure is drawn from, one file per seed
    "training": ("network",),
    "first_layer": ("network",),
    "spectra": ("alignment",),
    "clipping": ("alignment", "clipping"),
    "weights": ("alignment", "clipping"),
    "alignment": ("alignment",),
    "measures": ("alignment",),
    "depth": ("alignment",),
    "eigenvectors": ("alignment",),
    "weight_eigenvectors": ("alignment",),
    "generation": ("generation",),
    "along_training": ("alignment",),
}
OF_PAIRS = (  # need at least two seeds
    "alignment",
    "measures",
    "depth",
    "eigenvectors",
    "weight_eigenvectors",
)
OF_KEPT = ("along_training",)  # need more epochs than the first and the last


def drawn(*, seeds: int, epochs: str = "ends") -> list[str]:
    """Those of a configuration with some seeds; epochs: of `alignment`."""
    left_out = {*(() if seeds > 1 else OF_PAIRS), *(() if epochs == "kept" else OF_KEPT)}
    return [name for name in SOURCES if name not in left_out]


OF_COMPARISONS = ("pairs", "layers", "widths")


def of_comparison(
    comparison: Mapping[str, Any], networks: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Which figures a comparison has: matrices where every layer is compared with every one, and
    widths where networks of one architecture, three at least, are compared with a reference.

    networks: their settings, by name.
    """
    several = any(len(pair["matches"]) > max(_sides(pair)) for pair in comparison["pairs"])
    found = ["layers"] if several else ["pairs"]
    of = [networks[each["network"]].get("architecture") for each in comparison["members"].values()]
    kinds = {*of}
    if comparison["reference"] and len(comparison["members"]) > 2 and len(kinds) == 1:
        found.append("widths")
    return found


def _sides(pair: Mapping[str, Any]) -> tuple[int, int]:
    theirs, ours = zip(*pair["matches"].values(), strict=True)
    return len(set(theirs)), len(set(ours))
