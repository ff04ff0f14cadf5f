"""`make archive`: one tar of a finished run, which verifies, and is written whole or not at all."""

import hashlib
import os
import resource
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from workflow import TINY, Workflow

from latentdims.errors import InputError
from latentdims.workflow import archive as program
from latentdims.workflow import enclosed, lock, tar

FLAGS = "--cores 2 --resources gpu=0"
RESULTS = (".h5", ".csv", ".md", ".html", ".svg", ".pdf", ".json")
CALL = "import sys; from latentdims.workflow import archive; sys.exit(archive.main())"


@pytest.fixture(autouse=True)
def released():
    yield
    lock.release()


def archived(folder: Path, monkeypatch, **given: str) -> tuple[Path, list[str]]:
    """The archive of a folder, and what is said of it."""
    monkeypatch.chdir(folder)
    said: list[str] = []
    given = {"CONFIG": "config.yaml", "ARGS": FLAGS, **given}
    return program.archive(given, tell=said.append).absolute(), said


def unpacked(path: Path, folder: Path) -> Path:
    """The one folder that an archive unpacks to."""
    with tarfile.open(path) as file:
        file.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    return top


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def verified(top: Path, sums: str) -> subprocess.CompletedProcess[str]:
    command = ["sha256sum", "--check", "--strict", sums]
    return subprocess.run(command, cwd=top, capture_output=True, text=True)


# Of a run that has ended.


def test_an_archive_holds_every_result_and_verifies(again, tmp_path, monkeypatch):
    results = again.folder / "results"
    expected = {
        f"results/{name}": found
        for name, found in content(results).items()
        if name.endswith(RESULTS) and not name.startswith("resources/")
    }
    jobs = [name for name in content(results / "logs") if not name.startswith("run-")]
    for left in ("shapes/mlp/seed0/.network.h5.x.partial", "shapes/old/seed0/network.h5"):
        (results / left).parent.mkdir(parents=True, exist_ok=True)
        (results / left).write_text("of no use")
    (results / "logs" / "run-20260102-030405.log").write_text("the whole output")
    path, said = archived(again.folder, monkeypatch)
    assert path == again.folder / "results.tar"
    top = unpacked(path, tmp_path / "out")
    assert top.name == "results"
    found = content(top)
    assert {name: found[name] for name in found if name.endswith(RESULTS)} == expected
    assert len(expected) > 50 and jobs
    for name in [*jobs, "run-20260102-030405.log"]:
        assert found[f"results/logs/{name}"] == (results / "logs" / name).read_bytes()
    assert verified(top, "SHA256SUMS").returncode == 0
    listed = {line.split("  ")[1] for line in found["SHA256SUMS"].decode().splitlines()}
    assert listed == found.keys() - {"SHA256SUMS"}
    (top / "results" / "summary.csv").write_text("other numbers")
    assert "results/summary.csv: FAILED" in verified(top, "SHA256SUMS").stdout
    assert f"{len(found)} files" in said[0]


def test_images_are_left_out_with_their_checksums_unless_asked_for(again, tmp_path, monkeypatch):
    images = again.folder / "results" / "resources" / "shapes.h5"
    path, said = archived(again.folder, monkeypatch)
    top = unpacked(path, tmp_path / "without")
    assert "WITH=images" in said[-1]
    assert "images are not inside" in (top / "README.txt").read_text()
    assert verified(top, "images.sha256").returncode  # not there
    (top / "results" / "resources").mkdir()
    (top / "results" / "resources" / "shapes.h5").write_bytes(images.read_bytes())
    assert verified(top, "images.sha256").returncode == 0
    whole, said = archived(again.folder, monkeypatch, WITH="images", TO=str(tmp_path / "whole.tar"))
    found = content(unpacked(whole, tmp_path / "with"))
    assert found["results/resources/shapes.h5"] == images.read_bytes()
    assert "images.sha256" not in found and "images are inside" in found["README.txt"].decode()
    assert len(said) == 1


def test_the_same_run_gives_the_same_bytes(again, tmp_path, monkeypatch):
    first, _ = archived(again.folder, monkeypatch)
    for path in (again.folder / "results").rglob("*"):
        if path.is_file() and path.suffix == ".log":
            os.utime(path, (1e9, 1e9))
            path.chmod(0o600)
    second, _ = archived(again.folder, monkeypatch, TO=str(tmp_path / "second.tar"))
    assert first.read_bytes() == second.read_bytes()


