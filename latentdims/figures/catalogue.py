"""Which figures there are. Only planning reads it: adding a figure draws no other again."""

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
