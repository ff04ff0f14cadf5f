"""HDF5 files: whole or not there, the same bytes again, and checked when read."""

import errno
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import Mock

import h5py
import numpy as np
import pytest
import xarray

from latentdims import storage
from latentdims.errors import InputError, of_machine


def write(path, values=(1.0, 2.0), reason=""):
    with storage.create(path, settings={"b": 1, "a": [2]}) as file:
        storage.write(
            file,
            "x/y",
            np.array(values),
            units="1",
            description="numbers",
            dimensions=("n",),
            reason=reason,
        )


def test_round_trip_with_provenance(tmp_path):
    write(tmp_path / "deeper" / "file.h5")
    with storage.read(tmp_path / "deeper" / "file.h5", needs=["x/y"]) as file:
        assert file["x/y"][()].tolist() == [1, 2]
        assert dict(file["x/y"].attrs)["units"] == "1"
        assert list(file["x/y"].dims[0]) == ["n"]
        assert file["x/n"][()].tolist() == [0, 1]
        assert storage.settings(file) == {"a": [2], "b": 1}
        assert {"format_version", "package_version", "torch_version", "device"} <= set(file.attrs)


def test_xarray_opens_a_group_with_names_and_coordinates(tmp_path):
    with storage.create(tmp_path / "file.h5", settings={}) as file:
        storage.axis(file, "epoch", [0.0, 2.5], units="epochs")
        storage.axis(file, "split", ["train", "test"])
        values = np.arange(24.0).reshape(2, 2, 2, 3)
        for place, axes in (("a/b/x", ("epoch", "split", "channel", "channel_2")),):
            storage.write(file, place, values, units="m", description="made up", dimensions=axes)
        storage.write(
            file, "a/y", values[0, 0, 0], units="m", description="made up", dimensions=("rank",)
        )
    with xarray.open_dataset(tmp_path / "file.h5", group="a/b", engine="h5netcdf") as opened:
        found = opened["x"].sel(epoch=2.5, split="test")
        assert found.dims == ("channel", "channel_2")
        np.testing.assert_array_equal(found, values[1, 1])
        assert opened["epoch"].attrs["units"] == "epochs"
    with xarray.open_dataset(tmp_path / "file.h5", group="a", engine="h5netcdf") as opened:
        assert opened["y"].sel(rank=1) == 0  # ranks are counted from 1


def test_axes_of_one_name_and_several_lengths_in_a_group_are_told_apart(tmp_path):
    """Or xarray, which takes lengths from axes, would cut the longer arrays, and say nothing."""
    with storage.create(tmp_path / "file.h5", settings={}) as file:
        for name, length in (("a", 2), ("b", 3), ("c", 2)):
            values = np.arange(float(length))
            storage.write(
                file, f"x/{name}", values, units="1", description="made up", dimensions=("rank",)
            )
    with xarray.open_dataset(tmp_path / "file.h5", group="x", engine="h5netcdf") as opened:
        assert [opened[name].dims for name in "abc"] == [("rank",), ("rank_b",), ("rank",)]
        assert opened["b"].to_series().to_dict() == {1: 0, 2: 1, 3: 2}  # ranks, from 1


def test_every_file_of_a_run_opens_with_names(finished):
    """Each group with data, in xarray: no axis is without a name, or those that all share without
    coordinates."""
    seen = set()
    for path in sorted((finished.folder / "results/shapes/cnn").rglob("*.h5")):
        with h5py.File(path) as file:
            groups = {item.parent.name for item in datasets(file)}
        for group in groups:
            with xarray.open_dataset(path, group=group, engine="h5netcdf") as opened:
                names = {str(name) for each in opened.data_vars.values() for name in each.dims}
                assert not any(name.startswith("phony") for name in names), (path, group)
                assert names <= {*opened.coords}, (path, group)
                seen |= names
    expected = "epoch split centring rank draw fold pairing channel channel_2 channel_partner"
    assert {*expected.split()} <= seen


def datasets(file):
    found = []
    file.visititems(
        lambda _, item: (
            found.append(item)
            if isinstance(item, h5py.Dataset) and not storage.is_axis(item)
            else None
        )
    )
    return found


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


NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "reason"), [(NAN, ""), (INFINITE, ""), (INFINITE, "layer1 of seed 3 is dead")]
)
def test_what_is_not_finite_is_not_written(value, reason, tmp_path):
    with pytest.raises(InputError, match=r"file\.h5: x/y is not finite"):
        write(tmp_path / "file.h5", values=[1.0, value, NAN], reason=reason)
    assert list(tmp_path.iterdir()) == []


def test_what_is_undefined_is_written_with_its_reason(tmp_path):
    path = tmp_path / "file.h5"
    write(path, values=[1.0, NAN], reason="layer1 of seed 3 is dead")
    assert storage.reasons(path) == ["layer1 of seed 3 is dead"]
    write(path, values=[1.0, 2.0], reason="layer1 of seed 3 is dead")
    assert storage.reasons(path) == []


def test_a_file_that_is_damaged_within_is_moved_aside(tmp_path):
    path = tmp_path / "file.h5"
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'{"a": [2]', b'{"a": [2}'))
    with (
        pytest.raises(InputError, match=r"file\.h5: damaged .* moved to"),
        storage.read(path, made_with={}),
    ):
        pass
    assert not path.exists()