def test_the_configuration_is_inside_as_it_was_given_and_as_it_was_used(
    again, tmp_path, monkeypatch
):
    monkeypatch.setattr(enclosed, "ROOT", again.folder)  # a copy, not a clone
    # What does not change a result, since nothing may be left to run.
    (again.folder / "config.yaml").rename(again.folder / "resolved.yaml")
    more = f"{FLAGS} --config 'published={{}}'"
    path, _ = archived(again.folder, monkeypatch, CONFIG="resolved.yaml", ARGS=more)
    top = unpacked(path, tmp_path / "out")
    assert yaml.safe_load((top / "configuration/given/resolved.yaml").read_text()) == TINY
    used = yaml.safe_load((top / "configuration/resolved.yaml").read_text())
    assert used["seeds"] == 2 and used["clipping"]["ranks"] == "all"
    (command,) = [
        line for line in (top / "README.txt").read_text().splitlines() if "make run" in line
    ]
    assert shlex.split(command) == [
        *("make", "run", "CONFIG=../results/configuration/given/resolved.yaml"),
        f"ARGS={more}",
    ]
    pins = (top / "versions/requirements.txt").read_text().splitlines()
    assert any(pin.startswith("torch==") for pin in pins)
    versions = (top / "versions/software.txt").read_text()
    assert "commit: unknown\nworking tree: unknown\n" in versions


def test_what_is_not_finished_or_out_of_date_is_refused(again, monkeypatch):
    def refused(words: str, **given: str) -> None:
        with pytest.raises(InputError, match=words):
            archived(again.folder, monkeypatch, **given)
        assert not (again.folder / "results.tar").exists()

    refused(
        r"not finished, or out of date; what is left to run: .*clip 4",
        ARGS=f"{FLAGS} --config 'clipping={{ranks: [1, 3]}}'",
    )
    refused("ARGS: an archive is of all results", ARGS=f"{FLAGS} --until train")
    report = again.folder / "results" / "report.html"
    os.utime(report, (1e9, 1e9))
    refused(r"report\.html is missing or older than what it shows; first: make run")
    report.unlink()
    refused(r"report\.html is missing or older")
    (again.folder / "results" / "shapes" / "mlp" / "seed1" / "clipping.h5").unlink()
    refused("what is left to run: .*clip 1")


def test_a_disk_that_is_full_leaves_what_was_there_and_then_it_is_replaced(again, monkeypatch):
    old, limit = again.folder / "results.tar", 300_000
    old.write_text("of last year")
    done = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=again.folder,
        env={**os.environ, "CONFIG": "config.yaml", "ARGS": FLAGS, "REPLACE": "yes"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: results.tar: File too large; make room")
    assert old.read_text() == "of last year"
    assert not list(again.folder.glob(".results.tar*"))
    archived(again.folder, monkeypatch, REPLACE="yes")
    assert tarfile.is_tarfile(old) and old.stat().st_size > limit


def test_no_run_may_change_files_meanwhile(again, monkeypatch):
    code = "import time; from pathlib import Path; from latentdims.workflow import lock\n"
    code += "lock.take(Path('.snakemake')); print('taken', flush=True); time.sleep(600)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=again.folder, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "taken\n"
        try:
            with pytest.raises(InputError, match="another run is working in"):
                archived(again.folder, monkeypatch)
        finally:
            other.kill()


# What is asked for wrongly.


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"TARGET": "results/summary.csv"}, "TARGET: an archive is of all results"),
        ({"WITH": "image"}, "WITH: image, expected images or nothing"),
        ({"CONFIG": "none.yaml"}, "none.yaml: there is no such file"),
        ({"ARGS": "'"}, "ARGS: No closing quotation"),
    ],
)
def test_what_is_mistyped_is_refused_in_one_line(given, words, finished, monkeypatch):
    with pytest.raises(InputError, match=words) as refused:
        archived(finished.folder, monkeypatch, **given)
    assert "\n" not in str(refused.value)


