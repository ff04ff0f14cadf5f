"""What the repository promises about itself."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import latentdims
from latentdims import __version__

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "latentdims").rglob("*.py"))
CODE = [*PACKAGE, *(p for d in ("scripts", "benchmarks", "docs") for p in (ROOT / d).glob("*.py"))]
OPENERS = ("gzip", "os", "tarfile", "zipfile")  # of these, as of classes, `open` is not for text


def pins(text: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", text, re.MULTILINE))


def test_conda_environment_is_made_from_the_requirements():
    printed = subprocess.check_output([sys.executable, ROOT / "envs" / "conda.py"], text=True)
    assert (ROOT / "envs" / "latentdims.yaml").read_text() == printed
    pip = yaml.safe_load(printed)["dependencies"][-1]["pip"]
    assert len(pip) == len(set(pip)) > 10
    assert set(pip) == pins((ROOT / "envs" / "requirements.txt").read_text())


def test_the_version_is_the_same_wherever_it_stands():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+)\] - (unreleased|\d{4}-\d\d-\d\d)$", changes, re.MULTILINE)
    assert versions[0][0] == __version__
    assert len(versions) == changes.count("\n## ")


# https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema-guide.md
CITED = {"abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi"}
CITED |= {"identifiers", "keywords", "license", "license-url", "message", "preferred-citation"}
CITED |= {"references", "repository", "repository-artifact", "repository-code", "title", "type"}
CITED |= {"url", "version"}


def test_the_citation_names_the_software_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() <= CITED
    assert {"authors", "message", "title"} <= citation.keys()
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert (
        citation["license"]
        == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    )
    paper = citation["preferred-citation"]
    names = [author["family-names"] for author in paper["authors"]]
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    authors = ", ".join(f"{a['given-names'][0]}. {a['family-names']}" for a in paper["authors"])
    said = (
        f"{authors}, *{paper['title']}*, JMLR {paper['volume']}({paper['issue']}), {paper['year']}"
    )
    assert said in readme and len(names) == 4


def test_the_workflow_catalog_reads_what_it_knows():
    """Keys of snakemake-workflow-catalog/source/docs/about/adding_workflows.md."""
    found = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    usage = found.pop("usage")
    assert not found
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    ways = usage["software-stack-deployment"]
    assert ways.keys() == {"conda", "apptainer", "apptainer+conda"}
    assert ways["conda"] == all("conda:" in rule for rule in rules().split("\nrule ")[1:])


def test_every_requirement_is_pinned_alike_in_the_constraints():
    constraints = pins((ROOT / "envs" / "constraints.txt").read_text())
    names = {pin.split("==")[0].lower(): pin for pin in constraints}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for pin in pins((ROOT / "envs" / file).read_text()):
            name = pin.split("==")[0].lower()
            assert names.get(name, pin) == pin


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda p: p.name)
def test_scripts_are_thin(path):
    assert len(path.read_text().splitlines()) <= 18
    assert "wildcards" not in path.read_text()
    assert "snakemake.config" not in path.read_text()
    assert re.search(rf"rule \w+:(?:(?!\nrule ).)*scripts/{path.name}", rules(), re.DOTALL)


def test_an_installed_package_has_all_its_files():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    package = ROOT / "latentdims"
    folders = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in PACKAGE}
    assert setuptools["packages"] == {"find": {"include": ["latentdims*"]}}
    assert all((ROOT / name.replace(".", "/") / "__init__.py").is_file() for name in folders)
    others = {path for path in package.rglob("*") if path.suffix not in (".py", ".pyc")}
    listed = {package / name for name in setuptools["package-data"]["latentdims"]}
    assert {path for path in others if path.is_file()} == listed


def test_an_installed_package_brings_what_it_needs():
    made = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(made["project"]["dynamic"]) == {"version", "dependencies"}
    assert made["tool"]["setuptools"]["dynamic"]["dependencies"] == {
        "file": "envs/requirements.txt"
    }
    lines = (ROOT / "envs" / "requirements.txt").read_text().splitlines()
    found = {line for line in lines if line and not line.startswith("#")}
    assert found == pins("\n".join(lines))  # of options of pip, setuptools knows nothing


def test_importing_the_package_alone_is_fast():
    code = "import sys, latentdims; dir(latentdims); print(*sys.modules, latentdims.__version__)"
    told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, encoding="utf-8").split()
    assert not {"torch", "numpy", "h5py", "scipy"} & set(told)
    assert [name for name in told if name.startswith("latentdims")] == ["latentdims"]
    assert told[-1] == "0.1.0"


@pytest.mark.parametrize("name", ["align", "Alignment", "covariance", "Moments", "clip", "draw"])
def test_what_the_package_offers(name):
    assert name in dir(latentdims)
    found = getattr(latentdims, name)
    assert found.__name__ == name
    assert found.__module__ == latentdims.OFFERED[name]


def test_what_the_package_offers_has_one_list():
    assert set(latentdims.__all__) == set(latentdims.OFFERED)
    with pytest.raises(AttributeError, match="no attribute 'alignment'"):
        latentdims.alignment  # noqa: B018
    with pytest.raises(ImportError):
        from latentdims import alignment  # noqa: F401


def rules() -> str:
    return "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))


def test_every_rule_has_memory_time_and_a_log():
    with_gpu = set()
    for rule in re.findall(r"^ *rule .*?(?=^ *rule |\Z)", rules(), re.MULTILINE | re.DOTALL):
        for directive in ("log:", "mem_mb=", "runtime=", "threads:"):
            assert directive in rule, (rule.split(":")[0], directive)
        assert "code=" in rule or "md5=" in rule  # what it is made by, or what it must be
        if "gpu=1" in rule:
            with_gpu.add(rule.split()[1].strip(":"))
    profile = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
    assert with_gpu == profile["set-resources"].keys()  # each is sent to a partition with GPUs


def test_all_that_rules_write_lies_below_the_results():
    """Logs too: those of two configurations, or of two modules, must not be one file."""
    written = re.findall(r"^ +(?:output|log|benchmark):\n((?: {8}.*\n)+)", rules(), re.MULTILINE)
    paths = re.findall(r'"([^" ]+\.(?:h5|svg|pdf|csv|md|html|log|tsv))"', "".join(written))
    assert len(paths) > 30
    within = ("<results>/", "<downloads>/")
    assert [path for path in paths if not path.startswith(within)] == []


@pytest.mark.parametrize("path", PACKAGE, ids=lambda p: p.name)
def test_the_package_never_imports_snakemake(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        assert not any(name.split(".")[0] == "snakemake" for name in names)


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.name)
def test_text_is_read_and_written_in_utf8_whatever_the_locale(path):
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and opens_text(call):
            keywords = {keyword.arg for keyword in call.keywords}
            assert "encoding" in keywords, f"{path.name}:{call.lineno}"


def opens_text(call: ast.Call) -> bool:
    """Whether a call reads or writes a file, or what a program prints, as text."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ("read_text", "write_text", "basicConfig"):
        return True
    if name == "open":
        owner = getattr(getattr(call.func, "value", None), "id", "")
        words = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
        binary = any(re.fullmatch(r"[rwax]b\+?", str(word)) for word in words)
        return not binary and not owner.istitle() and owner not in OPENERS
    return any(keyword.arg in ("text", "universal_newlines") for keyword in call.keywords)


@pytest.mark.parametrize(
    "modules",
    [
        # What the plan needs.
        "configuration.config, steps.download, figures, results.quantities, workflow.memory",
        "workflow.provenance, comparison.partners",
        "workflow.recorded",
        "steps.alignment, steps.consensus, statistics.learned, statistics.spectra, steps.summary",
        "figures.style, figures.eigenvectors, figures.first_layer, figures.samples",
        "images.data, steps.prepare, images.sources.embedded, images.sources.imagefolder",
    ],
)
def test_what_needs_no_torch_does_not_import_it(modules):
    imports = "; ".join(f"import latentdims.{name.strip()}" for name in modules.split(","))
    code = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
