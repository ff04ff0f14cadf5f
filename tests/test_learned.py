"""Learned components are counted right on either side of what can be told from chance."""

import numpy as np
import pytest

from latentdims.learned import (
    bulk_variance,
    count_learned,
    threshold_by_simulation,
    threshold_by_theory,
)
from latentdims.spectra import weight_components

SHAPES = [(100, 200), (200, 100), (150, 150)]  # neurons, inputs


def initial(random: np.random.Generator, neurons: int, dimension: int) -> np.ndarray:
    return random.uniform(-1, 1, (neurons, dimension)) / np.sqrt(dimension)


def test_thresholds_of_the_tutorial_s_first_layer():
    theory = threshold_by_theory(variance=1 / 3072, dimension=1024, neurons=512)
    assert theory == pytest.approx(1.910e-3, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_chance_exceeds_the_thresholds_in_5_percent(shape):
    neurons, dimension = shape
    random = np.random.default_rng(0)
    trials = 200
    largest = np.array([weight_components(initial(random, *shape))[0][0] for _ in range(trials)])
    error = np.sqrt(0.05 * 0.95 / trials)
    theory = threshold_by_theory(variance=1 / (3 * dimension), dimension=dimension, neurons=neurons)
    # Theory is asymptotic, and for normal weights: uniform ones of this size exceed it less often.
    assert (largest > theory).mean() < 0.05 + 4 * error
    # The simulated quantile has an error of its own, over its 200 draws.
    simulated = threshold_by_simulation(dimension=dimension, neurons=neurons)
    spread = 4 * np.sqrt(error**2 + 0.05 * 0.95 / 200)
    assert abs((largest > simulated).mean() - 0.05) < spread


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
        for way, count in count_learned(values, dimension=dimension, neurons=neurons).items():
            counts[way].append(count)
    for way, found in counts.items():
        # Five stand out and three cannot; chance adds one in about 5 %, 2 of 40, or a little more.
        assert min(found) == 5, way
        assert np.mean(np.array(found) == 5) > 0.8, way


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
    counts = count_learned(values, dimension=dimension, neurons=neurons)
    assert counts["theory"] >= 1 or dimension == 1
    assert all(0 <= count <= min(shape) for count in counts.values())
