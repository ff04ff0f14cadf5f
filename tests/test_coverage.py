"""Intervals of trained networks hold the number of their population as often as they claim to."""

from itertools import product

import pytest
import simulation


@pytest.fixture(scope="module")
def found():
    return simulation.shares()


@pytest.mark.slow
def test_95_percent_intervals_hold_92_to_98_percent(found):
    """Wrong is a share from which the coverage itself is known to lie outside, by its own interval
    over the simulated studies."""
    wrong = {}
    for (name, row), n in product(found.items(), simulation.SIZES):
        low, high = simulation.wilson(row[n], simulation.STUDIES)
        if high < 0.92 or low > 0.98:
            wrong[name, n] = row[n]
    assert wrong == {}, simulation.table(found, simulation.STUDIES)


def test_intervals_of_shares_are_those_of_a_textbook():
    """81 of 263 (Newcombe 1998, table I, method 3), and none of ten."""
    assert simulation.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert simulation.wilson(0, 10) == pytest.approx((0, 0.2775), abs=5e-5)
