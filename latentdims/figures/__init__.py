"""Figures: one module per figure, each with a function `draw` that reads HDF5 files alone."""

SOURCES = {  # what each figure is drawn from, one file per seed
    "training": ("network",),
    "spectra": ("alignment",),
    "clipping": ("alignment", "clipping"),
    "weights": ("alignment", "clipping"),
    "alignment": ("alignment",),
    "eigenvectors": ("alignment",),
    "weight_eigenvectors": ("alignment",),
    "generation": ("generation",),
}
OF_PAIRS = ("alignment", "eigenvectors", "weight_eigenvectors")  # need at least two seeds
