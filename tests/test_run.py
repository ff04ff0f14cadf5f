"""The command line: `make run`, from what is typed to what is seen."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workflow import ROOT, Workflow

from latentdims.errors import InputError
from latentdims.workflow import asked
from latentdims.workflow import run as program

RUN = [sys.executable, "-m", "latentdims.workflow.run"]


def start(folder: Path, **given: str) -> subprocess.Popen[str]:
    """The program with these variables, on two cores."""
    arguments = f"--cores 2 {given.pop('ARGS', '')}"
    return subprocess.Popen(
        RUN,
        cwd=folder,
        env={**os.environ, "CONFIG": "config.yaml", "ARGS": arguments, **given},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, **given: str) -> tuple[int, list[str]]:
    """Its exit status and the lines that it prints."""
    with start(folder, **given) as process:
        output, _ = process.communicate()
    return process.returncode, output.splitlines()


def listing(folder: Path) -> dict[Path, float]:
    """Files and folders with the times of files; but for Python's own."""
    found = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return {path: path.stat().st_mtime if path.is_file() else 0 for path in found}


# What is made of it.


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A working folder with a configuration and two profiles."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asked, "jobs_on_gpus", lambda: 3)
    Path("config.yaml").write_text("seeds: 2\n")
    for name in ("default", "slurm"):
        Path("profiles", name).mkdir(parents=True)
        Path("profiles", name, "profile.yaml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("listed", "expected"),
    [("81559\n81559\n", 20), ("8192\n", 1), ("[N/A]\n", 1), ("", 0), (None, 0)],
)
def test_as_many_jobs_at_once_as_gpus_have_room_for(listed, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if listed is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\nprintf '{listed}'\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    assert asked.command({}).count(f"gpu={expected}") == 1


def test_the_command_for_snakemake(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project / "home"))
    Path("home").mkdir()
    Path("home/it's mine.yaml").write_text("seeds: 3\n")
    Path("$HOME.yaml").write_text("seeds: 4\n")

    def command(**given):
        python, *flags = asked.command(given)
        assert python == sys.executable
        return flags

    common = ["-m", "snakemake", "--configfile"]
    gpus = ["--resources", "gpu=3"]
    default = [*gpus, "--workflow-profile", "profiles/default"]
    assert command() == command(CONFIG="", PROFILE="") == [*common, "config.yaml", *default]
    mine = [*common, str(project / "home" / "it's mine.yaml")]
    assert command(CONFIG="~/it's mine.yaml") == [*mine, *default]
    assert command(CONFIG="$HOME/it's mine.yaml") == [*mine, *default]
    assert command(CONFIG="$HOME.yaml")[3] == "$HOME.yaml"  # it is there, as it is written
    slurm = [*common, "config.yaml", "--workflow-profile", "profiles/slurm"]
    assert command(PROFILE="profiles/slurm") == command(PROFILE="slurm") == slurm
    assert command(PROFILE="profiles/default/") == command()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"CONFIG": "confg.yaml"}, r"confg\.yaml: there is no such file; there are config\.yaml"),
        ({"CONFIG": "profiles"}, "profiles: Is a directory"),
        ({"PROFILE": "profiles/slrum"}, "no profiles/slrum/profile.yaml; did you mean 'profiles/s"),
        ({"PROFILE": "x"}, "no x/profile.yaml; known: profiles/default, profiles/slurm"),
        ({"ARGS": "--config 'a"}, "ARGS: No closing quotation in --config 'a"),
        ({"TARGET": 'a"'}, "TARGET: No closing quotation"),
    ],
)
def test_what_is_mistyped_is_refused_in_one_line(given, message, project):
    with pytest.raises(InputError, match=message) as refused:
        program.run(given)
    assert "\n" not in str(refused.value)
    assert not (project / ".snakemake").exists()


