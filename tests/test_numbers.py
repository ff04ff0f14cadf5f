"""Every quantity of the summary is explained, and nothing else is; gains, fold by fold."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from known_files import SEEDS, files, rows, tables  # noqa: F401 (fixtures)

from latentdims.results import numbers
from latentdims.results.quantities import Name
from latentdims.statistics.intervals import over_pairs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "numbers.md"
ANY = {
    "<basis>": r"\w+",
    "<i>": r"\d+",
    "<k>": r"\d+",
    "<bound>": "(theory|simulation|bulk|initial)",
    "[_by_epoch]": "(_by_epoch)?",
    "[_<way>]": "(_flattened|_wide|_few_1|_few_2)?",
    "[_<procedure>]": "(_wide|_few_1|_few_2)?",
    "<generated …>": r"generated_\w+",
    "<quantity>": r"\w+",
}


def test_every_quantity_has_a_paragraph(rows):  # noqa: F811
    patterns = []
    for bold in re.findall(r"^\*\*(.*?)\*\* —", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for name in re.findall(r"`(.*?)`", bold):
            for part, choices in ANY.items():
                name = name.replace(part, choices)
            patterns.append(name)
    quantities = {key[0] for key in rows}
    matched = {p: [q for q in quantities if re.fullmatch(p, q)] for p in patterns}
    assert quantities - {q for found in matched.values() for q in found} == set()
    assert [p for p, found in matched.items() if not found and "power_law" not in p] == []


@pytest.mark.parametrize("defined", [True, False])
def test_gains_are_differences_by_fold_where_both_are_defined(files, defined):  # noqa: F811
    random = np.random.default_rng(0)
    gained = {}
    for seed in range(SEEDS):
        with h5py.File(files["alignment"][seed], "r+") as file:
            for partner in range(seed):
                group = file[f"seed{partner}/layer1"]
                folds = random.uniform(0.2, 0.8, group["similarity_folds"].shape)
                by_fold = folds[:, 1, 1] - folds[:, 0, 1]  # trained less untrained, centred
                untrained, trained = group["similarity"][:, 1, 1]
                if not defined and (partner, seed) == (0, 2):
                    folds[1, 0] = np.nan
                group["similarity_folds"][...] = folds
                gained[partner, seed] = trained - untrained
                if defined:
                    gained[partner, seed] += by_fold - by_fold.mean()
    found = {number.name: number.estimate for number in numbers.of(files)}
    name = Name("similarity_above_untrained", "layer1", "test", "centred", 2.0)
    assert found[name] == pytest.approx(over_pairs(gained, within=(-2, 2)))
