"""Figures: one module per figure, each with a function `draw` that reads HDF5 files alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from latentdims import storage

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
CLASSES_SHOWN = 20  # of a data set, at most


def class_names(path: str | Path) -> list[str]:
    """Of a file of images, in the order of their labels; bytes that are no text are escaped."""
    with storage.read(path) as file:
        names = file["classes"].asstr()[()] if "classes" in file else file.attrs["classes"]
        return [str(name).encode("utf-8", "backslashreplace").decode() for name in names]


def sources(files: Mapping[str, str | Sequence[str]]) -> str:
    """What a figure is drawn from, for its log: kinds of files, and the number of networks."""
    networks = max(1 if isinstance(paths, str) else len(paths) for paths in files.values())
    kinds = " and ".join(files)
    of = "" if kinds in ("images", "table") else f" of {networks} network{'s' * (networks > 1)}"
    return f"{kinds}{of}"
