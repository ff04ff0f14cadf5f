"""A results folder in Python: its table as a data frame, its files as trees of named arrays.

Nobody else imports pandas and xarray, which take a second to load: no job waits for them.
"""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import h5py
import pandas
import xarray

from latentdims import storage
from latentdims.errors import InputError, nearest
from latentdims.results.table import COLUMNS, TEXTS

PLACES = (  # of files
    "resources/*.h5",
    "*/*/seed*/*.h5",
    "*/*/consensus.h5",
    "comparisons/*/*/*/seed*/*.h5",
)
PASSING = (".", "covariance_part")  # what files are called that are gone when a run ends
SEPARATE = {"history": "epoch", "variants": "draw"}  # axes that are never those of the root
MADE_AGAIN = "run the workflow, which makes it again"
TYPES = {name: "str" if name in TEXTS else "float64" for name in COLUMNS}
TYPES |= {"seed": "Int64", "n": "int64"}
MISSING = {name: [""] for name in COLUMNS if name not in TEXTS or name == "partner"}


class Member(NamedTuple):
    """A network that was trained or adopted; as text, its folder `<dataset>/<network>/seed<s>`."""

    dataset: str
    network: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset}/{self.network}/seed{self.seed}"


def open_results(folder: str | os.PathLike[str]) -> "Results":
    """The results in a folder: the one that the configuration names as `results`.

    Raises InputError where there is no such folder, or it holds no results.
    """
    results = Results(Path(folder).expanduser())
    if not results.folder.is_dir():
        raise InputError(
            f"{results.folder.resolve()}: no such folder; give the one that your configuration "
            "names as `results`"
        )
    if not results.files and not results.summary.exists():
        within = [each for each in sorted(results.folder.iterdir()) if each.is_dir()]
        hints = [str(each) for each in within if _files(each)]
        meant = f", such as {' or '.join(hints)}" if hints else ""
        raise InputError(
            f"{results.folder.resolve()}: holds no results; give the folder that your "
            f"configuration names as `results`{meant}"
        )
    return results