def test_words_are_split_as_a_shell_does():
    arguments = "--config 'datasets={cifar10: {source: imagefolder, path: a b.tar.gz}}' -n"
    assert asked.words("ARGS", {"ARGS": arguments}) == [
        *("--config", "datasets={cifar10: {source: imagefolder, path: a b.tar.gz}}", "-n")
    ]
    assert asked.words("TARGET", {}) == []
    assert asked.folder(["-n", "--directory", "a b", "--cores", "2"]) == Path("a b")
    assert asked.folder(["-np", "-da"]) == Path("a")
    assert asked.folder(["--config", "d=3", "--dry-run"]) == Path()


def test_a_user_without_a_name_a_home_or_a_cache(project, monkeypatch):
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    home = project / ".snakemake" / "home"
    environment = asked.environment(Path())
    assert environment["LOGNAME"] == f"user{os.getuid()}"
    assert environment["HOME"] == str(home)
    assert environment["XDG_CACHE_HOME"] == str(home / ".cache")
    monkeypatch.setenv("HOME", str(project))
    assert "XDG_CACHE_HOME" not in asked.environment(Path())
    monkeypatch.setenv("HOME", "/dev/null")  # nobody can write there
    environment = asked.environment(Path())
    assert environment["HOME"] == "/dev/null"
    assert environment["XDG_CACHE_HOME"] == str(home / ".cache")


def test_a_shared_cache_that_is_not_there_is_refused(project, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(project / "nowhere"))
    with pytest.raises(InputError, match=r"cannot write to the folder .*nowhere; create it"):
        program.run({})
    (project / "nowhere").mkdir()
    asked.environment(Path())


# What is seen.


def test_a_run_of_one_target_then_nothing_to_do(fresh):
    networks = [f"results/shapes/mlp/seed{seed}/network.h5" for seed in range(2)]
    (fresh.folder / "config.yaml").rename(fresh.folder / "my tiny.yaml")
    given = {"CONFIG": "my tiny.yaml", "TARGET": " ".join(networks)}
    status, lines = run(fresh.folder, **given)
    assert status == 0
    assert lines[:3] == ["3 jobs to run:", "  prepare    1", "  train      2"]
    assert [line.split()[:-2] for line in lines[4:-2]] in [
        [
            ["1", "of", "3", "prepare", "shapes"],
            ["2", "of", "3", "train", f"shapes/mlp/seed{first}"],
            ["3", "of", "3", "train", f"shapes/mlp/seed{1 - first}"],
        ]
        for first in (0, 1)
    ]
    assert lines[-2].startswith("Done in ")
    assert lines[-1] == "  results  results"
    whole = fresh.folder / lines[3].removeprefix("The whole log: ")
    assert "3 of 3 steps (100%) done" in whole.read_text()
    before = listing(fresh.folder / "results")
    assert run(fresh.folder, **given) == (0, ["Nothing to be done.", "  results  results"])
    assert listing(fresh.folder / "results") == before


@pytest.mark.slow
def test_the_report_is_made_where_anything_in_it_is_newer(again):
    folder = again.folder / "results"
    report = folder / "report.html"
    told = [
        "  report   results/report.html",
        "  table    results/summary.csv",
        "  figures  results/figures",
    ]
    before = listing(folder)
    assert run(again.folder) == (0, ["Nothing to be done.", *told])
    assert listing(folder) == before
    os.utime(report, (1e9, 1e9))
    before = listing(again.folder)
    dry = ["Nothing to be done.", *told]
    assert run(again.folder, ARGS="--dry-run") == (0, dry)  # writes nothing
    kept = {path: made for path, made in listing(again.folder).items() if folder in path.parents}
    assert kept == {path: before[path] for path in kept}
    assert run(again.folder) == (0, ["Nothing to be done.", *told])
    assert report.stat().st_mtime > 1e9 + 1
    assert not list(folder.glob("*.partial*"))


def test_a_dry_run_writes_nothing(fresh):
    before = listing(fresh.folder)
    status, lines = run(fresh.folder, ARGS="-n", TARGET="results/shapes/cnn/seed1/network.h5")
    assert status == 0
    assert lines == [
        "2 jobs to run:",
        *("  prepare    1", "  train      1"),
        f"  prepare  {'shapes':<30}  missing output files",
        f"  train    {'shapes/cnn/seed1':<30}  missing output files",
        "This was a dry run: nothing was written.",
    ]
    assert listing(fresh.folder) == before


