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
OF_KEPT = ("along_training",)  # need more epochs than the first and the last
OF_PAIRS = (  # need at least two seeds
    "alignment",
    "measures",
    "depth",
    "eigenvectors",
    "weight_eigenvectors",
)
