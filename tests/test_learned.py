"""Learned components are counted right on either side of what can be told from chance."""

import numpy as np
import pytest
from scipy import stats

from latentdims.statistics.learned import (
    UNIFORM,
    _largest_of_normal,
    _marchenko_pastur_median,
    bulk_variance,
    count_learned,
    threshold_by_simulation,
    threshold_by_theory,
)
from latentdims.statistics.spectra import weight_components

SHAPES = [(100, 200), (200, 100), (150, 150)]  # neurons, inputs


def initial(random: np.random.Generator, neurons: int, dimension: int) -> np.ndarray:
    return random.uniform(-1, 1, (neurons, dimension)) / np.sqrt(dimension)


def test_thresholds_of_the_tutorial_s_first_layer():
    theory = threshold_by_theory(variance=1 / 3072, dimension=1024, neurons=512)
    assert theory == pytest.approx(1.910e-3, abs=1e-6)


def alarms(neurons: int, dimension: int, trials: int) -> dict[str, float]:
    """How often an initialisation has an eigenvalue above each threshold."""
    random = np.random.default_rng([trials, neurons, dimension])
    shape = {"dimension": dimension, "neurons": neurons}
    theory = threshold_by_theory(variance=1 / (3 * dimension), **shape)
    simulated = threshold_by_simulation(**shape)
    found = {"theory": 0, "simulation": 0, "bulk": 0, "initial": 0}
    before = np.inf
    for _ in range(trials):
        values = weight_components(initial(random, neurons, dimension))[0]
        bulk = threshold_by_theory(variance=bulk_variance(values, **shape), **shape)
        bounds = {"theory": theory, "simulation": simulated, "bulk": bulk, "initial": before}
        for way, bound in bounds.items():
            found[way] += values[0] > bound
        before = values[0]
    return {way: count / trials for way, count in found.items()}


def check_alarms(shape: tuple[int, int], trials: int, *, off: float) -> None:
    """off: of the simulated threshold, whose expansion is of first order."""
    found = alarms(*shape, trials)
    error = np.sqrt(0.05 * 0.95 / trials)
    # Theory is asymptotic, and for normal weights: uniform ones exceed it less often.
    assert found["theory"] < 0.04 + 4 * error
    assert found["bulk"] < 0.07 + 4 * error
    spread = np.sqrt(error**2 + 0.05 * 0.95 / 1000)  # its quantile is one of 1000 draws
    assert abs(found["simulation"] - 0.05) < off + 3 * spread
    assert abs(found["initial"] - 0.5) < 4 * np.sqrt(0.25 / trials)


@pytest.mark.parametrize("shape", [(3, 20), (12, 40), (60, 30)])
def test_chance_exceeds_the_thresholds_in_5_percent(shape):
    check_alarms(shape, 2000, off=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 50), (10, 256), *SHAPES, (64, 800), (256, 300)])
def test_chance_exceeds_the_thresholds_of_all_shapes_in_5_percent(shape):
    check_alarms(shape, 1000 if max(shape) > 250 else 4000, off=0.01)


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (700, 500)])
def test_draws_of_normal_weights_are_those_of_the_law(shape):
    """Mean and deviation of Tracy and Widom, and of matrices themselves where these are small."""
    neurons, dimension = shape
    largest = _largest_of_normal(dimension, neurons, np.random.default_rng(0))
    error = largest.std() / np.sqrt(len(largest))
    centre = threshold_by_theory(variance=neurons, dimension=dimension, neurons=neurons)
    scale = (np.sqrt(neurons - 1) + np.sqrt(dimension)) * (
        1 / np.sqrt(neurons - 1) + 1 / np.sqrt(dimension)
    ) ** (1 / 3)
    mean = centre - (0.9793 + 1.2065) * scale
    assert abs(largest.mean() - mean) < 4 * error + 0.05 * scale
    assert largest.std() == pytest.approx(1.268 * scale, rel=0.12)
    if neurons < 700:
        random = np.random.default_rng(1)
        drawn = [np.linalg.norm(random.standard_normal(shape), 2) ** 2 for _ in range(1000)]
        both = np.hypot(error, np.std(drawn) / np.sqrt(1000))
        assert abs(largest.mean() - np.mean(drawn)) < 4 * both


def test_a_single_neuron_s_eigenvalue_is_chi_squared():
    largest = _largest_of_normal(6, 1, np.random.default_rng(3))
    assert abs(largest.mean() - 6) < 4 * np.sqrt(12 / len(largest))


