"""A results folder in Python: its table, its files, and what is said where they are missing."""

import ast
import csv
import re
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest

from latentdims import storage
from latentdims.errors import InputError
from latentdims.results import table
from latentdims.results.opened import MADE_AGAIN, Member, open_results
from latentdims.results.table import Row
from latentdims.workflow import provenance

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("alignment", "clipping", "covariance", "generation", "network")


@pytest.fixture
def folder(finished):
    return finished.folder / "results"


def some(folder: Path, *paths: str, draws: int = 3) -> None:
    """Files of few numbers."""
    for path in paths:
        with storage.create(folder / path, settings={"seed": 7}) as file:
            for place, length in (("", draws), ("variants/white/", 2), ("variants/flat/", draws)):
                storage.write(
                    file,
                    f"{place}accuracy",
                    np.arange(float(length)),
                    units="percent",
                    description="made up",
                    dimensions=("draw",),
                )


def test_every_file_of_a_run_is_there(folder):
    results = open_results(folder)
    assert {Path(file) for file in results.files} == {
        file.relative_to(folder) for file in folder.rglob("*.h5")
    }
    assert results.members == [
        Member("shapes", network, seed) for network in ("cnn", "mlp") for seed in (0, 1)
    ]
    of_members = [f"{member}/{kind}.h5" for member in results.members for kind in KINDS]
    assert {*of_members, "resources/shapes.h5"} == {*results.files}
    assert re.fullmatch(r"Results\('.*'\): shapes/cnn, shapes/mlp; 21 files", repr(results))


def test_every_array_of_a_run_is_that_of_its_file_with_names_and_coordinates(folder):
    results = open_results(str(folder))
    for path in results.files:
        tree = results[path]
        with h5py.File(folder / path, locking=False) as file:
            assert tree.attrs.keys() == file.attrs.keys()
            assert {name[1:] for name, _ in arrays(tree)} == {*storage.arrays(file)}
            for name, array in arrays(tree):
                text = array.dtype.kind == "U"
                values = file[name].asstr()[()].astype("U") if text else file[name][()]
                np.testing.assert_array_equal(array, values, err_msg=f"{path}: {name}", strict=True)
                assert {*array.dims} <= {*array.coords}
                scales = [axis[0] for axis in file[name].dims]
                for label, scale in zip(array.dims, scales, strict=True):
                    assert label.startswith(scale.name.rpartition("/")[2])
                    expected = scale.asstr()[()] if scale.dtype.kind == "O" else scale[()]
                    np.testing.assert_array_equal(array[label], expected)
        tree.close()


def arrays(tree):
    """Each data set of a tree, by its path."""
    for group in tree.subtree:
        for name in group.data_vars:
            yield f"{group.path.rstrip('/')}/{name}", group[name]


def test_arrays_are_read_by_the_names_of_their_axes(folder):
    results = open_results(folder)
    similarity = results.open("shapes/mlp/seed1/alignment.h5")["seed0/layer2/similarity"]
    with h5py.File(folder / "shapes/mlp/seed1/alignment.h5", locking=False) as file:
        stored = file["seed0/layer2/similarity"][()]
    found = similarity.sel(epoch=1, split="test", centring="uncentred")
    assert found == stored[1, 1, 0] != stored[0, 1, 0]
    network = results["shapes/mlp/seed0/network.h5"]
    assert network["weights/layer2"].dims == ("epoch", "neuron_layer2", "input_layer2")
    assert network["weights/layer2"].shape == (2, 8, 12)
    assert network["history/folds/test_loss"].dims == ("fold", "epoch_history")
    assert results.settings("shapes/mlp/seed1/network.h5")["seed"] == 1


def test_axes_that_are_not_those_above_have_the_name_of_their_group(tmp_path):
    """Draws of a variant are others, even where there are as many."""
    some(tmp_path, "d/n/seed0/generation.h5")
    with h5py.File(tmp_path / "d/n/seed0/generation.h5", "r+") as file:
        for group, length in (("same", 3), ("less", 2), ("less/within", 2), ("less/again", 3)):
            storage.write(
                file,
                f"{group}/x",
                np.zeros(length),
                units="1",
                description="made up",
                dimensions=("draw",),
            )
    tree = open_results(tmp_path)["d/n/seed0/generation.h5"]
    assert {name: each.dims for name, each in arrays(tree)} == {
        "/accuracy": ("draw",),
        "/variants/white/accuracy": ("draw_white",),
        "/variants/flat/accuracy": ("draw_flat",),
        "/same/x": ("draw",),
        "/less/x": ("draw_less",),
        "/less/within/x": ("draw_less",),
        "/less/again/x": ("draw",),
    }