def test_a_job_that_fails_is_named_with_its_error_and_its_log(fresh):
    status, lines = run(
        fresh.folder,
        ARGS="--config results='my results' 'training={epochs: 1, learning_rate: 1e30}'",
        TARGET="'my results/shapes/mlp/seed0/network.h5'",
    )
    log = "my results/logs/train/shapes/mlp/seed0.log"
    assert status == 1
    assert lines[-5].startswith("failed: train shapes/mlp/seed0 after ")
    assert "training.learning_rate: the loss of seed 0 is" in lines[-5]
    assert lines[-4] == f"        its log: {log}"
    assert lines[-3] == "1 of 2 jobs done, 1 failed"
    assert lines[-2] == "Fix the cause; the same command then resumes."
    assert lines[-1].startswith("The whole log: my results/logs/run-")
    assert sum("the loss of seed 0 is" in line for line in lines) == 1
    assert "Traceback" not in "".join(lines)
    assert (fresh.folder / log).exists()


def test_mistakes_that_the_plan_finds_are_one_line(fresh):
    mistakes = {
        "error: configuration: sedes: unknown key": {"ARGS": "--config sedes=3"},
        "error: unrecognized arguments: --nosuch": {"ARGS": "--nosuch"},
        "error: nothing makes nosuch": {"TARGET": "nosuch"},
    }
    for message, given in mistakes.items():
        status, lines = run(fresh.folder, **given)
        assert status == 1
        assert len(lines) == 1
        assert lines[0].startswith(message)


def test_a_key_that_stands_twice_is_refused_by_snakemake_too(fresh):
    with (fresh.folder / "config.yaml").open("a") as file:
        file.write("seeds: 3\n")
    done = fresh.run("--dry-run")
    assert done.returncode
    assert "'seeds' is also in line " in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_an_interrupt_ends_all_jobs_with_one_line(number, fresh):
    target = "results/shapes/mlp/seed0/network.h5"
    arguments = "--config 'training={epochs: 100000}'"
    with start(fresh.folder, ARGS=arguments, TARGET=target) as process:
        log = fresh.folder / "results" / "logs" / "train" / "shapes" / "mlp" / "seed0.log"
        while not (log.exists() and "epoch 1 of" in log.read_text()):
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, number)
        output, _ = process.communicate()
    assert process.returncode == 130
    assert output.splitlines()[-1] == "Interrupted. The same command resumes."
    assert "Traceback" not in output + log.read_text()
    assert "failed" not in output
    assert "interrupted after" in log.read_text()
    assert jobs_in(fresh.folder) == []


def test_the_second_interrupt_kills(tmp_path):
    """Also what does not listen; and nothing is left of its process group."""
    (tmp_path / "deaf.py").write_text(
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]])\n"
        "print('deaf', file=sys.stderr, flush=True)\n"
        "time.sleep(600)\n"
    )
    code = (
        "import os, sys; from pathlib import Path; from latentdims.workflow import process\n"
        "process.Console.read = lambda self, line: print(line, end='', flush=True)\n"
        "status, _ = process.follow(sys.argv[1:], Path(), os.environ); sys.exit(status)"
    )
    deaf = [sys.executable, str(tmp_path / "deaf.py"), str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *deaf], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "deaf\n"
        process.send_signal(signal.SIGINT)
        time.sleep(2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert jobs_in(tmp_path) == []


def jobs_in(folder: Path) -> list[str]:
    """Command lines of processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_a_folder_elsewhere(finished: Workflow, tmp_path):
    target = "results/resources/shapes.h5"
    arguments = f"--directory '{tmp_path}/else where'"
    (tmp_path / "else where").mkdir()
    status, lines = run(finished.folder, ARGS=arguments, TARGET=target)
    assert status == 0
    assert lines[-1] == f"  results  {tmp_path}/else where/results"
    assert (tmp_path / "else where" / target).exists()
