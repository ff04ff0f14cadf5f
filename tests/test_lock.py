"""A run never goes on beside another, and locks go only where their owner is proven dead."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faults import scripts

from latentdims.errors import InputError
from latentdims.workflow import lock

ROOT = Path(__file__).resolve().parents[1]
HOLDER = """
import sys
from pathlib import Path
from latentdims.workflow import lock
lock.take(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
NOBODY = 65534


@pytest.fixture
def tmp_path(seen_by_all):
    return seen_by_all


@pytest.fixture(autouse=True)
def give_back():
    yield
    lock.release()


@pytest.fixture
def holder(tmp_path):
    """A run that holds the lock of tmp_path; killed at the end of the test, if not before."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def left(tmp_path):
    """A lock of Snakemake's."""
    (tmp_path / "locks").mkdir()
    path = tmp_path / "locks" / "0.output.lock"
    path.write_text("a file that is being made")
    return path


def change(path: Path, **values: str | int) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_lock_of_a_living_run_stays_and_names_it(tmp_path, holder, left):
    with pytest.raises(InputError) as refused:
        lock.take(tmp_path)
    assert f"another run is working in {tmp_path.parent} (process {holder.pid} on " in str(
        refused.value
    )
    assert f"wait for it, or end it there: kill {holder.pid}" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert left.exists()


def test_a_lock_of_a_killed_run_goes(tmp_path, holder, left):
    holder.kill()
    holder.wait()
    lock.take(tmp_path)
    assert not left.exists()
    assert json.loads((tmp_path / lock.NAME).read_text())["pid"] == os.getpid()
    lock.take(tmp_path)  # once more, as by the second of two modules


def test_a_run_that_ends_gives_its_lock_back(tmp_path, holder, left):
    holder.communicate(b"")
    lock.take(tmp_path)
    assert left.exists()  # whose it is, nobody knows: Snakemake decides


def test_a_lock_of_another_machine_stays(tmp_path, holder, left):
    holder.kill()
    holder.wait()
    change(tmp_path / lock.NAME, boot="another", host="login7", pid=4711, user="ada")
    with pytest.raises(InputError, match=r"process 4711 on login7 since .*, by ada") as refused:
        lock.take(tmp_path)
    assert f"remove its locks: rm -r {tmp_path / lock.NAME} {tmp_path / 'locks'}" in str(
        refused.value
    )
    assert left.exists()


def test_a_lock_of_this_machine_before_it_was_started_anew_goes(tmp_path, holder, left):
    holder.kill()
    holder.wait()
    change(tmp_path / lock.NAME, boot="another")
    lock.take(tmp_path)
    assert not left.exists()


@pytest.mark.parametrize("namespace", ["here", "of another container"])
def test_without_flock_processes_are_looked_at(namespace, tmp_path, holder, left, monkeypatch):
    def unknown(*_):
        raise OSError("Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", unknown)
    if namespace != "here":
        change(tmp_path / lock.NAME, namespace=namespace)
    with pytest.raises(InputError, match="another run is working"):
        lock.take(tmp_path)
    holder.kill()
    holder.wait()
    if namespace == "here":
        lock.take(tmp_path)
    else:  # its process cannot be seen from here
        with pytest.raises(InputError, match="if you know that it is dead"):
            lock.take(tmp_path)
    assert left.exists() == (namespace != "here")


def test_another_process_of_the_same_number_is_another_run(tmp_path, holder, left):
    holder.kill()
    holder.wait()
    change(tmp_path / lock.NAME, pid=os.getpid())  # which was started at another time
    lock.take(tmp_path)
    assert not left.exists()


def test_what_nobody_can_read_is_kept(tmp_path, left):
    (tmp_path / lock.NAME).write_text("{half of")
    with pytest.raises(InputError, match="on an unknown host"):
        lock.take(tmp_path)
    assert left.exists()


def test_a_group_may_share_it(tmp_path):
    before = os.umask(0o007)
    try:
        lock.take(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / lock.NAME).stat().st_mode & 0o777 == 0o660


def test_a_user_who_has_no_name_is_told_by_number(tmp_path, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(lock.pwd, "getpwuid", unknown)
    lock.take(tmp_path)
    assert json.loads((tmp_path / lock.NAME).read_text())["user"] == f"user {os.getuid()}"


@pytest.fixture
def as_nobody():
    """Runs a function as a user who is not the owner of the folder."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")

    def run(function) -> str:
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                function()
                told = "done"
            except BaseException as error:
                told = f"{type(error).__name__}: {error}"
            os.write(writer, told.encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        with os.fdopen(reader) as told:
            return told.read()

    return run


def test_a_folder_of_root_is_named(tmp_path, as_nobody):
    told = as_nobody(lambda: lock.check_writable(tmp_path))
    assert told.startswith(f"InputError: {tmp_path} belongs to root, and nobody cannot write there")
    tmp_path.chmod(0o777)
    (tmp_path / "metadata").mkdir()
    assert f"sudo chown -R nobody {tmp_path / 'metadata'}" in as_nobody(
        lambda: lock.check_writable(tmp_path)
    )


def test_a_run_in_a_folder_of_somebody_else_ends_with_one_line(fresh):
    fresh.edit("latentdims/workflow/lock.py", "not os.access(each, os.R_OK", "(each, os.R_OK")
    done = fresh.run("results/shapes/mlp/seed0/network.h5")
    assert done.returncode != 0
    assert "cannot write there; work in a folder of your own" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh.folder / "results").exists()


def test_a_lock_that_root_left_goes_or_is_named(tmp_path, holder, left, as_nobody):
    tmp_path.chmod(0o777)
    left.parent.chmod(0o777)
    living = as_nobody(lambda: lock.take(tmp_path))
    assert living.startswith("InputError: another run is working")
    assert ", by root)" in living
    holder.kill()
    holder.wait()
    (tmp_path / lock.NAME).chmod(0o600)
    hidden = as_nobody(lambda: lock.take(tmp_path))
    assert hidden.startswith(f"InputError: the lock {tmp_path / lock.NAME} belongs to root")
    (tmp_path / lock.NAME).chmod(0o644)
    assert as_nobody(lambda: lock.take(tmp_path)) == "done"
    assert not left.exists()


def test_a_lock_of_snakemake_that_cannot_be_read_is_named_and_stays(tmp_path, left, as_nobody):
    for folder in (tmp_path, left.parent):
        folder.chmod(0o777)
    left.chmod(0o600)
    told = as_nobody(lambda: lock.take(tmp_path))
    assert told.startswith(f"InputError: the lock {left} belongs to root and cannot be read")
    assert told.endswith(f"remove it: rm -f {left}")
    assert left.exists()


def check_beside(fresh, long, network):
    """What dry runs and a second run do beside a living one; the content of its lock."""
    file = fresh.folder / ".snakemake" / lock.NAME
    until = time.monotonic() + 120
    while not list(fresh.folder.glob(".snakemake/locks/*")) and time.monotonic() < until:
        time.sleep(0.1)
    held = file.read_text()
    assert json.loads(held)["pid"] == long.pid
    assert fresh.run("--dry-run", network).returncode == 0
    assert fresh.run("--summary").returncode == 0
    assert file.read_text() == held
    second = fresh.run(network)
    assert second.returncode != 0
    assert f"another run is working in {fresh.folder} (process {long.pid} on" in second.stderr
    assert "--unlock" not in second.stderr
    assert "Traceback" not in second.stderr
    assert list(fresh.folder.glob(".snakemake/locks/*"))
    until = time.monotonic() + 120
    while not scripts(fresh) and time.monotonic() < until:
        time.sleep(0.1)
    return held


@pytest.mark.slow
def test_runs_dry_runs_and_a_killed_run(fresh):
    """A dry run takes no lock and removes none; what a killed run left is no obstacle."""
    network = "results/shapes/mlp/seed0/network.h5"
    file = fresh.folder / ".snakemake" / lock.NAME
    long = fresh.start(network, "--config", "training={epochs: 100000}")
    try:
        held = check_beside(fresh, long, network)
    finally:
        long.kill()
        for job in scripts(fresh):
            os.kill(job, signal.SIGKILL)
        long.communicate()
    assert fresh.planned(network)
    assert file.read_text() == held
    fresh.complete("--quiet", "all", "--touch", "--", network)
    assert not list(fresh.folder.glob(".snakemake/locks/*"))
    assert file.read_text() == ""
