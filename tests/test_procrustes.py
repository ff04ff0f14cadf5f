"""Rotations, similarity and overlaps against cases whose answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdims.comparison.procrustes import (
    chance_cosine,
    lift,
    rotation,
    similarity,
    subspace_overlap,
)

EPS = np.finfo(np.float64).eps
SEEDS = st.integers(0, 2**32)
WIDTHS = st.tuples(st.integers(2, 8), st.integers(2, 8))


def orthogonal(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) with orthonormal columns, or orthonormal rows where there are fewer."""
    size = max(rows, columns)
    return np.linalg.qr(random.standard_normal((size, size)))[0][:rows, :columns]


@given(seed=SEEDS, widths=WIDTHS)
def test_rotation_of_a_rotated_representation_is_recovered(seed, widths):
    random = np.random.default_rng(seed)
    width, other = min(widths), max(widths)
    phi = random.standard_normal((50, width)) * random.uniform(0.5, 2, width)
    turn = orthogonal(random, width, other)  # into as many or more dimensions
    cross = phi.T @ (phi @ turn)
    # The error of an orthogonal polar factor is its relative perturbation times the condition.
    bound = 100 * other * EPS * np.linalg.cond(phi.T @ phi)
    np.testing.assert_allclose(rotation(cross), turn, rtol=0, atol=bound)
    np.testing.assert_allclose(rotation(cross.T), turn.T, rtol=0, atol=bound)


@given(seed=SEEDS, widths=WIDTHS)
def test_rotation_is_semi_orthogonal(seed, widths):
    cross = np.random.default_rng(seed).standard_normal(widths)
    found = rotation(cross)
    smaller = found @ found.T if widths[0] <= widths[1] else found.T @ found
    np.testing.assert_allclose(smaller, np.eye(min(widths)), atol=100 * EPS * max(widths))


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_similarity_is_one_for_any_rotation_and_scale(seed, scale):
    random = np.random.default_rng(seed)
    phi = random.standard_normal((30, 5)) + 1
    psi = scale * phi @ orthogonal(random, 5, 5)
    cross = phi.T @ psi
    score = similarity(cross, rotation(cross), power=(phi**2).sum(), partner_power=(psi**2).sum())
    assert score == pytest.approx(1, abs=1e-13)


def test_similarity_squared_is_the_variance_that_the_best_scaled_rotation_explains():
    random = np.random.default_rng(0)
    phi, psi = random.standard_normal((2, 200, 4)) @ random.standard_normal((4, 4))
    psi = psi + 2 * phi
    cross = phi.T @ psi
    turn = rotation(cross)
    score = similarity(cross, turn, power=(phi**2).sum(), partner_power=(psi**2).sum())
    scale = (phi @ turn * psi).sum() / (phi**2).sum()
    explained = 1 - ((scale * phi @ turn - psi) ** 2).sum() / (psi**2).sum()
    assert score**2 == pytest.approx(explained, rel=1e-12)


@given(seed=SEEDS, positions=st.integers(1, 4))
def test_lift_acts_on_channels_alone(seed, positions):
    random = np.random.default_rng(seed)
    turn, vectors = random.standard_normal((3, 5)), random.standard_normal((3 * positions, 2))
    expected = np.kron(turn, np.eye(positions)).T @ vectors
    np.testing.assert_allclose(lift(turn, vectors), expected, atol=1e-13)


def test_subspace_overlap_against_projections():
    random = np.random.default_rng(0)
    first, second = orthogonal(random, 6, 6), orthogonal(random, 6, 6)
    found = subspace_overlap(np.abs(first.T @ second))
    for k in range(1, 7):
        projections = [v[:, :k] @ v[:, :k].T for v in (first, second)]
        assert found[k - 1] == pytest.approx(np.trace(projections[0] @ projections[1]) / k)


@pytest.mark.parametrize("dimension", [3, 10, 100])
def test_random_directions_stay_below_the_chance_cosine_in_95_percent(dimension):
    random = np.random.default_rng(dimension)
    trials, comparisons = 2000, 7
    directions = random.standard_normal((trials, comparisons, dimension))
    largest = np.abs(directions[:, :, 0] / np.linalg.norm(directions, axis=2)).max(1)
    below = (largest < chance_cosine(dimension, comparisons=comparisons)).mean()
    assert abs(below - 0.95) < 4 * np.sqrt(0.95 * 0.05 / trials)
