"""Drawn rows have the covariance that they are drawn from."""

import numpy as np
import pytest

from latentdims.interventions.gaussian import covariance_factor, sample_rows, white_rows


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 2, 3, 3)])
def test_factor_has_the_covariance_of_the_weights(shape):
    weight = np.random.default_rng(0).standard_normal(shape)
    factor = covariance_factor(weight).reshape(min(shape[0], weight[0].size), -1)
    matrix = weight.reshape(len(weight), -1)
    np.testing.assert_allclose(factor.T @ factor, matrix.T @ matrix / len(matrix), atol=1e-13)
    gram = factor @ factor.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-13)
    assert (np.diff(np.diag(gram)) <= 0).all()


def test_drawn_rows_have_that_covariance_on_average():
    weight = np.random.default_rng(0).standard_normal((5, 4))
    expected, neurons = weight.T @ weight / 5, 100_000
    factor = covariance_factor(weight)
    rows = sample_rows(factor, neurons=neurons, generator=np.random.default_rng(1))
    # Wishart: the variance of entry ij of the mean over m rows is (C_ii C_jj + C_ij²) / m.
    deviation = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / neurons)
    assert (np.abs(rows.T @ rows / neurons - expected) < 5 * deviation).all()


def test_low_rank_rows_are_the_same_draw_projected_on_the_first_components():
    weight = np.random.default_rng(0).standard_normal((7, 2, 3))
    factor = covariance_factor(weight)
    whole, part = (
        sample_rows(factor, neurons=5, generator=np.random.default_rng(1), rank=rank).reshape(5, 6)
        for rank in (None, 2)
    )
    leading = np.linalg.svd(weight.reshape(7, 6))[2][:2]
    np.testing.assert_allclose(part, whole @ leading.T @ leading, atol=1e-13)


@pytest.mark.parametrize("shape", [(5, 2, 3), (9, 4)])  # of rank 5 for 6 inputs, and of full rank
def test_white_rows_have_a_multiple_of_the_identity_of_the_same_trace(shape):
    weight = np.random.default_rng(0).standard_normal(shape) + 0.5
    inputs, neurons = weight[0].size, 100_000
    rows = white_rows(
        covariance_factor(weight), neurons=neurons, generator=np.random.default_rng(1)
    )
    assert rows.shape == (neurons, *shape[1:])
    variance = (weight**2).sum() / len(weight) / inputs
    expected = variance * np.eye(inputs)
    matrix = rows.reshape(neurons, inputs)
    # Wishart, as above: the variance of entry ij is (C_ii C_jj + C_ij²) / m.
    deviation = variance * np.sqrt((1 + np.eye(inputs)) / neurons)
    assert (np.abs(matrix.T @ matrix / neurons - expected) < 5 * deviation).all()


def test_white_rows_are_those_of_the_generator():
    factor = covariance_factor(np.random.default_rng(0).standard_normal((7, 3)))
    first, again, other = (
        white_rows(factor, neurons=4, generator=np.random.default_rng([0, number]))
        for number in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.isin(first, other).any()
