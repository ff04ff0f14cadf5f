"""The benchmarks run: every step of `growth.py`, on networks of a few neurons."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def growth():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import growth

        yield growth
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("growth")


@pytest.mark.parametrize("step", ["train", "covariance", "align", "consensus", "clip", "generate"])
def test_every_step_is_measured_beside_what_is_expected(step, growth, folder):
    point = {"step": step, "width": 12, "samples": 160, "seeds": 2}
    found = growth.measured(growth.prepared(folder, **point), **point)
    assert set(growth.STEPS) == set(growth.JOBS)
    assert all(found[name] > 0 for name in ("seconds", "operations", "declared"))