def test_nothing_is_written_for_a_run_that_has_not_begun(tmp_path, monkeypatch):
    folder = Workflow(tmp_path / "new", TINY).folder
    with pytest.raises(InputError, match="what is left to run: prepare 1"):
        archived(folder, monkeypatch)
    assert not (folder / ".snakemake").exists() and not (folder / "results").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, r"^mine\.tar is there; REPLACE=yes replaces it, TO= names another file$"),
        ({"REPLACE": "no"}, "REPLACE: no, expected yes or nothing"),
        (
            {"TO": "mine/more/x.tar"},
            "mine/more/x.tar lies among the results; name a file outside of",
        ),
        ({"TO": "nowhere/x.tar"}, "TO: nowhere/x.tar is no file in a folder that is there"),
        ({"TO": "mine"}, "TO: mine is no file in a folder"),
    ],
)
def test_an_archive_takes_the_place_of_nothing(given, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine/more").mkdir(parents=True)
    Path("mine.tar").touch()
    with pytest.raises(InputError, match=words):
        program._destination(given, Path("mine"))
    assert program._destination({"REPLACE": "yes"}, Path("mine")) == Path("mine.tar")
    assert program._destination({"TO": "x.tar"}, Path("mine")) == Path("x.tar")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert program._destination({"TO": "~/y.tar"}, Path("mine")) == tmp_path / "y.tar"


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(program.shutil, "disk_usage", lambda place: SimpleNamespace(free=3000))
    with pytest.raises(InputError, match=r"x\.tar: 4 kB are needed, and 3 kB are free; .*TO="):
        program._check_room(tmp_path / "x.tar", 4000)
    program._check_room(tmp_path / "x.tar", 3000)


# The tar itself.


def test_a_tar_has_sorted_names_and_nothing_of_this_machine(tmp_path):
    (tmp_path / "b").write_bytes(b"second" * 999)
    contents = {"z": "last ü", "b/two": tmp_path / "b", "a": "first"}
    tar.write(tmp_path / "x.tar", "top", contents)
    with tarfile.open(tmp_path / "x.tar") as file:
        members = file.getmembers()
        sums = file.extractfile("top/SHA256SUMS").read().decode()
    assert [each.name for each in members] == ["top/a", "top/b/two", "top/z", "top/SHA256SUMS"]
    owners = {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in members}
    assert owners == {(0, 0, "", "", 315532800, 0o644)}
    expected = [b"first", b"second" * 999, "last ü".encode()]
    lines = zip(expected, ("a", "b/two", "z"), strict=True)
    assert sums == "".join(f"{hashlib.sha256(each).hexdigest()}  {name}\n" for each, name in lines)


def test_a_file_that_becomes_shorter_is_named(tmp_path, monkeypatch):
    path = tmp_path / "log"
    path.write_text("x" * 3000)
    monkeypatch.setattr(tar._Summed, "read", lambda summed, size=-1: b"")
    with pytest.raises(InputError, match=f"{path}: became shorter meanwhile"):
        tar.write(tmp_path / "x.tar", "top", {"log": path})
    assert [each.name for each in tmp_path.iterdir()] == ["log"]


# The code of a run.


@pytest.fixture
def clone(tmp_path) -> Path:
    root = tmp_path / "clone"
    (root / "rules").mkdir(parents=True)
    (root / "rules" / "a.smk").write_text("rule a: pass\n")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    return root


def test_the_commit_and_what_was_changed_since(clone):
    commit = subprocess.check_output(["git", "-C", str(clone), "rev-parse", "HEAD"], text=True)
    (clone / "results.tar").write_text("no code")
    assert enclosed.code(clone) == (commit.strip(), "", "")
    assert "working tree: not changed\n" in enclosed.software(commit.strip(), "")
    (clone / "rules" / "a.smk").write_text("rule b: pass\n")
    (clone / "rules" / "new.smk").touch()
    found, status, changes = enclosed.code(clone)
    assert found == commit.strip()
    assert status.splitlines() == [" M rules/a.smk", "?? rules/new.smk"]
    assert "-rule a: pass\n+rule b: pass\n" in changes
    assert "changed, in the words of git status:\n M rules/a.smk" in enclosed.software(
        found, status
    )
    assert enclosed.code(clone / "rules") == ("unknown", "", "")  # within a clone of something else


def test_how_changed_code_is_brought_back(clone, tmp_path, monkeypatch):
    monkeypatch.setattr(enclosed, "ROOT", clone)
    (clone / "rules" / "a.smk").write_text("rule b: pass\n")
    texts = enclosed.texts(tmp_path / "mine.yaml", [], {}, "tiny run", None)
    lines = [line.strip() for line in texts["README.txt"].splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("git checkout "))
    assert lines[start + 1 : start + 3] == [
        "git apply '../tiny run/versions/changes.diff'",
        "make run 'CONFIG=../tiny run/configuration/given/mine.yaml'",
    ]
    (clone / "rules" / "a.smk").write_text("rule a: pass\n")
    (tmp_path / "changes.diff").write_text(texts["versions/changes.diff"])
    subprocess.run(["git", "apply", str(tmp_path / "changes.diff")], cwd=clone, check=True)
    assert (clone / "rules" / "a.smk").read_text() == "rule b: pass\n"