@pytest.mark.parametrize("shape", SHAPES)
def test_planted_components_are_counted_where_they_can_be_told(shape):
    """Singular values above σ (n d)^¼ leave the bulk (Benaych-Georges and Nadakuditi 2012)."""
    neurons, dimension = shape
    random = np.random.default_rng(1)
    detectable = (neurons * dimension) ** 0.25 / np.sqrt(3 * dimension)
    counts = {"theory": [], "simulation": [], "bulk": []}
    for _ in range(40):
        left = np.linalg.qr(random.standard_normal((neurons, 8)))[0]
        right = np.linalg.qr(random.standard_normal((dimension, 8)))[0]
        strengths = detectable * np.array([3, 2.8, 2.6, 2.4, 2.2, 0.5, 0.4, 0.3])
        weight = initial(random, *shape) + left * strengths @ right.T
        values = weight_components(weight)[0]
        shape_of = {"dimension": dimension, "neurons": neurons}
        found = count_learned(values, initial=values[-1:], **shape_of)
        for way in counts:
            counts[way].append(found[way])
    for way, found in counts.items():
        # Five stand out and three cannot; chance adds one in about 5 %, 2 of 40, or a little more.
        assert min(found) == 5, way
        assert np.mean(np.array(found) == 5) > 0.8, way


def test_uniform_weights_have_the_fourth_cumulant_of_the_law():
    assert pytest.approx(float(stats.uniform.stats(moments="k"))) == UNIFORM


def test_uniform_weights_move_the_largest_eigenvalue_as_far_as_expected():
    """From that of normal weights, of the same ranks and variance; to first order, -4 of 370."""
    neurons, dimension = shape = 90, 110
    random = np.random.default_rng(neurons)
    moved = []
    for _ in range(1000):
        normal = random.standard_normal(shape)
        uniform = np.sqrt(12) * (stats.norm.cdf(normal) - 0.5)
        ends = [np.linalg.eigvalsh(each @ each.T)[-1] for each in (uniform, normal)]
        moved.append(ends[0] - ends[1])
    drawn = _largest_of_normal(dimension, neurons, np.random.default_rng([dimension, neurons]))
    threshold = threshold_by_simulation(dimension=dimension, neurons=neurons)
    found = threshold * neurons * 3 * dimension - np.quantile(drawn, 0.95)
    error = np.std(moved) / np.sqrt(len(moved))
    assert abs(found - np.mean(moved)) < 4 * error + 0.3


def test_eigenvalues_below_rounding_are_no_bulk():
    """Weights are in float32, whose squares are rounded at 1.4e-14 of the largest."""
    shape = {"dimension": 9, "neurons": 5}
    assert np.isnan(bulk_variance(np.array([4, 1, 4e-14, 1e-14, 1e-15]), **shape))
    assert bulk_variance(np.array([4, 1, 4e-13, 1e-14, 1e-15]), **shape) > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_variance_of_the_bulk_is_recovered_under_components(shape, scale):
    neurons, dimension = shape
    random = np.random.default_rng(2)
    weight = scale * initial(random, *shape)
    weight += 3 * np.outer(*(random.standard_normal(size) / np.sqrt(size) for size in shape))
    values = weight_components(weight)[0]
    found = bulk_variance(values, dimension=dimension, neurons=neurons)
    # Eigenvalues repel each other: the median is known to within a few ranks of its place.
    middle = len(values) // 2
    tolerance = (values[middle - 3] - values[middle + 3]) / values[middle]
    assert found == pytest.approx(scale**2 / (3 * dimension), rel=tolerance)


@pytest.mark.parametrize("shape", [(1, 50), (2, 50), (50, 1), (1, 1)])
def test_the_narrowest_layers_are_counted(shape):
    neurons, dimension = shape
    weight = 10 * initial(np.random.default_rng(0), *shape)
    values = weight_components(weight)[0]
    counts = count_learned(values, initial=values, dimension=dimension, neurons=neurons)
    assert counts["initial"] == 0
    assert counts["theory"] >= 1 or dimension == 1
    assert all(0 <= count <= min(shape) for count in counts.values())


def test_the_largest_initial_eigenvalue_is_the_one_that_counts():
    counts = count_learned(
        np.array([5.0, 3, 1]), initial=np.array([4.0, 2, 0.5]), dimension=3, neurons=3
    )
    assert counts["initial"] == 1


def test_what_is_learned_is_no_part_of_the_bulk_however_much_there_is():
    """A third of the spectrum stands out, which the first median does not tell."""
    random = np.random.default_rng(6)
    shape = {"dimension": 260, "neurons": 150}
    weight = initial(random, 150, 260)
    left, _, right = np.linalg.svd(random.standard_normal((150, 260)), full_matrices=False)
    weight += left[:, :50] * np.linspace(2.5, 0.6, 50) @ right[:50]
    values = weight_components(weight)[0]
    variance = bulk_variance(values, **shape)
    learned = (values > threshold_by_theory(variance=variance, **shape)).sum()
    median = _marchenko_pastur_median(**shape)
    assert variance == pytest.approx(np.median(values[learned:]) / median, rel=1e-12)
    first = np.median(values) / median
    counted = (values > threshold_by_theory(variance=first, **shape)).sum()
    second = np.median(values[counted:]) / median
    assert learned > counted > 10
    assert variance < second < first
