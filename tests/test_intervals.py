"""Intervals cover what they claim to, stay within what a number can be, and are not invented."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentdims.statistics import bands, intervals
from latentdims.statistics.intervals import (
    counted,
    curve_over_networks,
    curve_over_pairs,
    of_one_pair,
    of_one_run,
    over_networks,
    over_pairs,
    ratio_of_means,
)
from latentdims.statistics.scales import COSINE, PERCENT, POSITIVE, SHARE


def test_student_interval_of_a_textbook_sample():
    estimate = over_networks([1.0, 2.0, 3.0])
    half = 4.302652729911275 * 1 / 3**0.5  # t of two degrees of freedom, 97.5 %
    assert estimate.value == 2
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half))
    assert estimate.n == 3


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [[1.0, 3.0], [2.0, 5.0]]])
def test_fewer_than_three_networks_give_no_interval(values):
    for found in (over_networks(values), of_one_run(np.reshape(values, (len(values), -1)))):
        assert (found.value, found.low, found.high) == (np.mean(values), None, None)
    assert over_pairs({(0, 1): 0.5}) == (0.5, None, None, 2)
    assert of_one_pair({(0, 1): [0.25, 0.75]}) == (0.5, None, None, 2)
    assert counted([1.0, 4.0, 7.0]) == (4.0, None, None, 3)


def test_pairs_of_additive_effects_have_the_interval_of_the_networks():
    seeds = np.array([1.0, 4.0, 2.0, 7.0, 5.0])
    pairs = {(r, s): (seeds[r] + seeds[s]) / 2 for s in range(5) for r in range(s)}
    assert over_pairs(pairs) == pytest.approx(over_networks(seeds))


def test_undefined_values_have_no_interval():
    found = over_networks([0.5, np.nan, 0.4], within=COSINE)
    assert np.isnan(found.value) and found.low is None and found.n == 3
    assert np.isnan(ratio_of_means([1.0, 2.0, 3.0], [2.0, 0.0, 3.0]).value)


@given(
    st.lists(st.floats(0.01, 99.99), min_size=3, max_size=8),
    st.integers(1, 8),
    st.floats(0, 30),
)
def test_intervals_stay_in_their_range(networks, folds, spread):
    shifts = np.linspace(-spread, spread, folds)
    values = np.clip(np.array(networks)[:, None] + shifts, 0.001, 99.999)
    found = over_networks(values, within=PERCENT)
    assert 0 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 100
    other = over_networks(values[::-1], within=PERCENT)  # in any order
    assert found == pytest.approx(other, rel=1e-6)
    scaled = over_networks(values / 50 - 1, within=COSINE)  # in any unit
    assert scaled.low == pytest.approx(found.low / 50 - 1, abs=1e-6)


def simulated(cover, *, draws=600):
    """The share of draws that an interval covers, with three standard errors of 95 %."""
    random = np.random.default_rng(3)
    share = np.mean([cover(random) for _ in range(draws)])
    return share, 3 * (0.95 * 0.05 / draws) ** 0.5


@pytest.mark.parametrize("runs", [3, 5, 10])
def test_networks_and_test_images_are_crossed(runs):
    """Effects of networks and of folds, of one size: an interval over networks alone would cover
    far less."""

    def effects(random):
        shared = random.normal(0, 1, 8) * 2
        return 60 + random.normal(0, 1, (runs, 1)) + shared + random.normal(0, 0.5, (runs, 8))

    def crossed(random):
        found = over_networks(effects(random), within=PERCENT)
        return found.low <= 60 <= found.high

    def alone(random):
        found = over_networks(effects(random).mean(1), within=PERCENT)
        return found.low <= 60 <= found.high

    share, error = simulated(crossed)
    assert share >= 0.95 - error
    assert simulated(alone)[0] < share
    if runs > 3:
        assert share <= 0.95 + max(error, 0.035)  # two-way standard errors are careful


def test_one_run_is_covered_by_its_prediction():
    """Networks, draws and test images: another network, drawn once, on other images."""

    def run(random, runs, draws):
        effects = random.normal(0, 1, (runs, 1, 1)) + random.normal(0, 2, (runs, draws, 1))
        return 40 + effects + random.normal(0, 2, (1, 1, 8))

    def cover(random):
        found = of_one_run(run(random, 5, 4), within=PERCENT)
        return found.low <= run(random, 1, 1).mean() <= found.high

    share, error = simulated(cover)
    assert abs(share - 0.95) <= error + 0.01


def student(mean, parts):
    """Ends of an interval from variances, each with its degrees of freedom (Satterthwaite)."""
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    half = stats.t.ppf(0.975, freedom) * variance**0.5
    return mean - half, mean + half


@pytest.mark.parametrize("unit", [0.01, 30])
@pytest.mark.parametrize("draws", [None, 3])
@pytest.mark.parametrize("folds", [1, 5])
def test_a_prediction_adds_what_networks_draws_and_images_vary(unit, draws, folds):
    random = np.random.default_rng(folds)
    values = unit * random.standard_normal((7, draws or 1, folds))
    values += unit * random.standard_normal((7, 1, 1)) + unit * np.arange(folds)
    networks = values.mean((1, 2))
    parts = [(networks.var(ddof=1) * (1 + 1 / 7), 6)]
    if draws:
        within = [np.var(network.mean(1), ddof=1) for network in values]
        parts.append((np.mean(within) * (1 - 1 / 3), 7 * 2))
    if folds > 1:
        parts.append((2 * values.mean((0, 1)).var(ddof=1) / folds, folds - 1))
    found = of_one_run(values if draws else values[:, 0])
    assert (found.value, found.n) == (pytest.approx(values.mean()), 7)
    assert (found.low, found.high) == pytest.approx(student(values.mean(), parts))


def test_what_does_not_vary_is_predicted_exactly():
    assert of_one_run(np.full((3, 2, 4), 0.7))[:3] == pytest.approx((0.7,) * 3)
    pairs = {(r, s): [0.3, 0.3] for s in range(4) for r in range(s)}
    assert of_one_pair(pairs)[:3] == pytest.approx((0.3,) * 3)


def test_positive_numbers_have_intervals_on_the_logarithm():
    found = over_networks([2.0, 3.0, 7.0], within=POSITIVE)
    half = stats.t.ppf(0.975, 2) * np.std([2, 3, 7], ddof=1) / 3**0.5
    assert (found.low, found.high) == pytest.approx((4 / np.exp(half / 4), 4 * np.exp(half / 4)))


@pytest.mark.parametrize(
    ("runs", "own", "images"), [(3, 0, 1), (6, 0.7, 1), (6, 5, 1), (6, 0.7, 7)]
)
def test_one_pair_is_covered_by_its_prediction(runs, own, images):
    """Two other networks on other images. own: the deviation of what a pair has beside the effects
    of networks, which is 1; images: of a fold."""

    def cover(random):
        x = random.normal(0, 1, runs + 2)

        def pair(r, s, folds):
            return x[r] + x[s] + random.normal(0, own) + folds

        folds = random.normal(0, images, 6)
        found = of_one_pair({(r, s): pair(r, s, folds) for s in range(runs) for r in range(s)})
        assert found.n == runs
        other = pair(runs, runs + 1, random.normal(0, images, 6)).mean()
        return found.low <= other <= found.high

    share, error = simulated(cover)
    assert abs(share - 0.95) <= error + 0.015  # the t interval of several variances approximates


def test_one_pair_adds_what_networks_pairs_and_images_vary():
    """Mean squares of a diallel (Griffing 1956): those of networks hold 4 of their own variance."""
    random = np.random.default_rng(7)
    x, images = random.normal(0, 1, 6), random.normal(0, 1, 5)
    pairs = {
        (r, s): x[r] + x[s] + random.normal(0, 0.7) + random.normal(0, 0.3, 5) + images
        for s in range(6)
        for r in range(s)
    }
    values, folds = np.zeros((6, 6)), np.array([*pairs.values()])
    for (r, s), value in pairs.items():
        values[r, s] = values[s, r] = value.mean()
    mean = folds.mean()
    effects = (values.sum(0) - 5 * mean) / 4
    rest = [value.mean() - mean - effects[r] - effects[s] for (r, s), value in pairs.items()]
    own = np.sum(np.square(rest)) / 9
    of_networks = (4 * effects.var(ddof=1) - own) / 4
    assert of_networks > own / 2 > 0.1
    parts = [
        (2 * of_networks + 4 * effects.var(ddof=1) / 6, 5),
        (own, 9),
        (2 * folds.mean(0).var(ddof=1) / 5, 4),
    ]
    found = of_one_pair(pairs)
    assert (found.value, found.n) == (pytest.approx(mean), 6)
    assert (found.low, found.high) == pytest.approx(student(mean, parts))


def test_one_pair_where_no_network_differs():
    """Every network's pairs add up to 0: all six lie apart on their own, with 4 / 2 as variance."""
    values = {(0, 1): 1, (2, 3): 1, (0, 2): -1, (1, 3): -1, (0, 3): 0, (1, 2): 0}
    found = of_one_pair(values)
    assert (found.value, found.n) == (0, 4)
    assert found.high == pytest.approx(2**0.5 * stats.t.ppf(0.975, df=2))


