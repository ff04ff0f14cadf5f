"""What is typed after make, and what is refused before anything is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from workflow import ROOT

sys.path.insert(0, str(ROOT / "envs"))
import check

OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "CONFIG", "PROFILE", "TARGET", "ARGS")


@pytest.fixture
def makefile(tmp_path) -> Path:
    """A folder with the Makefile, and a Python that prints what it is given."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "envs").mkdir()
    for name in ("requirements.txt", "constraints.txt"):
        (tmp_path / "envs" / name).touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    names = "CONFIG PROFILE TARGET ARGS PIP_USER PIP_TARGET PYTHONPATH PYTHONHOME"
    python.write_text(
        f"#!{sys.executable}\nimport os, sys\nif 'latentdims.workflow.run' in sys.argv:\n"
        f"    print({{name: os.environ.get(name) for name in '{names}'.split()}})\n"
    )
    python.chmod(0o755)
    (tmp_path / ".venv" / "run").touch()
    return tmp_path


def outside_of_make() -> dict[str, str]:
    """The environment without what the make that runs the tests hands on."""
    return {name: value for name, value in os.environ.items() if name not in OF_MAKE}


def make(folder: Path, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**outside_of_make(), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    "text",
    [
        "my tiny.yaml",
        "it's.yaml",
        '"q".yaml',
        "$HOME/x.yaml",
        "$(HOME)/${x}`id`.yaml",
        "~/x.yaml",
        "a#b;c&d|e\\f%.yaml",
        "größe.yaml",
        "--config 'datasets={cifar10: {source: imagefolder, path: photos.tar.gz}}' -n",
    ],
)
def test_make_hands_on_what_is_typed_as_it_is_typed(text, makefile):
    names = ("CONFIG", "PROFILE", "TARGET", "ARGS")
    typed = make(makefile, "run", *(f"{name}={text}" for name in names))
    assert {name: eval(typed)[name] for name in names} == dict.fromkeys(names, text)
    assert eval(make(makefile, "run", CONFIG=text))["CONFIG"] == text


def test_make_has_defaults_and_no_settings_of_others(makefile):
    others = {"PYTHONPATH": "/x", "PYTHONHOME": "/x", "PIP_USER": "1", "PIP_TARGET": "/x"}
    assert eval(make(makefile, "run", **others)) == {
        **{"CONFIG": "config.yaml", "PROFILE": "profiles/default", "TARGET": "", "ARGS": ""},
        **{"PIP_USER": "0", "PIP_TARGET": "", "PYTHONPATH": None, "PYTHONHOME": None},
    }


def test_make_clean_leaves_results_and_what_is_known_of_them(makefile):
    for name in (".snakemake", "results"):
        (makefile / name).mkdir()
    make(makefile, "clean")
    assert {path.name for path in makefile.iterdir()} == {
        *("Makefile", "envs", ".snakemake", "results")
    }


def test_a_folder_that_cannot_work_is_refused_before_the_installation(makefile):
    folder = makefile / "my project"
    folder.mkdir()
    for name in ("Makefile", "envs"):
        (makefile / name).rename(folder / name)
    (folder / "envs" / "check.py").write_text((ROOT / "envs" / "check.py").read_text())
    done = subprocess.run(
        ["make", "run", f"PYTHON={sys.executable}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert f"error: the project folder {folder} has a space in its path" in done.stderr
    assert "2645" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / ".venv").exists()


def test_what_ends_make_ends_the_run(makefile):
    python = makefile / ".venv" / "bin" / "python"
    python.write_text(
        f"#!{sys.executable}\nimport os, sys, time\nif 'latentdims.workflow.run' in sys.argv:\n"
        "    print(os.getpid(), flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen(
        ["make", "run"],
        cwd=makefile,
        env=outside_of_make(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        program = Path("/proc", process.stdout.readline().strip())
        assert program.exists()
        process.terminate()
        assert process.wait(60)
    assert not program.exists()


@pytest.mark.parametrize("sign", " \t\n'\"$`\\&;|()<>*?[]{}:")
def test_signs_in_the_name_of_a_folder_with_which_no_job_starts(sign):
    assert "in its path" in check.problem(f"/home/me/a{sign}b")
    assert check.problem("/home/größe/a#b%c=d,e~f!g@h+i^j-k_l.m") is None


def test_a_python_that_is_too_old_or_has_no_venv(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert "has no module ensurepip; install it" in check.problem("/home/me")
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert check.problem("/home/me") == (
        "Python 3.11 or newer is needed, this is 3.9: make run PYTHON=python3.11"
    )
