"""What runs again: each line of the table in docs/reruns.md."""

import copy
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import pytest
from workflow import TINY, Workflow

from latentdims.figures import catalogue

FIGURES = len(catalogue.drawn(seeds=2))
OF_A_SEED = ("train", "covariance", "align", "clip", "generate")
EVERYTHING = dict.fromkeys(OF_A_SEED, 4) | {"summary": 1, "figure": 2 * FIGURES}


def changed(**keys: Any) -> dict[str, Any]:
    """The tiny configuration with some keys more."""
    config = copy.deepcopy(TINY)
    for key, value in keys.items():
        config[key] = {**config.get(key, {}), **value} if isinstance(value, dict) else value
    return config


def without_records(workflow: Workflow) -> None:
    """As after `rm -r .snakemake`, or in a copy of the results alone."""
    shutil.rmtree(workflow.folder / ".snakemake")


def assert_plans(workflow: Workflow, expected: dict[str, int], *arguments: str) -> None:
    assert workflow.planned(*arguments) == Counter({**expected, "all": 1} if expected else {})


def test_nothing(finished):
    assert_plans(finished, {})


def test_nothing_after_a_touch_a_comment_or_another_order(again):
    for path in (*(again.folder / "latentdims").rglob("*.py"), *again.folder.glob("scripts/*.py")):
        os.utime(path)
    again.edit("latentdims/steps/clipping.py", "import logging\n", "import logging  # progress\n")
    again.edit("latentdims/steps/training.py", "Train one network", "Train a single network")
    again.configure(dict(reversed(TINY.items())))
    assert_plans(again, {})


def test_figures_of_other_settings_are_named(again):
    said = "not of this configuration"
    assert said not in again.complete("--dry-run")
    config = changed(seeds=1)
    del config["networks"]["cnn"]
    again.configure(config)
    shown = again.folder / "results" / "figures" / "reproduction.svg"
    shown.touch()
    names = "reproduction, shapes/cnn/alignment, shapes/cnn/clipping and 14 more"
    assert f"{said}, in results/figures: {names}\n" in again.complete("--dry-run")


def test_nothing_where_results_were_copied_or_checked_out_again(again):
    """Their times then say nothing: here what was made first is newest."""
    files = [path for path in again.folder.rglob("*.*") if path.is_file()]
    for path in files:
        made = path.stat().st_mtime
        os.utime(path, times=(2e9 - made, 2e9 - made))
    assert_plans(again, {})


@pytest.fixture(scope="session")
def latin(tmp_path_factory) -> dict[str, str]:
    """The environment of a locale in ISO-8859-1."""
    folder = tmp_path_factory.mktemp("locales")
    locale = ["localedef", "-f", "ISO-8859-1", "-i", "en_US", str(folder / "en_US")]
    if shutil.which("localedef") is None or subprocess.run(locale, check=False).returncode:
        return {"LC_ALL": "C"}  # in ASCII
    return {"LC_ALL": "en_US", "LOCPATH": str(folder)}


