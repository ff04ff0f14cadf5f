"""Which figures there are. Only planning reads it: adding a figure draws no other again."""

from collections.abc import Mapping
from typing import Any

SOURCES = {  # what each figure is drawn from, one file per seed
    "training": ("network",),
    "spectra": ("alignment",),
    "clipping": ("alignment", "clipping"),
    "weights": ("alignment", "clipping"),
    "alignment": ("alignment",),
    "measures": ("alignment",),
    "depth": ("alignment",),
    "eigenvectors": ("alignment",),
    "weight_eigenvectors": ("alignment",),
    "generation": ("generation",),
}
OF_PAIRS = (  # need at least two seeds
    "alignment",
    "measures",
    "depth",
    "eigenvectors",
    "weight_eigenvectors",
)
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
    kinds = {networks[each["network"]]["architecture"] for each in comparison["members"].values()}
    if comparison["reference"] and len(comparison["members"]) > 2 and len(kinds) == 1:
        found.append("widths")
    return found


def _sides(pair: Mapping[str, Any]) -> tuple[int, int]:
    theirs, ours = zip(*pair["matches"].values(), strict=True)
    return len(set(theirs)), len(set(ours))
