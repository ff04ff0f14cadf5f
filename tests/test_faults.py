"""Each fault once; tests/faults.py injects them many times."""

import time

import pytest
from faults import FAULTS, SMALL, inject, lost
from workflow import Workflow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing happens to, and the seconds that it takes."""
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed") / "code", SMALL)
    start = time.monotonic()
    workflow.complete("--quiet")
    return workflow, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTS if name != "disk full"])
def test_the_same_command_gets_over_it_and_nothing_is_lost(name, undisturbed, tmp_path):
    whole, seconds = undisturbed
    workflow, _ = inject(name, tmp_path / "code", seed=0, seconds=seconds)
    assert lost(workflow, whole) == []
    assert workflow.planned() == {}
