"""What is read off a spectrum, against spectra that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentdims.figures import marks, panels
from latentdims.intervals import over_networks
from latentdims.moments import ROWS, Centred, Moments
from latentdims.spectra import (
    RESOLUTION,
    effective_rank,
    eigh,
    held_out,
    identified,
    marchenko_pastur_edges,
    participation_ratio,
    power_law,
    power_law_range,
    resolved,
    weight_components,
)


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_eigh_orders_and_reconstructs(seed, dimension):
    root = np.random.default_rng(seed).standard_normal((dimension, dimension))
    values, vectors = eigh(root @ root.T)
    assert (np.diff(values) <= 0).all()
    assert (vectors[np.abs(vectors).argmax(0), np.arange(dimension)] > 0).all()
    np.testing.assert_allclose(vectors * values @ vectors.T, root @ root.T, atol=1e-12 * values[0])


def test_eigh_refuses_what_is_no_covariance():
    with pytest.raises(ValueError, match="not a covariance"):
        eigh(np.diag([1.0, -0.1]))


def single(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


DEFICIENT = {  # representations in float32; ranks of their covariance and second moment
    "dead neurons": (single(3000, 200).relu() * (torch.arange(200) < 11), 11, 11),
    "all dead": (torch.zeros(3000, 20), 0, 0),
    "one neuron many times": (single(5000, 1).relu().expand(-1, 64) + 5, 1, 1),
    "few directions": (single(3000, 8) @ single(8, 300), 8, 8),
    "fewer samples than channels": (single(30, 100).relu(), 29, 30),
}


@pytest.mark.parametrize("name", DEFICIENT)
def test_what_float32_does_not_resolve_is_no_spectrum(name):
    rows, *ranks = DEFICIENT[name]
    centred = [Centred.of(rows)]
    moments = Moments.of(centred, centred)
    for matrix, rank in zip((moments.covariance, moments.second_moment), ranks, strict=True):
        values = resolved(eigh(matrix.numpy())[0])
        assert np.count_nonzero(values) == rank
        assert not identified(values, samples=len(rows))[rank:].any()
        assert np.isnan(power_law(values, first=rank + 1)).all()
        axis = panels.panels(rows=1, columns=1)[1][0, 0]
        marks.spectra(axis, [values], label="", colour="trained")
        assert sum(len(line.get_xdata()) for line in axis.lines) == rank


def test_the_resolution_is_that_of_the_sums_in_float32():
    assert np.sqrt(ROWS) * np.finfo(np.float32).eps == RESOLUTION


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3, 3)])
def test_weight_components_diagonalise_the_weight_covariance(shape):
    weight = np.random.default_rng(0).standard_normal(shape)
    matrix = weight.reshape(len(weight), -1)
    values, vectors = weight_components(weight)
    np.testing.assert_allclose(
        vectors * values @ vectors.T, matrix.T @ matrix / len(matrix), atol=1e-13
    )


def test_marchenko_pastur_edges_hold_the_spectrum_of_the_initialisation():
    """The tutorial's layers: 1024 -> 512 -> 256. Published edges 1.90e-3 and 3.79e-3."""
    random = np.random.default_rng(0)
    for fan_in, neurons, published in ((1024, 512, 1.90e-3), (512, 256, 3.79e-3)):
        low, high = marchenko_pastur_edges(
            variance=1 / (3 * fan_in), dimension=fan_in, neurons=neurons
        )
        assert high == pytest.approx(published, rel=3e-3)
        bound = fan_in**-0.5
        values, _ = weight_components(random.uniform(-bound, bound, (neurons, fan_in)))
        # Tracy and Widom: extreme eigenvalues lie within a few d^(-2/3) of the edges.
        margin = 4 * neurons ** (-2 / 3)
        assert values[0] == pytest.approx(high, rel=margin)
        assert values[-1] == pytest.approx(low, rel=4 * margin)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.3])
def test_power_law_of_an_exact_power_law(exponent):
    found, prefactor = power_law(3 * np.arange(1.0, 601) ** -exponent)
    assert found == pytest.approx(exponent, rel=1e-12)
    assert prefactor == pytest.approx(3, rel=1e-10)


def test_power_law_needs_three_ranks():
    assert np.isnan(power_law(np.arange(12.0, 1, -1)[:11])).all()


def test_participation_ratio_counts_equal_eigenvalues():
    assert participation_ratio(np.array([2.0, 2, 2, 0, 0])) == pytest.approx(3)


def test_effective_rank_counts_equal_eigenvalues():
    assert effective_rank(np.array([2.0, 2, 2, 0, 0])) == pytest.approx(3)


def test_held_out_variances_are_those_of_the_projected_data():
    random = np.random.default_rng(0)
    train, test = random.standard_normal((2, 50, 4)) * [3, 2, 1, 0.5]
    vectors = eigh(train.T @ train)[1]
    found = held_out(vectors, test.T @ test)
    np.testing.assert_allclose(found, ((test @ vectors) ** 2).sum(0))


def test_held_out_spectrum_of_white_data_is_flat_where_that_in_sample_is_not():
    random = np.random.default_rng(0)
    fitted, fresh = random.standard_normal((2, 200, 60, 20))
    pairs = [(x.T @ x / 60, y.T @ y / 60) for x, y in zip(fitted, fresh, strict=True)]
    variances = np.array([held_out(eigh(x)[1], y) for x, y in pairs])
    in_sample = np.array([eigh(x)[0] for x, _ in pairs])
    error = variances.std(0, ddof=1) / np.sqrt(len(variances))
    assert (np.abs(variances.mean(0) - 1) < 4 * error).all()
    assert in_sample.mean(0)[0] > 1.8
    assert in_sample.mean(0)[-1] < 0.4


def test_equal_eigenvalues_are_told_apart_in_5_percent_only():
    random = np.random.default_rng(0)
    samples, trials = 400, 1000
    data = random.standard_normal((trials, samples, 4)) * np.sqrt([9, 4, 1, 1])
    marks = np.array([identified(eigh(x.T @ x / samples)[0], samples=samples) for x in data])
    assert marks[:, 0].all()
    # The gap from 4 to 1 is wide, so that the pair alone decides about the last two.
    assert (marks[:, 2] == marks[:, 3]).all()
    assert abs(marks[:, 3].mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / trials)


def test_interval_over_networks_covers_a_known_exponent_in_95_percent():
    """Spectra k^-1.3 of five networks that differ by 10 % at every rank, 200 times."""
    random = np.random.default_rng(0)
    ranks, trials = np.arange(1.0, 201), 200
    covered = 0
    for _ in range(trials):
        noise = np.exp(0.1 * random.standard_normal((5, 200)))
        estimate = over_networks([power_law(ranks**-1.3 * each)[0] for each in noise])
        covered += estimate.low <= 1.3 <= estimate.high
    assert abs(covered / trials - 0.95) < 4 * np.sqrt(0.95 * 0.05 / trials)


def test_the_window_matters_only_where_the_spectrum_is_no_power_law():
    ranks = np.arange(1.0, 201)
    assert power_law_range(ranks**-1.3) == pytest.approx(0, abs=1e-10)
    assert power_law_range(ranks**-1.3 * np.exp(-ranks / 50)) > 0.5
    assert np.isnan(power_law_range(np.arange(4.0, 0, -1)))