@pytest.mark.slow
def test_nothing_in_another_locale_in_which_jobs_run_too(again, latin):
    again.environment |= {**latin, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert_plans(again, {})
    table = again.folder / "results" / "summary.md"
    made = table.read_bytes()
    table.unlink()
    again.complete("--quiet", "all", "--", "results/summary.md")
    assert table.read_bytes() == made


def test_nothing_where_code_was_edited_that_cannot_change_a_result(again):
    again.edit("latentdims/workflow/memory.py", "MARGIN = 1.2", "MARGIN = 1.5")
    again.edit("latentdims/workflow/job.py", "done in", "ended after")
    again.edit("latentdims/workflow/checkpoint.py", '"60"', '"30"')
    again.edit("latentdims/steps/download.py", "CHUNK = 1 << 18", "CHUNK = 1 << 19")
    again.edit("latentdims/images/checksums.py", "\nMD5", "\nNEAREST = 1\nMD5")
    again.edit("latentdims/images/sources/imagefolder.py", "\nimport ", "\nimport sys\nimport ")
    again.edit("latentdims/figures/catalogue.py", "OF_PAIRS = (", 'MORE = "more"\nOF_PAIRS = (')
    family = again.folder / "latentdims" / "models" / "families" / "perceptron.py"
    shutil.copy(family.with_name("mlp.py"), family)
    assert_plans(again, {})


OF_ONE_NETWORK = dict.fromkeys(OF_A_SEED, 2) | {"summary": 1, "figure": FIGURES}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "interventions/components.py",
            "import math",
            "import json\nimport math",
            {"clip": 4, "summary": 1, "figure": 4},
        ),
        (
            "comparison/procrustes.py",
            "import numpy as np",
            "import math\nimport numpy as np",
            {"align": 4, "generate": 4, "summary": 1, "figure": 2 * (FIGURES - 1)},
        ),
        ("figures/training.py", 'xlabel="epoch"', 'xlabel="epochs"', {"figure": 2}),
        (
            "figures/style.py",
            '"trained": "#0072B2"',
            '"trained": "#0000FF"',
            {"figure": 2 * FIGURES, "samples": 1},
        ),
        (
            "statistics/scales.py",
            "PERCENT: Range = (0, 100)",
            "PERCENT: Range = (0, 101)",
            {"summary": 1, "figure": 2 * (FIGURES - 1)},  # all but that of the first layer
        ),
        (
            "models/families/cnn.py",
            "stride: int = 2",
            "stride: int = 1",
            OF_ONE_NETWORK,
        ),
        ("device.py", "allow_tf32 = False", "allow_tf32 = True", EVERYTHING),
        (
            "images/sources/embedded.py",
            "BATCH = 500",
            "BATCH = 400",
            {**EVERYTHING, "prepare": 1, "samples": 1},
        ),
    ],
)
def test_an_edit_runs_exactly_what_it_reaches(again, file, old, new, expected):
    again.edit(f"latentdims/{file}", old, new)
    assert_plans(again, expected)


NEW_NETWORK = {"networks": {"wide": {"architecture": "mlp", "widths": [16]}}}
NEW_DATA = {"datasets": {"more": {"source": "embedded", "train_samples": 90, "test_samples": 40}}}
OTHER_IMAGES = {"datasets": {"shapes": {**TINY["datasets"]["shapes"], "seed": 5}}}
OTHER_LABELS = {"datasets": {"shapes": {**TINY["datasets"]["shapes"], "labels": "shuffled"}}}
PUBLISHED = {"published": {"shapes": {"mlp": {"accuracy": {"split": "test", "values": [31.5]}}}}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clipping": {"ranks": [1, 2]}}, {"clip": 4, "summary": 1, "figure": 4}),
        ({"generation": {"draws": 3}}, {"generate": 4, "summary": 1, "figure": 2}),
        pytest.param(
            {"generation": {"white_draws": 1}},
            {"generate": 4, "summary": 1, "figure": 2},
            marks=pytest.mark.slow,
        ),
        (
            {"alignment": {"vectors": 3}},
            {"align": 4, "summary": 1, "figure": 2 * (FIGURES - 3)},
        ),
        ({"training": {"epochs": 2}}, EVERYTHING),
        pytest.param(
            {"training": {"together": True}},
            {**EVERYTHING, "train": 2},
            marks=pytest.mark.slow,
        ),
        (PUBLISHED, {"summary": 1, "reproduction": 1}),
        (OTHER_IMAGES, {**EVERYTHING, "prepare": 1, "samples": 1}),
        pytest.param(
            OTHER_LABELS,
            {**EVERYTHING, "prepare": 1, "samples": 1},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_setting_runs_exactly_what_it_reaches_with_or_without_records(again, change, expected):
    again.configure(changed(**change))
    assert_plans(again, expected)
    without_records(again)
    assert_plans(again, expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (NEW_NETWORK, OF_ONE_NETWORK),
        (
            NEW_DATA,
            {**EVERYTHING, "prepare": 1, "samples": 1},
        ),
        (
            {"seeds": 3},
            dict.fromkeys(OF_A_SEED, 2) | {"consensus": 2, "summary": 1, "figure": 2 * FIGURES},
        ),
    ],
)
def test_what_is_added_runs_alone(again, change, expected):
    again.configure(changed(**change))
    without_records(again)
    assert_plans(again, expected)


def test_nothing_without_records_even_where_results_were_renamed(again):
    without_records(again)
    (again.folder / "results").rename(again.folder / "kept")
    again.configure(changed(results="kept"))
    assert_plans(again, {})


@pytest.mark.slow
def test_nothing_of_another_configuration_in_its_own_folder(again):
    mine = changed(results="mine", datasets={"shapes": {"source": "embedded", "seed": 7}})

    def times() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in (again.folder / "results").rglob("*")}

    before = times()
    again.configure(mine)
    again.complete("--quiet", "all", "--", "mine/resources/shapes.h5")
    assert times() == before
    again.configure(TINY)
    assert_plans(again, {})