def test_files_are_read_when_they_are_used_and_not_locked(tmp_path):
    path = "d/n/seed0/generation.h5"
    some(tmp_path, path)
    results = open_results(tmp_path)
    tree = results[path]
    assert "[3 values with dtype=float64]" in repr(tree["accuracy"])  # not read yet
    some(tmp_path, path, draws=5)  # another run takes its place
    with h5py.File(tmp_path / path, "r+", locking=True) as file:
        file["accuracy"][0] = 9
    assert tree["accuracy"].values.tolist() == [0, 1, 2]  # of the file that was opened
    assert results[path]["accuracy"].values.tolist() == [9, 1, 2, 3, 4]


def test_files_come_in_order_and_without_those_that_pass(tmp_path):
    paths = [
        "comparisons/c/d/n/seed0/alignment.h5",
        "d/n/consensus.h5",
        "d/n/seed2/network.h5",
        "d/n/seed10/network.h5",
        "resources/d.h5",
    ]
    passing = ["d/n/seed2/covariance_part0.h5", "d/n/seed2/.network.h5", "other/d/n/seed0/a.h5"]
    some(tmp_path, *paths[::-1], *passing)
    results = open_results(tmp_path)
    assert results.files == paths
    assert [str(member) for member in results.members] == ["d/n/seed2", "d/n/seed10"]
    assert [seed for _, _, seed in results.members] == [2, 10]


def test_the_table_has_types_and_every_number(folder):
    found = open_results(folder).table
    types = dict.fromkeys(table.TEXTS, "str") | {"seed": "Int64", "n": "int64"}
    types |= dict.fromkeys(("epoch", "at", "value", "low", "high"), "float64")
    assert {name: str(kind) for name, kind in found.dtypes.items()} == types
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(found.columns) == table.COLUMNS
    assert len(found) == len(lines)
    for name in found.columns:
        column = found[name].fillna("") if name == "partner" else found[name]
        texts = [line[name] for line in lines]
        if name in table.TEXTS:
            assert column.tolist() == texts
        else:
            numbers = [float(text or "nan") for text in texts]
            np.testing.assert_array_equal(column.astype("float64"), numbers)


def test_what_is_missing_in_the_table_is_told_from_what_is_empty(tmp_path):
    known = {"dataset": "NA", "network": "null", "quantity": "q", "unit": "1", "layer": ""}
    known |= {"low": None, "high": None, "n": 3}
    value = 0.1 + 0.2
    rows = [
        Row(**known, value=value, seed=4, split="nan"),
        Row(**known, value=float("nan"), comparison="c", partner="d/m", at=2.0, epoch=0.5),
    ]
    table.write_csv(tmp_path / "summary.csv", rows)
    found = open_results(tmp_path).table
    assert found.value[0] == value  # to the last digit
    assert found[["dataset", "network", "split", "null"]].values.tolist() == [
        ["NA", "null", "nan", ""],
        ["NA", "null", "", ""],
    ]
    assert found.seed.tolist() == [4, pandas.NA]
    assert found.partner.isna().tolist() == [True, False]
    assert found.groupby(["comparison", "layer"]).size().to_dict() == {("", ""): 1, ("c", ""): 1}
    assert found[["epoch", "at", "value"]].isna().values.tolist() == [
        [True, True, False],
        [False, False, True],
    ]


