"""Code in README.md and docs/: it runs in a test, is planned here, or says why it is not run.

A block that no test can run has a comment on the line before it: <!-- not run: needs a cluster -->.
"""

import ast
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
import yaml
from workflow import ROOT, Workflow

from latentdims.configuration.config import resolve
from latentdims.errors import InputError

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>\S*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = ("sh", "yaml", "python", "text")  # text is what a command prints
PYTHON = dict(  # by page, the test that runs its Python
    re.findall(
        r"^\| \[([\w.]+)\]\([\w.]+\) \| `tests/(\w+\.py)`(?:, `tests/\w+\.py`)* \|$",
        (ROOT / "docs" / "tests.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)
FILES = {"mine.yaml": "README.md"}  # whose configuration is saved under a name
BY_PYTEST = [".venv/bin/python", "-m", "pytest"]
MINIMAL = {
    "datasets": {"shapes": {"source": "embedded"}},
    "networks": {"mlp": {"architecture": "mlp", "widths": [8]}},
    "seeds": 2,
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
TARGETS = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())
VARIABLES = set(re.findall(r"^(\w+) \?=", MAKEFILE, re.MULTILINE))


class Block(NamedTuple):
    """A fenced block: the line of its fence, its language, and why it is not run, if it is not."""

    page: str
    line: int
    language: str
    code: str
    reason: str | None


def of(page: str, text: str) -> list[Block]:
    """The blocks of a page, in order."""
    return [
        Block(page, text.count("\n", 0, found.start("language")) + 1, *found.group(2, 3, 1))
        for found in FENCE.finditer(text)
    ]


BLOCKS = [
    block
    for page in PAGES
    for block in of(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
]


def chosen(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{block.page}:{block.line}")
        for block in BLOCKS
        if block.language == language and not block.reason
    ]


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command, as a shell splits them."""
    for line in block.code.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def configuration(name: str, page: str) -> dict[str, Any]:
    """A file that a command names: of the repository, or the first whole block of YAML of the page
    that tells readers to save it under that name."""
    path = ROOT / name
    if path.is_file():
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    source = FILES.get(name, page)
    parts = [yaml.safe_load(b.code) for b in BLOCKS if (b.page, b.language) == (source, "yaml")]
    whole = [part for part in parts if {"datasets", "networks"} <= part.keys()]
    told = f"`{name}`" in (ROOT / source).read_text(encoding="utf-8")
    assert told and whole, f"{page}: no block has the content of {name}"
    return whole[0]


@pytest.fixture(autouse=True)
def brought(tmp_path, monkeypatch):
    """A working folder with the files that pages tell readers to save, and small responses."""
    for subject in range(2):
        with h5py.File(tmp_path / f"subject{subject}.h5", "w") as file:
            for split in ("train", "test"):
                file[f"{split}/v1"] = np.zeros((3, 2), np.float32)
    for block in BLOCKS:
        for name in re.findall(r"`(my_\w+\.py)`", (ROOT / block.page).read_text(encoding="utf-8")):
            if block.language == "python" and "def make(" in block.code:
                (tmp_path / name).write_text(block.code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def flags(arguments: list[str]) -> dict[str, Any]:
    """What the flags of a command change in its configuration; Snakemake refuses unknown flags."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from snakemake import cli
    given = cli.get_argument_parser().parse_args(arguments)
    return cli.parse_config(given.config) if given.config else {}


def check_make(words: list[str], page: str) -> None:
    """Check what follows `make`: targets and variables of the Makefile, a configuration that is
    valid with the changes of ARGS, and files that exist."""
    assigned = dict(word.split("=", 1) for word in words if "=" in word)
    targets = [word for word in words if "=" not in word]
    assert set(targets) <= TARGETS and targets, f"make has no target {targets}"
    assert assigned.keys() <= VARIABLES, f"make has no variable {assigned.keys() - VARIABLES}"
    assert (ROOT / assigned.get("PROFILE", "profiles/default") / "profile.yaml").is_file()
    config = configuration(assigned.get("CONFIG", "config.yaml"), page)
    changes = flags(shlex.split(assigned.get("ARGS", "")))
    resolved = resolve(merged(config, changes))
    if "TARGET" in assigned:
        below = assigned["TARGET"].startswith(f"{resolved['results']}/")
        assert below, f"{assigned['TARGET']} is not in {resolved['results']}"
    if "NETWORK" in assigned:
        assert assigned["NETWORK"] in config["networks"], f"no network {assigned['NETWORK']}"


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with changes, as --config makes them."""
    found = dict(config)
    for key, value in changes.items():
        old = found.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[key] = merged(old, value) if both else value
    return found


def check_shell(block: Block) -> None:
    for words in commands(block):
        while re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # variables of the environment
            words = words[1:]
        if words[: len(BY_PYTEST)] == BY_PYTEST:
            missing = [name for name in words[len(BY_PYTEST) :] if not (ROOT / name).exists()]
            assert not missing, f"no such tests: {missing}"
        else:
            assert words[0] == "make", f"{words[0]}: not make; say why it is not run"
            check_make(words[1:], block.page)


def test_every_block_has_a_language():
    assert [f"{b.page}:{b.line}" for b in BLOCKS if b.language not in LANGUAGES] == []


def test_every_fence_is_read():
    fences = sum(page.read_text(encoding="utf-8").count("```") for page in PAGES)
    assert fences == 2 * len(BLOCKS) > 40


def test_what_is_not_run_says_why():
    reasons = {f"{block.page}:{block.line}": block.reason for block in BLOCKS if block.reason}
    assert all(len(reason.split()) > 2 for reason in reasons.values())
    assert len(reasons) < len(BLOCKS) / 10, reasons


@pytest.mark.parametrize("block", chosen("sh"))
def test_commands_are_accepted(block):
    check_shell(block)


@pytest.mark.parametrize("block", chosen("yaml"))
def test_configurations_are_valid(block):
    """Parts of one are added to the blocks before them on the page, or to a minimal one."""
    earlier = [
        yaml.safe_load(each.code)
        for each in BLOCKS
        if (each.page, each.language) == (block.page, "yaml") and each.line < block.line
    ]
    whole = next((each for each in reversed(earlier) if MINIMAL.keys() <= each.keys()), MINIMAL)
    resolve({**whole, **yaml.safe_load(block.code)})


@pytest.mark.parametrize("block", chosen("python"))
def test_python_runs_in_another_test(block):
    ast.parse(block.code)
    name = Path(block.page).name
    runners = [PYTHON[name]] if name in PYTHON else [p.name for p in TESTS if p != Path(__file__)]
    runners = [each for each in runners if f'"{name}"' in (ROOT / "tests" / each).read_text()]
    assert runners, f"no test reads {block.page}; run its Python there, or say why not"


TESTS = sorted((ROOT / "tests").glob("test_*.py"))


def test_the_first_configuration_of_the_readme_is_planned(tmp_path):
    """And one file of it, as docs/running.md has it."""
    planned = Workflow(tmp_path / "code", configuration("mine.yaml", "README.md"))
    (tmp_path / "my_models.py").rename(planned.folder / "my_models.py")
    found = planned.planned()
    assert found["train"] == 9 and found["summary"] == 1
    assert planned.planned("--", "results/mine/summary.csv")["figure"] == 0


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("make rum", "no target"),
        ("make run COFNIG=config.yaml", "no variable"),
        ("make run CONFIG=none.yaml", "no block has the content"),
        ("make run TARGET=elsewhere/summary.csv", "is not in results"),
        ("make sites NETWORK=none", "no network none"),
        ("snakemake --dry-run", "not make"),
        (".venv/bin/python -m pytest tests/test_none.py", "no such tests"),
    ],
)
def test_a_wrong_command_is_noticed(code, problem):
    with pytest.raises(AssertionError, match=problem):
        check_shell(Block("README.md", 1, "sh", f"{code}\n", None))


def test_a_wrong_key_and_flag_in_a_command_are_noticed(capsys):
    with pytest.raises(InputError, match="sees: unknown key; did you mean 'seeds'"):
        check_make(["run", "ARGS=--config sees=5"], "README.md")
    with pytest.raises(SystemExit):
        check_make(["run", "ARGS=--dry-rum"], "README.md")
    assert "--dry-rum" in capsys.readouterr().err


def test_blocks_are_told_apart():
    text = "a\n\n```sh\nmake\n```\n\n<!-- not run: b c d -->\n```\nx\n```\n"
    assert of("p", text) == [
        Block("p", 3, "sh", "make\n", None),
        Block("p", 8, "", "x\n", "b c d"),
    ]
