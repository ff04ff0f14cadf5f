"""The benchmarks run from the repository, as they are; every step of growth, on networks of a few
neurons; pairs times two commits of a repository whose steps sleep."""

import json
import os
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from benchmarks import drawings, growth, performance

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"


@pytest.mark.parametrize("name", ["bench", "plan", "pairs", "growth"])
def test_each_program_runs_in_the_repository_as_it_is(name):
    outside = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=outside, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"python -m benchmarks.{name}" in " ".join(done.stdout.split())


def test_what_jobs_took_stands_beside_what_was_declared(tmp_path):
    for rule, took, declared in (("clip", 300, 900), ("summary", 80, 170)):
        log = tmp_path / "logs" / rule / "shapes" / "mlp" / "seed0.log"
        log.parent.mkdir(parents=True)
        log.write_text(f"done in 3.0 s, with at most {took} of {declared} MB\n", encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.memory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    clip, summary = done.stdout.splitlines()[2:]
    assert summary == "| summary | mlp | 80 | 170 | 2.12 |"
    assert clip.startswith("| clip | mlp | ") and int(clip.split(" | ")[2]) > 300  # and Snakemake


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("growth")


@pytest.mark.parametrize("step", ["train", "covariance", "align", "consensus", "clip", "generate"])
def test_every_step_is_measured_beside_what_is_expected(step, folder):
    point = {"step": step, "width": 12, "samples": 160, "seeds": 2}
    found = growth.measured(growth.prepared(folder, **point), **point)
    assert set(growth.STEPS) == set(growth.JOBS)
    assert all(found[name] > 0 for name in ("seconds", "operations", "declared"))


# Modules that side.py takes from the checkout. A step sleeps as long as its commit says; what ran
# is noted in a file of both. They were no package before.
STANDING_IN = {
    "bench.py": """
import time
from pathlib import Path
from PACKAGE.tutorial import Tutorial
from PACKAGE import workers

def opened(folder, images):
    return Tutorial(folder / "tutorial"), images

def whole(folder, config):
    config["datasets"]["cifar10"]["train_samples"] == 37 or exit("other samples")
    workers.note("whole" if folder.name == "again" else "prepared")
    return 8.0 * SLOWER
""",
    "tutorial.py": """
class Tutorial:
    def __init__(self, folder):
        self.folder = folder
        source = {"source": "torchvision", "name": "CIFAR10", "preprocessing": {"steps": []}}
        self.config = {"datasets": {"cifar10": source}}
""",
    "workers.py": """
import os, time
from pathlib import Path

Workers = list

class Worker:
    def shutdown(self): pass

def note(what):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{Path.cwd().parent.name} {what}\\n")

def start(tutorial, images):
    return [Worker(), Worker()]

def run(workers, name):
    note(f"{name} {len(workers)}")
    time.sleep(0.2 * SLOWER * len(workers))
""",
    "steps.py": """
from types import SimpleNamespace

def steps(tutorial, images):
    names = {"align, mlp": False, "summary": True, "ONLY": True}
    return [SimpleNamespace(name=name, alone=alone) for name, alone in names.items()]
""",
    "workflow.py": """
class Workflow:
    def __init__(self, folder, config): pass
    def complete(self, *arguments): assert arguments == ("--dry-run",)
""",
}


@pytest.fixture
def two_commits(tmp_path) -> Path:
    """A repository whose second commit takes three times as long, with benchmarks in a package."""
    root = tmp_path / "repository"
    for folder in ("benchmarks", "scripts"):
        (root / folder).mkdir(parents=True)
    for name in ("pairs.py", "side.py"):
        shutil.copy(BENCHMARKS / name, root / "benchmarks")
    (root / "config.yaml").write_text("seeds: 2", encoding="utf-8")
    (root / "scripts" / "train.py").write_text("import os\nos.fork", encoding="utf-8")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (root / "tests").mkdir()
    for commit, slower in (("first", 1), ("second", 3)):
        for name, text in STANDING_IN.items():
            own = text.replace("SLOWER", str(slower)).replace("ONLY", f"only {commit}")
            if commit == "first":
                own = own.replace("from PACKAGE import", "import").replace("from PACKAGE.", "from ")
            own = own.replace("PACKAGE", "benchmarks")
            of = "tests" if name == "workflow.py" else "benchmarks"
            (root / of / name).write_text(own, encoding="utf-8")
        if commit == "second":
            (root / "benchmarks" / "__init__.py").touch()
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", commit], check=True)
    return root


def in_pairs(root: Path, *, before: str = "HEAD~1", pairs: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.pairs", "found", "--before", before]
    return subprocess.run(
        [*command, "--pairs", str(pairs), "--samples", "37", "--least", "0"],
        cwd=root,
        env={**os.environ, "NOTES": str(root / "notes")},
        capture_output=True,
        text=True,
    )


def test_commits_are_timed_in_pairs_each_by_its_own_benchmarks(two_commits):
    first = in_pairs(two_commits, pairs=1)
    assert first.returncode == 0, first.stderr
    (kept,) = two_commits.glob("found/*/pairs.json")
    times = json.loads(kept.read_text(encoding="utf-8"))
    del times["summary"]["before"][0], times["summary"]["after"][0]  # as if interrupted
    kept.write_text(json.dumps(times), encoding="utf-8")
    done = in_pairs(two_commits, pairs=2)
    assert done.returncode == 0, done.stderr
    rows = {cells[1]: cells[2:] for cells in map(cells_of, done.stdout.splitlines()) if cells[1:]}
    assert rows["whole tutorial"] == ["8", "24", "3.000 (3.000 to 3.000)", "1.05: above"]
    # Over the number of workers; a sleep is never shorter than it says, and rarely much longer.
    assert [float(cell) for cell in rows["align, mlp"][:2]] == pytest.approx([0.2, 0.6], rel=0.25)
    assert rows["summary"][3] == "1.10: above"
    assert not any(name.startswith("only") for name in rows)
    notes = [note for note, _ in groupby((two_commits / "notes").read_text().splitlines())]
    assert [note for note in notes if "whole" in note or "prepared" in note] == [
        *("before prepared", "after prepared", "before whole", "after whole"),
        *("after whole", "before whole"),
    ]
    order = [note.split()[0] for note in notes if "align, mlp 2" in note]
    assert order == ["before", "after", "after", "before"]
    # Once in the first run, twice in the second, which lacked it; alone.
    order = [note.split()[0] for note in notes if "summary 1" in note]
    assert order == ["before", "after", "before", "after", "after", "before"]


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[:-1]]


def test_a_commit_that_is_not_there_is_named(two_commits):
    failed = in_pairs(two_commits, before="no-such", pairs=1)
    assert failed.returncode == 1 and failed.stderr.startswith("no-such: no such commit")


@pytest.fixture
def page(tmp_path, monkeypatch) -> Path:
    """A page with the table of one machine."""
    path = tmp_path / "docs" / "performance.md"
    path.parent.mkdir()
    of_first = (
        "<!-- performance on 2 cores of One -->\nold\n<!-- /performance on 2 cores of One -->"
    )
    path.write_text(f"Before.\n\n{of_first}\n\n{performance.NEXT}\n\nAfter.\n", encoding="utf-8")
    monkeypatch.setattr(performance, "PAGE", path)
    monkeypatch.setattr(drawings, "ROOT", tmp_path)
    return path


def measurements(machine: dict[str, object], seconds: float) -> dict[str, object]:
    """As bench.py stores them."""
    step = {"scale": 1, "ours": [seconds] * 3, "plain": [7 * seconds] * 3}
    counted = {"single": 3e9 * seconds, "double": 1e9 * seconds, "peak": [12e9, 4e9]}
    ways = ("descent", "evaluate", "train", "covariance", "cross-covariance", "align")
    ways += ("clip activations", "clip weights", "generate")
    found = {f"{way}, {network}": step | counted for way in ways for network in ("mlp", "cnn")}
    of_all = {name: step | {"plain": []} for name in ("figures", "summary")}
    tutorial = {"ours": [30 * seconds], "single": 9e9, "double": 0}
    return {"tutorial": tutorial, "machine": machine, **found, **of_all}


def test_each_machine_has_its_table_and_picture_and_keeps_those_of_others(page, tmp_path):
    machine = {"cores": 2, "cpu": "One", "gpu": "", "torch": "2.0"}
    of_gpu = {**machine, "cores": 16, "gpu": "Card (R) 5"}
    (tmp_path / "performance-cpu.json").write_text(json.dumps(measurements(machine, 3.0)))
    performance.main(tmp_path)
    first = page.read_text(encoding="utf-8")
    assert (
        "old" not in first
        and "| align, mlp | 3.0 (3.0 to 3.0) | 21.0 (21.0 to 21.0) | 7.0" in first
    )
    assert (
        "2 jobs of the step side by side" in first and "50%" in first
    )  # 3 / 12 + 1 / 4 of a second
    (tmp_path / "performance-cuda.json").write_text(json.dumps(measurements(of_gpu, 0.5)))
    (tmp_path / "performance-cpu.json").unlink()
    for _ in range(2):
        performance.main(tmp_path)
    both = page.read_text(encoding="utf-8")
    before, of_card = both.split("### On Card (R) 5")
    assert before.strip() == first.split(performance.NEXT)[0].strip()
    assert of_card.count("| align, mlp | 0.50 (0.50 to 0.50)") == 1 and of_card.endswith("After.\n")
    assert "16 cores and one Card (R) 5" in of_card and "side by side" not in of_card
    pictures = {path.name for path in page.parent.glob("*.svg")}
    assert pictures == {"performance-2-cores-of-one.svg", "performance-card-r-5.svg"}
    assert all(f"]({name})" in both for name in pictures)