def test_a_folder_that_is_not_there_or_holds_no_results_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"/nowhere: no such folder; give the one that your"):
        open_results(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    some(tmp_path, "tutorial/d/n/seed0/network.h5", "deep/er/d/n/seed0/network.h5")
    with pytest.raises(InputError, match=r"holds no results; .*`results`, such as \S+/tutorial$"):
        open_results(tmp_path)
    with pytest.raises(InputError, match=r"/empty: holds no results; give .* as `results`$"):
        open_results(tmp_path / "empty")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("d/n/seed1/clipping.h5", r"seed1/clipping\.h5: no such file; d/n/seed1 holds network\.h5"),
        ("d/n/seed3/network.h5", "other folders; did you mean 'd/n/seed[12]'"),
        ("x.h5", "other folders; known: d/n/seed1, d/n/seed2, resources"),
    ],
)
def test_a_file_that_is_not_there_names_those_that_are(path, message, tmp_path):
    some(tmp_path, "d/n/seed1/network.h5", "d/n/seed2/network.h5", "resources/d.h5")
    for read in (open_results(tmp_path).open, open_results(tmp_path).settings):
        with pytest.raises(InputError, match=message):
            read(path)


def test_a_summary_that_is_missing_or_another_says_how_to_make_it(tmp_path):
    some(tmp_path, "d/n/seed1/network.h5")
    summary = tmp_path / "summary.csv"
    again = re.escape(f"make run CONFIG=<your configuration> TARGET={summary}")
    with pytest.raises(InputError, match=rf"summary\.csv: no such file; make it by: {again}"):
        _ = open_results(tmp_path).table
    summary.write_text("dataset,value\nd,1\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"columns of another version .*: {again}"):
        _ = open_results(tmp_path).table
    summary.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=rf"summary\.csv: no table .*: {again}"):
        _ = open_results(tmp_path).table


def test_a_file_that_cannot_be_read_is_refused_and_stays(tmp_path):
    some(tmp_path, *(f"d/n/seed{seed}/network.h5" for seed in range(4)))
    results = open_results(tmp_path)
    short, other, old, cut = (tmp_path / file for file in results.files)
    short.write_bytes(short.read_bytes()[:900])
    with h5py.File(other, "r+") as file:
        del file.attrs["format_version"]
    with h5py.File(old, "r+") as file:
        file.attrs["format_version"] = 1
    with h5py.File(cut, "r+") as file:  # as versions before 0.1.0 wrote weights
        file["more"] = np.zeros(4)
        file["more"].dims[0].attach_scale(file["draw"])
    for file, message in (
        (short, "not a readable HDF5 file, perhaps cut short"),
        (other, "not a file of this package"),
        (old, f"format version 1, expected {storage.FORMAT_VERSION}"),
        (cut, r"more has shape \(4,\), but axes of \(3,\)"),
    ):
        with pytest.raises(InputError, match=rf"seed\d/network\.h5: {message}; {MADE_AGAIN}"):
            results[file.relative_to(tmp_path)]
        assert file.exists()


def test_no_job_and_no_plan_waits_for_pandas_or_runs_again_for_what_people_call():
    for path in (ROOT / "latentdims").rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
        heavy = {name for name in names if re.match(r"(pandas|xarray|h5netcdf)\b", name or "")}
        assert bool(heavy) == (path.name == "opened.py"), path
    for script in (ROOT / "scripts").glob("*.py"):
        assert ROOT / "latentdims/results/opened.py" not in provenance.reached(script), script


def test_names_that_are_numbers_are_in_order(tmp_path):
    some(tmp_path, *(f"{name}/n/seed0/{kind}.h5" for name in (10, 2) for kind in "ab"))
    files = [f"{name}/n/seed0/{kind}.h5" for name in (2, 10) for kind in "ab"]
    assert open_results(tmp_path).files == files


def test_the_example_of_the_page(finished, folder, monkeypatch, capsys):
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    section = page.partition("## A results folder\n")[2]
    code = re.search(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)[1]
    monkeypatch.chdir(finished.folder)
    exec(compile(code, "python.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("shapes cnn 0\nshapes cnn 1\nshapes mlp 0\n")
    with h5py.File(folder / "shapes/mlp/seed1/alignment.h5", locking=False) as file:
        of_test = [name.decode() for name in file["split"][()]].index("test")
        centred = [name.decode() for name in file["centring"][()]].index("centred")
        expected = file["seed0/layer1/similarity"][-1, of_test, centred] ** 2
    assert f"\n{expected}\n" in printed
    assert "'batch_size': " in printed
