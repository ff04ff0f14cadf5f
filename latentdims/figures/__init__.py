"""Figures: one module per figure, each with a function `draw` that reads HDF5 files alone."""

from collections.abc import Mapping, Sequence

CLASSES_SHOWN = 20  # of a data set, at most


def in_caption(names: Sequence[str]) -> list[str]:
    """Names of the classes shown, each on one line: quoted where they would not be seen."""
    return [
        name if name.isprintable() and name.strip() else ascii(name)
        for name in names[:CLASSES_SHOWN]
    ]


def sources(files: Mapping[str, str | Sequence[str]]) -> str:
    """What a figure is drawn from, for its log: kinds of files, and the number of networks."""
    networks = max(1 if isinstance(paths, str) else len(paths) for paths in files.values())
    kinds = " and ".join(files)
    of = "" if kinds in ("images", "table") else f" of {networks} network{'s' * (networks > 1)}"
    return f"{kinds}{of}"