def test_pairs_are_covered_whether_all_or_some():
    """A product kernel of networks: E = mean², from all pairs of 8, or three earlier ones of
    each."""

    def cover(pairs):
        def once(random):
            x = random.normal(1, 0.3, 8)
            found = over_pairs({pair: x[pair[0]] * x[pair[1]] for pair in pairs})
            return found.low <= 1 <= found.high

        return simulated(once)

    every = [(r, s) for s in range(8) for r in range(s)]
    for pairs in (every, [(r, s) for r, s in every if s - r <= 3]):
        share, error = cover(pairs)
        assert share >= 0.95 - error - 0.01, pairs  # the t interval of a jackknife approximates


@pytest.mark.parametrize("within", [SHARE, COSINE, PERCENT])
def test_what_is_at_an_end_by_construction_has_no_width(within):
    """As overlaps at full rank, which rounding moves by 1e-15; what varies keeps its interval."""
    for end in within:
        size = within[1] - within[0]
        for shifts in ([0, -3e-16, -1e-16], [2e-16, -5e-16, 1e-16], [0, 0, 0]):
            found = over_networks(end + np.array(shifts) * size, within=within)
            assert (found.low, found.high) == (end, end)
        inwards = np.sign(np.mean(within) - end) * size
        found = over_networks(end + np.array([1e-6, 3e-6, 2e-6]) * inwards, within=within)
        assert within[0] < found.low < found.value < found.high < within[1]


