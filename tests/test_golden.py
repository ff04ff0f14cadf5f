"""The numbers of the tiny experiment, beside those that are stored."""

import shutil

import pytest
from golden import GOLDEN, changes, read


def test_numbers_are_those_that_are_stored(finished, pytestconfig):
    table = finished.folder / "results/summary.csv"
    if pytestconfig.getoption("--renew"):
        shutil.copyfile(table, GOLDEN)
        pytest.skip(f"{GOLDEN.name} was renewed")
    changed = changes(read(GOLDEN), read(table))
    assert not changed, (
        f"{len(changed)} numbers changed; if they should, renew {GOLDEN.name} by `make golden`, "
        "and say why in the commit:\n" + "\n".join(changed)
    )