@pytest.mark.parametrize(
    "number",
    [errno.EACCES, errno.EPERM, errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.EDQUOT],
)
@pytest.mark.parametrize("program", ["the package", "HDF5"])
def test_a_good_file_that_cannot_be_opened_stays(number, program, tmp_path, monkeypatch):
    path = tmp_path / "file.h5"
    write(path)
    reason = os.strerror(number)
    told = f"[Errno {number}] Unable to open (name = '{path}', errno = {number}, … '{reason}')"
    error = OSError(number, reason, str(path)) if program != "HDF5" else OSError(number, told)
    place = (storage.os, "open") if program != "HDF5" else (storage.h5py, "File")
    monkeypatch.setattr(*place, Mock(side_effect=error))
    with pytest.raises(OSError, match=reason) as raised, storage.read(path):
        pass
    monkeypatch.undo()
    assert of_machine(raised.value).startswith(f"{path}: {reason}; ")
    assert list(tmp_path.iterdir()) == [path]


def test_a_good_file_whose_disk_fails_while_it_is_read_stays(tmp_path, monkeypatch):
    path = tmp_path / "file.h5"
    write(path)
    error = OSError(errno.EIO, os.strerror(errno.EIO), str(path))
    monkeypatch.setattr(storage, "settings", Mock(side_effect=error))
    with pytest.raises(OSError, match="Input/output error"), storage.read(path, made_with={}):
        pass
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o007, 0o660), (0o022, 0o644)])
def test_umask_says_who_may_read_a_file(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        write(tmp_path / "folder" / "file.h5")
    finally:
        os.umask(before)
    assert (tmp_path / "folder" / "file.h5").stat().st_mode & 0o777 == mode
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o777 & ~umask


CHILD = """
import os, resource, sys
from latentdims import storage
from latentdims.errors import InputError, of_machine
exec(sys.argv[2])
try:
    with storage.read(sys.argv[1]):
        pass
except (OSError, InputError) as error:
    sys.exit(of_machine(error) or str(error))
"""
NOBODY = "os.setgroups([]); os.setgid(65534); os.setuid(65534)"
FEW_FILES = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))"


def read_as(limits: str, path: Path) -> str:
    """What is said where a process of some limits reads a file."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), limits],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
        check=False,
    )
    return done.stderr.strip()


@pytest.fixture
def public():
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_file_of_another_user_is_told_and_stays(public):
    write(public / "file.h5")
    (public / "file.h5").chmod(0o600)
    told = read_as(NOBODY, public / "file.h5")
    assert told.startswith(f"{public}/file.h5: Permission denied; ")
    assert len(told.splitlines()) == 1
    assert [path.name for path in public.iterdir()] == ["file.h5"]


def test_too_many_open_files_are_told_and_move_nothing(tmp_path):
    write(tmp_path / "file.h5")
    told = read_as(FEW_FILES, tmp_path / "file.h5")
    assert told.startswith(f"{tmp_path}/file.h5: Too many open files; ")
    assert [path.name for path in tmp_path.iterdir()] == ["file.h5"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_broken_file_that_may_not_be_moved_is_to_be_deleted(public):
    path = public / "file.h5"
    path.write_bytes(b"short")
    public.chmod(0o755)
    told = read_as(NOBODY, path)
    assert "cut short" in told
    assert f"could not be moved away (Permission denied): have {path} deleted, and run" in told
    assert path.read_bytes() == b"short"


@pytest.mark.parametrize("cached", [True, False])
def test_of_a_link_the_file_goes_only_where_it_is_in_the_shared_cache(
    cached, tmp_path, monkeypatch
):
    store = tmp_path / "store"
    store.mkdir()
    (store / "3f2a.h5").write_bytes(b"short")
    link = tmp_path / "network.h5"
    link.symlink_to(store / "3f2a.h5")
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(store if cached else tmp_path / "other"))
    with pytest.raises(InputError, match=r"network\.h5: .*cut short"), storage.read(link):
        pass
    assert not link.exists()
    names = [path.name for path in store.iterdir()]
    assert names == ["3f2a.h5.broken" if cached else "3f2a.h5"]


def test_a_link_whose_file_has_gone_is_named(tmp_path):
    (tmp_path / "network.h5").symlink_to("/mnt/gone/3f2a.h5")
    with (
        pytest.raises(InputError, match=r"network\.h5: a link to /mnt/gone/3f2a\.h5, which is not"),
        storage.read(tmp_path / "network.h5"),
    ):
        pass


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
    """And nothing of a job that may be alive."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    here, old = socket.gethostname(), time.time() - 2 * 3600
    stays = [f".a.h5.{here}-{os.getppid()}.partial", ".a.h5.elsewhere-12.partial"]
    stays.append(".b.h5.elsewhere-12.partial")
    for name in (*stays, f".a.h5.{here}-{dead.pid}.partial", ".a.h5.elsewhere-13.partial"):
        (tmp_path / name).write_bytes(b"half")
    for name in (stays[2], ".a.h5.elsewhere-13.partial"):
        os.utime(tmp_path / name, (old, old))
    with storage.create(tmp_path / "a.h5", settings={}):
        pass
    assert sorted(path.name for path in tmp_path.glob(".*")) == sorted(stays)


FILL = """
import resource, sys
import numpy as np
from latentdims import storage
from latentdims.errors import of_machine
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with storage.create(sys.argv[1], settings={}) as file:
        for number in range(10):
            file[f"values{number}"] = np.ones(int(sys.argv[2]))
except OSError as error:
    sys.exit(of_machine(error))
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
    message = f"{tmp_path}/a.h5: File too large; make room, and run the same command again"
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
        pytest.raises(
            InputError, match=r"file\.h5: format version 99, expected 2; .* makes it again"
        ),
        storage.read(tmp_path / "file.h5"),
    ):
        pass
    assert (tmp_path / "file.h5").read_bytes() == content
