"""What the repository promises about itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = sorted((ROOT / "latentdims").rglob("*.py"))


def pins(text: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", text, re.MULTILINE))


def test_conda_environment_has_the_versions_of_the_requirements():
    conda = yaml.safe_load((ROOT / "envs" / "latentdims.yaml").read_text())
    assert set(conda["dependencies"][-1]["pip"]) == pins(
        (ROOT / "envs" / "requirements.txt").read_text()
    )


def test_every_requirement_is_pinned_alike_in_the_constraints():
    constraints = pins((ROOT / "envs" / "constraints.txt").read_text())
    names = {pin.split("==")[0].lower(): pin for pin in constraints}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for pin in pins((ROOT / "envs" / file).read_text()):
            name = pin.split("==")[0].lower()
            assert names.get(name, pin) == pin


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda p: p.name)
def test_scripts_are_thin(path):
    assert len(path.read_text().splitlines()) <= 15
    assert "wildcards" not in path.read_text()
    assert "snakemake.config" not in path.read_text()
    assert re.search(rf"rule \w+:(?:(?!\nrule ).)*scripts/{path.name}", rules(), re.DOTALL)


def rules() -> str:
    return "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))


def test_every_rule_has_memory_time_a_log_and_a_benchmark_or_is_cached():
    for rule in re.findall(r"^ *rule .*?(?=^ *rule |\Z)", rules(), re.MULTILINE | re.DOTALL):
        for directive in ("log:", "mem_mb=", "runtime=", "threads:", "code="):
            assert directive in rule, (rule.split(":")[0], directive)
        assert ("benchmark:" in rule) != ("cache:" in rule)  # Snakemake allows one of them
    assert rules().count("gpu=1") == 5


@pytest.mark.parametrize("path", PACKAGE, ids=lambda p: p.name)
def test_the_package_never_imports_snakemake(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        assert not any(name.split(".")[0] == "snakemake" for name in names)


@pytest.mark.parametrize(
    "modules",
    [
        "config, download, figures, workflow.provenance",  # what the plan needs
        "alignment, consensus, learned, spectra, summary",
        "figures.style, figures.eigenvectors, figures.samples",
        "data, sources.embedded, sources.imagefolder",
    ],
)
def test_what_needs_no_torch_does_not_import_it(modules):
    imports = "; ".join(f"import latentdims.{name.strip()}" for name in modules.split(","))
    code = f"import sys; {imports}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