def test_another_torch_trains_again(again, tmp_path):
    information = tmp_path / "other" / "torch-9.8.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Name: torch\nVersion: 9.8\n", encoding="utf-8")
    again.environment["PYTHONPATH"] = str(tmp_path / "other")
    without_records(again)
    assert_plans(again, EVERYTHING)


def test_code_edited_where_there_are_no_records_is_found_in_figures_and_files(again):
    without_records(again)
    again.edit("latentdims/figures/training.py", 'xlabel="epoch"', 'xlabel="epochs"')
    again.edit("latentdims/figures/samples.py", "import h5py", "import math\nimport h5py")
    components = "latentdims/interventions/components.py"
    again.edit(components, "last = last.clone()", "last = 1 * last")
    before = {path: path.read_bytes() for path in again.folder.rglob("results/**/*.*")}
    output = again.complete("--dry-run", "--quiet", "rules")
    for rule, count in {"clip": 4, "samples": 1, "figure": 6, "summary": 1, "total": 13}.items():
        assert re.search(rf"^{rule} +{count}$", output, re.MULTILINE), output
    said = re.findall(
        r"^latentdims: (\w+): results of other settings, code or inputs, such as (\S+) \(code\)",
        output,
        re.M,
    )
    assert {rule for rule, _ in said} == {"clip", "samples", "figure"}
    assert all((again.folder / path).exists() for _, path in said)
    assert before == {path: path.read_bytes() for path in before}


def test_files_of_another_format_damaged_or_from_elsewhere_are_made_again(again):
    without_records(again)
    shapes = again.folder / "results" / "shapes"
    with h5py.File(shapes / "mlp" / "seed0" / "clipping.h5", "r+") as file:
        file.attrs["format_version"] = 1
    generation = shapes / "cnn" / "seed1" / "generation.h5"
    generation.write_bytes(generation.read_bytes()[:3000])
    figures = again.folder / "results" / "figures" / "shapes" / "cnn"
    shutil.copy(figures / "spectra.svg", figures / "training.svg")
    shutil.copy(figures / "training.pdf", figures / "spectra.pdf")
    of_mlp, of_cnn = ("clipping", "weights"), ("generation", "training", "spectra")
    expected = {"clip": 1, "generate": 1, "summary": 1, "figure": len(of_mlp + of_cnn)}
    assert_plans(again, expected)


@pytest.mark.slow
def test_what_is_made_again_is_what_was_asked_for(again):
    """Not what is stale besides; the same bytes from the same; and nothing the next time."""
    without_records(again)
    other = ("--config", "clipping={ranks: [1, 2]}")
    covariance, clipping = (f"results/shapes/mlp/seed1/{n}.h5" for n in ("covariance", "clipping"))
    assert again.planned(*other, "--", covariance) == Counter()
    made = again.folder / clipping
    before = made.read_bytes()
    again.complete("--quiet", "all", *other, "--", clipping)
    assert made.read_bytes() != before
    assert again.planned(*other, "--", clipping) == Counter()
    figure = again.folder / "results" / "figures" / "shapes" / "cnn" / "training.svg"
    drawn = {path: path.read_bytes() for path in (figure, figure.with_suffix(".pdf"))}
    figure.unlink()
    again.complete("--quiet", "all", "--", clipping, str(figure.relative_to(again.folder)))
    assert made.read_bytes() == before
    assert drawn == {path: path.read_bytes() for path in drawn}


def test_times_can_be_accepted_with_touch_but_not_settings(again):
    other = ("--config", "clipping={ranks: [1, 2]}")
    again.complete("--touch", "--quiet", "all", *other)
    assert again.planned(*other)["clip"] == 4