class Results:
    """What a run made, to be read only; also while it is going on, as far as it has come.

    `results.table` is every number. `results["cifar10/mlp/seed1/alignment.h5"]` opens a file;
    `results.files` lists them all, and `results.members` the networks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        networks = dict.fromkeys(f"{each.dataset}/{each.network}" for each in self.members)
        return f"Results({str(self.folder)!r}): {', '.join(networks)}; {len(self.files)} files"

    @property
    def summary(self) -> Path:
        """The file of the table."""
        return self.folder / "summary.csv"

    @property
    def files(self) -> list[str]:
        """The HDF5 files that are there now, each by its path in the folder; seed 2 before 10."""
        return _files(self.folder)

    @property
    def members(self) -> list[Member]:
        """The networks that files are of: `for dataset, network, seed in results.members`."""
        folders = dict.fromkeys(PurePosixPath(file).parent.parts for file in self.files)
        return [
            Member(found[0], found[1], int(found[2].removeprefix("seed")))
            for found in folders
            if len(found) == 3
        ]

    @cached_property
    def table(self) -> pandas.DataFrame:
        """`summary.csv`, a row per number; docs/numbers.md defines its columns and quantities.

        `seed` (Int64) and `partner` are missing where a row is not of a single network, or of no
        comparison; the other texts are empty there, as in the file, so that `groupby` keeps them.
        `n` is int64, and other numbers are float64: NaN where they are undefined, or have no
        meaning. It is read once: open the results again after another run.
        Raises InputError where the file is not there, or of another version of this package.
        """
        again = f"make run CONFIG=<your configuration> TARGET={self.summary}"
        try:
            found = pandas.read_csv(
                self.summary,
                dtype=TYPES,
                keep_default_na=False,
                na_values=MISSING,
                encoding="utf-8",
            )
        except FileNotFoundError:
            raise InputError(f"{self.summary}: no such file; make it by: {again}") from None
        except ValueError as error:
            raise InputError(f"{self.summary}: no table ({error}); make it by: {again}") from None
        if tuple(found.columns) != COLUMNS:
            raise InputError(
                f"{self.summary}: has columns of another version of this package; make it by: "
                f"{again}"
            )
        return found

    def open(self, path: str | os.PathLike[str]) -> xarray.DataTree:
        """A file by its path in the folder: its groups as a tree of datasets with named axes.

        Values are read when they are used, and the file is not locked. A tree has one axis of each
        name along a path. So epochs of the history, which has all of them, are `epoch_history`,
        draws of a variant `draw_<variant>`, and so on with any axis that differs from one above it.
        Root attributes are `tree.attrs`.
        Raises InputError where there is no such file, naming those that are there, and for one that
        cannot be read.
        """
        file = self._checked(path)
        groups = xarray.open_groups(
            file, engine="h5netcdf", decode_cf=False, driver_kwds={"locking": False}
        )
        return _tree(groups)

    __getitem__ = open

    def settings(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """The settings that made a file: of a network its `network`, `training`, `seed`, ….

        Raises InputError as `open`.
        """
        with h5py.File(self._checked(path), "r", locking=False) as file:
            return storage.settings(file)

    def _checked(self, path: str | os.PathLike[str]) -> Path:
        """Where a file lies, which is whole. Unlike a job, this moves no file aside."""
        file = self.folder / path
        if not file.is_file():
            raise InputError(f"{file}: no such file; {self._others(PurePosixPath(path))}")
        try:
            with h5py.File(file, "r", locking=False) as opened:
                problem = _problem(opened)
        except OSError as error:
            if error.errno is not None:  # of the system; those of HDF5 have no number
                raise
            problem = "not a readable HDF5 file, perhaps cut short"
        if problem:
            raise InputError(f"{file}: {problem}; {MADE_AGAIN}")
        return file

    def _others(self, path: PurePosixPath) -> str:
        """Which files are there in place of one that is not."""
        folders: dict[str, list[str]] = {}
        for each in map(PurePosixPath, self.files):
            folders.setdefault(str(each.parent), []).append(each.name)
        if names := folders.get(str(path.parent)):
            return f"{path.parent} holds {', '.join(names)}"
        return f"files are in other folders; {nearest(str(path.parent), folders)}"


def _files(folder: Path) -> list[str]:
    found = [file for place in PLACES for file in folder.glob(place) if file.is_file()]
    paths = [file.relative_to(folder) for file in found if not file.name.startswith(PASSING)]
    return sorted((path.as_posix() for path in paths), key=_in_order)


def _in_order(path: str) -> list[tuple[str, int]]:
    """By letters, and by numbers where there are digits."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"(\D*)(\d*)", path)]


def _problem(file: h5py.File) -> str:
    """Why an open file cannot be read; empty where it can."""
    version = file.attrs.get("format_version")
    if version is None:
        return "not a file of this package"
    if int(version) != storage.FORMAT_VERSION:
        return f"format version {version}, expected {storage.FORMAT_VERSION}"
    wrong = []

    def check(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and not storage.is_axis(item):
            axes = tuple(len(axis[0]) if len(axis) else 0 for axis in item.dims)
            if axes != item.shape:  # xarray would cut the array to its axes
                wrong.append(f"{name} has shape {item.shape}, but axes of {axes}")

    file.visititems(check)
    return wrong[0] if wrong else ""


def _tree(groups: Mapping[str, xarray.Dataset]) -> xarray.DataTree:
    """One tree of all groups of a file, each group after those above it."""
    axes: dict[PurePosixPath, dict[str, tuple[str, pandas.Index]]] = {}
    named = {}
    for path, group in groups.items():
        place, own = PurePosixPath(path), {}
        separate = SEPARATE.get("".join(place.parts[1:2]))
        for label in map(str, group.sizes):
            index = group.get_index(label)
            parents = place.parents[:-1] if label == separate else place.parents
            above = [axes[each][label] for each in parents if label in axes[each]]
            same = [name for name, other in above if other.equals(index)]
            is_new = not above and label != separate
            name = label if is_new else same[0] if same else f"{label}_{place.name}"
            own[label] = name, index
        axes[place] = own
        named[path] = group.rename({label: name for label, (name, _) in own.items()})
    tree = xarray.DataTree.from_dict(named)
    for path, group in groups.items():
        tree[path].set_close(group.close)
    return tree
