"""Each fault once; tests/faults.py injects them many times."""

import time

import pytest
from faults import FAULTS, SMALL, can_mount, inject, lost, unmount
from workflow import Workflow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nothing happens to, and the seconds that it takes."""
    workflow = Workflow(tmp_path_factory.mktemp("undisturbed") / "code", SMALL)
    start = time.monotonic()
    workflow.complete("--quiet")
    return workflow, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_same_command_gets_over_it_and_nothing_is_lost(name, undisturbed, tmp_path):
    if name == "disk full" and not can_mount(tmp_path / "probe"):
        pytest.skip("this process may not mount file systems")
    whole, seconds = undisturbed
    workflow, _ = inject(name, tmp_path / "code", seed=0, seconds=seconds)
    try:
        assert lost(workflow, whole) == []
        assert workflow.planned() == {}
    finally:
        unmount(workflow.folder)
