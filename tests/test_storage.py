"""HDF5 files: whole or not there, the same bytes again, and checked when read."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from latentdims import storage
from latentdims.errors import InputError


def write(path, values=(1.0, 2.0)):
    with storage.create(path, settings={"b": 1, "a": [2]}) as file:
        storage.write(
            file, "x/y", np.array(values), units="1", description="numbers", dimensions=("n",)
        )


def test_round_trip_with_provenance(tmp_path):
    write(tmp_path / "deeper" / "file.h5")
    with storage.read(tmp_path / "deeper" / "file.h5", needs=["x/y"]) as file:
        assert file["x/y"][()].tolist() == [1, 2]
        assert dict(file["x/y"].attrs)["units"] == "1"
        assert file["x/y"].dims[0].label == "n"
        assert storage.settings(file) == {"a": [2], "b": 1}
        assert {"format_version", "package_version", "torch_version", "device"} <= set(file.attrs)


def test_the_same_content_gives_the_same_bytes(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_failure_leaves_nothing_new_and_keeps_the_old(tmp_path):
    path = tmp_path / "file.h5"
    write(path)
    before = path.read_bytes()
    with pytest.raises(RuntimeError), storage.create(path, settings={}) as file:
        file["half"] = np.zeros(10)
        raise RuntimeError
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_finite_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"file\.h5: x/y is not finite"):
        write(tmp_path / "file.h5", values=[1.0, float("nan")])
    assert list(tmp_path.iterdir()) == []


def test_every_way_of_being_cut_short_is_noticed(tmp_path):
    path = tmp_path / "file.h5"
    write(path)
    whole = path.read_bytes()
    for length in (0, 10, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"file\.h5: .*cut short"), storage.read(path):
            pass


def test_foreign_missing_and_incomplete_files_are_named(tmp_path):
    with (
        pytest.raises(InputError, match=r"none\.h5: no such file"),
        storage.read(tmp_path / "none.h5"),
    ):
        pass
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    with (
        pytest.raises(InputError, match=r"foreign\.h5: not a file of this package; it was moved"),
        storage.read(tmp_path / "foreign.h5"),
    ):
        pass
    write(tmp_path / "file.h5")
    with (
        pytest.raises(InputError, match=r"file\.h5: holds no x/z"),
        storage.read(tmp_path / "file.h5", needs=["x/y", "x/z"]),
    ):
        pass


def test_hashes_tell_types_and_shapes_apart():
    numbers = np.arange(6)
    hashes = {
        storage.sha256(array)
        for array in (numbers, numbers.reshape(2, 3), numbers.astype(np.int32), numbers[::-1])
    }
    assert len(hashes) == 4


def test_what_a_killed_job_left_goes_when_the_file_is_complete(tmp_path):
    (tmp_path / ".a.h5.elsewhere-12.partial").write_bytes(b"half")
    (tmp_path / ".b.h5.elsewhere-12.partial").write_bytes(b"half")
    with storage.create(tmp_path / "a.h5", settings={}):
        pass
    assert [path.name for path in tmp_path.glob(".*")] == [".b.h5.elsewhere-12.partial"]


FILL = """
import resource, sys
import numpy as np
from latentdims import storage
from latentdims.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with storage.create(sys.argv[1], settings={}) as file:
        for number in range(10):
            file[f"values{number}"] = np.ones(int(sys.argv[2]))
except InputError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("size", [1500, 3000, 100_000])
def test_a_write_that_is_refused_is_told_and_leaves_nothing(size, tmp_path):
    """In a process of its own, since HDF5 would take it down when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "a.h5"), str(size)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
        check=False,
    )
    message = f"{tmp_path}/a.h5: could not be written (File too large); make room, and run the same"
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_version_of_the_format_is_named_and_stays(tmp_path):
    write(tmp_path / "file.h5")
    with h5py.File(tmp_path / "file.h5", "r+") as file:
        file.attrs["format_version"] = 99
    content = (tmp_path / "file.h5").read_bytes()
    with (
        pytest.raises(InputError, match=r"file\.h5: format version 99, expected 2; .* move all"),
        storage.read(tmp_path / "file.h5"),
    ):
        pass
    assert (tmp_path / "file.h5").read_bytes() == content
