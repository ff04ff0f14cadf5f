"""The workflow as a module of another one, once and twice, and where files lie in a storage."""

import os
import re
from pathlib import Path

import pytest
from workflow import ROOT, TINY, Workflow

SMALL = {**TINY, "networks": {"mlp": TINY["networks"]["mlp"]}}
DOWNLOADED = {**SMALL, "datasets": {"digits": {"source": "torchvision", "name": "MNIST"}}}
MODULE = """
module {name}:
    snakefile: "{snakefile}"
    config: {config!r}
    {more}

use rule * from {name} as {name}_*
"""
TARGET = """
onstart:
    print("of the importer")

rule everything:
    default_target: True
    input: [{inputs}]
"""


def importer(fresh: Workflow, folder: Path, **modules: tuple[dict, str]) -> Workflow:
    """Another workflow with modules of this one: by name a configuration and further lines."""
    folder.mkdir()
    text = "".join(
        MODULE.format(name=name, snakefile=fresh.folder / "Snakefile", config=config, more=more)
        for name, (config, more) in modules.items()
    )
    text += TARGET.format(inputs=", ".join(f"rules.{name}_all.input" for name in modules))
    (folder / "Snakefile").write_text(text)
    return Workflow(folder)


def below(folder: str) -> str:
    return f'pathvars:\n        results="{folder}"'


def outputs(workflow: Workflow, *arguments: str) -> set[str]:
    """What a dry run would make."""
    told = workflow.complete("--dry-run", *arguments)
    lines = re.findall(r"^ +output: (.*)$", told, re.M)
    return {path for line in lines for path in line.split(", ")}


def test_two_modules_with_results_alone(fresh, tmp_path):
    """Of the same data, which both would download."""
    outer = importer(
        fresh,
        tmp_path / "outer",
        one=(DOWNLOADED, below("results/one")),
        two=({**DOWNLOADED, "seeds": 3}, below("mine/two")),
    )
    made = outputs(outer)
    assert "results/one/digits/mlp/seed1/network.h5" in made
    assert "mine/two/digits/mlp/seed2/network.h5" in made
    assert len([path for path in made if "/download/MNIST/train-images" in path]) == 2
    assert {path for path in made if not path.startswith(("results/one/", "mine/two/"))} == set()


@pytest.mark.parametrize(
    ("config", "more", "folder"),
    [
        ({"results": "mine/of config"}, "", "mine/of config"),
        ({"results": "config"}, below("pathvar"), "pathvar"),
        ({}, 'prefix: "below"', "below/results"),
    ],
)
def test_where_results_of_a_module_lie(config, more, folder, fresh, tmp_path):
    outer = importer(fresh, tmp_path / "outer", latent=({**SMALL, **config}, more))
    made = outputs(outer)
    assert f"{folder}/shapes/mlp/seed1/generation.h5" in made
    assert f"{folder}/resources/shapes.h5" in made
    assert {path for path in made if not path.startswith(f"{folder}/")} == set()


def test_results_of_the_command_line_win(fresh):
    made = outputs(fresh, "--config", "results=elsewhere")
    assert "elsewhere/resources/shapes.h5" in made
    assert {path for path in made if not path.startswith("elsewhere/")} == set()


@pytest.mark.slow
def test_two_modules_run_each_in_its_folder(fresh, tmp_path):
    outer = importer(
        fresh,
        tmp_path / "outer",
        one=(SMALL, below("mine/one")),
        two=({**SMALL, "networks": {"mlp": {"architecture": "mlp", "widths": [5]}}}, below("two")),
    )
    made = [f"{folder}/shapes/mlp/seed0/network.h5" for folder in ("mine/one", "two")]
    told = outer.complete(*made)
    assert "of the importer" in told
    one, two = ((outer.folder / path).read_bytes() for path in made)
    assert one != two
    found = {path.name for path in outer.folder.iterdir()}
    assert found == {"Snakefile", ".snakemake", "mine", "two"}
    assert (outer.folder / ".snakemake" / "latentdims.lock").read_text() == ""  # given back


def test_the_cluster_is_asked_beside_an_onstart_of_the_importer(fresh, tmp_path, monkeypatch):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sbatch", "sinfo", "scontrol", "squeue", "sacct"):
        (commands / name).write_text(
            "#!/bin/sh\necho 'sbatch: error: no such partition' >&2\nexit 1\n"
        )
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    outer = importer(fresh, tmp_path / "outer", latent=(SMALL, below("mine")))
    outer.flags = ("--executor", "slurm", "--jobs", "2")
    done = outer.run()
    assert done.returncode != 0
    assert "Error: the cluster refuses the jobs of rule latent_" in done.stderr
    assert "(no such partition)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "logging/__init__.py" not in done.stderr


def test_nothing_collected_is_an_output_of_a_rule():
    """With a default storage provider, these are flagged, and Snakemake refuses to expand them."""
    for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")):
        for collected in re.findall(r"(?:collect|expand)\(([^()]*)", path.read_text()):
            assert "rules." not in collected, path
