"""Fingerprints change with what code does, and with nothing else."""

import json
from pathlib import Path

import pytest

from latentdims.errors import InputError
from latentdims.workflow import provenance
from latentdims.workflow.provenance import check_run, fingerprint

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own: script -> a -> b, and c that nothing reaches."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text('"""Doc."""\nfrom pack import b\n\ndef f():\n    return b.g()\n')
    (folder / "b.py").write_text("def g():\n    return 1\n")
    (folder / "c.py").write_text("def h():\n    return 2\n")
    script = tmp_path / "script.py"
    script.write_text("from pack.a import f\nf()\n")
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    monkeypatch.setattr(provenance, "_parse", provenance._parse.__wrapped__)
    return folder, script


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("b.py", "return 1", "return 3", True),
        ("a.py", "b.g()", "-b.g()", True),
        ("c.py", "return 2", "return 3", False),
        ("b.py", "return 1", "return 1  # one", False),
        ("b.py", "def g():\n", 'def g():\n    """What g does."""\n\n', False),
        ("a.py", "Doc.", "Another.", False),
        ("c.py", "def h", "import pack.a\n\ndef h", False),
        ("a.py", "import b", "import b, c", True),
    ],
)
def test_what_counts(package, file, old, new, changes):
    folder, script = package
    before = fingerprint(script)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert (fingerprint(script) != before) == changes


def test_what_the_package_offers_to_others_is_behind_no_script(package):
    folder, script = package
    (folder / "__init__.py").write_text("from pack.c import h\n")
    before = fingerprint(script)
    (folder / "c.py").write_text("def h():\n    return 3\n")
    assert fingerprint(script) == before
    assert folder / "__init__.py" in provenance.reached(script)


@pytest.fixture
def remembering(package, tmp_path, monkeypatch):
    """A working folder; returns the fingerprint that a process of its own finds there."""
    monkeypatch.chdir(tmp_path)
    Path(".snakemake").mkdir()

    def process() -> str:
        provenance._remembered.cache_clear()
        return fingerprint(package[1])

    yield process
    provenance._remembered.cache_clear()


def test_what_was_parsed_is_not_parsed_again(package, remembering, monkeypatch):
    before = remembering()
    provenance.remember()
    assert [path.name for path in Path(".snakemake").iterdir()] == [provenance.TREES.name]
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "_tree", None)
        assert remembering() == before
        (package[0] / "b.py").write_text("def g():\n    return 3\n")
        with pytest.raises(TypeError):
            remembering()
    assert remembering() != before


@pytest.mark.parametrize(
    "wrong",
    [
        lambda kept: "",
        lambda kept: "[1]",
        lambda kept: json.dumps({**kept, "trees": dict.fromkeys(kept["trees"], 3)}),
        lambda kept: json.dumps(
            {"python": "3.10", "trees": {key: ["", []] for key in kept["trees"]}}
        ),
    ],
)
def test_what_was_not_written_so_is_parsed(remembering, wrong):
    before = remembering()
    provenance.remember()
    provenance.TREES.write_text(wrong(json.loads(provenance.TREES.read_text())))
    assert remembering() == before


def test_a_folder_that_cannot_be_written_is_no_matter(remembering):
    before = remembering()
    Path(".snakemake").rmdir()
    provenance.remember()
    assert remembering() == before


def test_modules_named_besides_count_too(package):
    folder, script = package
    before = fingerprint(script, "pack.c")
    assert before != fingerprint(script)
    (folder / "c.py").write_text("def h():\n    return 3\n")
    assert fingerprint(script, "pack.c") != before


def test_it_does_not_depend_on_where_the_code_lies(package, tmp_path, monkeypatch):
    folder, script = package
    before = fingerprint(script)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.rename(elsewhere / "pack")
    monkeypatch.setattr(provenance, "PACKAGE", elsewhere / "pack")
    assert fingerprint(script) == before


def test_whatever_a_job_loads_is_in_its_fingerprint(finished):
    """But for what runs jobs; so that what is imported by a name of its own making is stamped."""
    lines = finished.folder.with_suffix(".told") / "loaded.jsonl"
    scripts = set()
    for stamped, loaded, _ in map(json.loads, lines.read_text(encoding="utf-8").splitlines()):
        script, *modules, _ = stamped.split()
        counted = provenance.reached(finished.folder / "scripts" / script, *modules)
        names = [name for name in loaded if ".workflow" not in name]
        assert {f for n in names for f in provenance._sources(n)} <= set(counted), stamped
        scripts.add(script)
    unused = {"download.py", "merge.py", "consensus.py", "train_together.py", "describe.py"}
    unused |= {"adopt.py", "compare_covariance.py", "compare_align.py", "comparison_figure.py"}
    assert scripts == {path.name for path in (ROOT / "scripts").glob("*.py")} - unused


@pytest.mark.parametrize(
    ("script", "modules"),
    [
        ("train.py", ["latentdims.models.families.mlp"]),
        ("covariance.py", ["latentdims.models.families.cnn"]),
        ("figure.py", ["latentdims.figures.clipping"]),
        ("download.py", []),
        ("prepare.py", ["latentdims.images.sources.embedded"]),
    ],
)
def test_code_that_cannot_change_a_result_is_not_behind_it(script, modules):
    counted = provenance.reached(ROOT / "scripts" / script, *modules)
    files = {path for path in counted if path.name != "__init__.py"}
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    never = {"steps.download", "images.sources.local", "configuration.config", "figures.catalogue"}
    never -= {f"steps.{script[:-3]}"}
    assert not {f"latentdims.{name}" for name in never} & names
    for family in (
        "latentdims.workflow",
        "latentdims.models.families",
        "latentdims.images.sources",
    ):
        assert {name for name in names if name.startswith(f"{family}.")} <= set(modules)


def test_a_job_on_a_cluster_belongs_to_the_run_that_submitted_it(monkeypatch):
    monkeypatch.delenv(provenance.RUN, raising=False)
    check_run("settings", "code", in_job=True)  # nothing was handed on: nothing to compare with
    check_run("settings", "code", in_job=False)
    check_run("imported settings", "code", in_job=False)  # the workflow is a module used twice
    check_run("settings", "code", in_job=True)
    check_run("imported settings", "code", in_job=True)
    for edited in (("other settings", "code"), ("settings", "other code")):
        with pytest.raises(InputError, match="edited during the run"):
            check_run(*edited, in_job=True)