def test_a_band_holds_the_whole_curve():
    """Curves that vary in three ways: intervals point by point hold fewer whole ones."""
    truth = np.linspace(20, 80, 40)
    ways = np.array([np.cos(np.pi * n * np.linspace(0, 1, 40)) for n in range(3)])

    def cover(bands):
        def once(random):
            curves = truth + random.normal(0, 2, (8, 3)) @ ways
            found = bands(curves)
            return all(each.low <= t <= each.high for each, t in zip(found, truth, strict=True))

        return simulated(once, draws=300)

    share, error = cover(lambda curves: curve_over_networks(curves, within=PERCENT))
    assert abs(share - 0.95) <= error
    alone = cover(lambda curves: [over_networks(point, within=PERCENT) for point in curves.T])
    assert alone[0] < share - error
    one = intervals.over_networks(truth[:8])
    assert curve_over_networks(truth[:8, None])[0] == pytest.approx(one)


def test_curves_of_pairs_are_their_single_points_or_wider():
    random = np.random.default_rng(5)
    pairs = {(r, s): random.uniform(0.2, 0.8, 6) for s in range(5) for r in range(s)}
    for point, found in enumerate(curve_over_pairs(pairs, within=COSINE)):
        one = over_pairs({pair: values[point] for pair, values in pairs.items()}, within=COSINE)
        assert found.value == pytest.approx(one.value)
        assert found.low <= one.low and one.high <= found.high


def test_a_ratio_of_means_is_not_a_mean_of_ratios():
    found = ratio_of_means([1.0, 2.0, 6.0], [2.0, 4.0, 20.0])
    assert found.value == pytest.approx(9 / 26)
    assert found.low < found.value < found.high


def test_networks_that_tie_but_for_rounding_do_not_widen_a_band():
    random = np.random.default_rng(5)
    deviations = random.standard_normal((6, 3))
    tied = np.hstack([deviations, 1e-13 * random.standard_normal((6, 40))])
    freedom = np.full(43, 5.0)
    expected = bands.critical_values(freedom[:3], deviations)
    np.testing.assert_array_equal(bands.critical_values(freedom, tied), np.full(43, expected[0]))
