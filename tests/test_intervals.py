"""Intervals cover what they claim to, and are not invented."""

import numpy as np
import pytest

from latentdims.intervals import over_pairs, over_seeds


def test_student_interval_of_a_textbook_sample():
    estimate = over_seeds([1.0, 2.0, 3.0])
    half = 4.302652729911275 * 1 / 3**0.5  # t of two degrees of freedom, 97.5 %
    assert estimate.value == 2
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half))
    assert estimate.n == 3


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0]])
def test_fewer_than_three_seeds_give_no_interval(values):
    estimate = over_seeds(values)
    assert (estimate.low, estimate.high) == (None, None)


def test_pairs_of_additive_effects_have_the_interval_of_the_seeds():
    """Where a pair's value is the mean of two seeds' values, leaving out one seed is leaving out
    its value, and the jackknife gives 4/4 of the standard error of 2·mean/2."""
    seeds = np.array([1.0, 4.0, 2.0, 7.0, 5.0])
    pairs = {(r, s): (seeds[r] + seeds[s]) / 2 for s in range(5) for r in range(s)}
    assert over_pairs(pairs) == pytest.approx(over_seeds(seeds))


def test_one_pair_is_of_two_networks():
    assert over_pairs({(0, 1): 0.5}) == (0.5, None, None, 2)


def test_pairs_with_one_reference_count_the_others():
    pairs = {(0, 1): 1.0, (0, 2): 2.0, (0, 3): 3.0}
    assert over_pairs(pairs) == over_seeds([1.0, 2.0, 3.0])


def test_interval_over_pairs_covers_in_95_percent():
    """A product kernel of seeds: E = mean², estimated from pairs of 8 seeds, 1000 times."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        x = random.normal(1, 0.3, 8)
        estimate = over_pairs({(r, s): x[r] * x[s] for s in range(8) for r in range(s)})
        covered += estimate.low <= 1 <= estimate.high
    # Binomial error of 1000 trials: 0.7 points; the t interval of a jackknife is approximate.
    assert 0.92 <= covered / 1000 <= 0.98
