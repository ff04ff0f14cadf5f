"""What is read off a spectrum, against spectra that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentdims.comparison import moments
from latentdims.comparison.moments import Centred, Moments
from latentdims.figures import marks, panels
from latentdims.statistics import spectra
from latentdims.statistics.intervals import over_networks
from latentdims.statistics.spectra import (
    effective_rank,
    eigh,
    held_out,
    identified,
    initial_variance,
    jackknife,
    marchenko_pastur_edges,
    participation_ratio,
    power_law,
    power_law_range,
    resolution,
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


def measured(rows: torch.Tensor) -> Moments:
    centred = [Centred.of(rows)]
    return Moments.of(centred, centred)


@pytest.mark.parametrize("name", DEFICIENT)
def test_what_float32_does_not_resolve_is_no_spectrum(name):
    rows, *ranks = DEFICIENT[name]
    whole = measured(rows)
    parts = [measured(part) for part in rows.split(-(-len(rows) // 8))]
    for kind, rank in zip(("covariance", "second_moment"), ranks, strict=True):
        values, vectors = eigh(getattr(whole, kind).numpy())
        least = resolution(vectors, whole.covariance.numpy(), rows=len(rows))
        values = resolved(values, least)
        assert np.count_nonzero(values) == rank
        folds = np.array([getattr(part, kind).numpy() for part in parts])
        assert not identified(values, vectors, folds)[rank:].any()
        assert np.isnan(power_law(values, first=rank + 1).exponent)
        axis = panels.panels(rows=1, columns=1)[1][0, 0]
        marks.spectra(axis, [values], label="", colour="trained")
        assert sum(len(line.get_xdata()) for line in axis.lines) == rank


def test_what_float64_does_not_resolve_is_zero_too():
    values = np.array([[4.0, 1e-15, 0.0], [1e-15, 1e-16, -1e-16]])
    found = resolved(values, np.array([0, 0, 0]))
    assert found.tolist() == [[4, 0, 0], [1e-15, 1e-16, 0]]


def test_the_rounding_is_that_of_sums_of_so_many_rows():
    assert spectra.ROWS == moments.ROWS


GRADED = torch.arange(1, 129) ** -1.0


LAWS = {  # representations in float32 of 128 channels, by their number of rows
    "graded": lambda rows: (single(rows, 128) * GRADED).relu(),
    "steep": lambda rows: (single(rows, 128) * GRADED**2) @ single(128, 128) + 3,
    "flat": lambda rows: single(rows, 128).relu(),
    "few directions": lambda rows: single(rows, 6) @ single(6, 128),
}


@pytest.mark.parametrize("rows", [700, 2048, 20_000])
@pytest.mark.parametrize("law", LAWS)
def test_resolution_is_what_float32_makes_of_zero_measured_against_float64(law, rows):
    """Small eigenvalues err by less than it, but not by less than a hundredth of it."""
    x = LAWS[law](rows)
    total = Moments.total(measured(part) for part in x.split(2048))
    exact = np.cov(x.double().numpy(), rowvar=False, bias=True)
    truth = eigh(exact)[0]
    values, vectors = np.linalg.eigh(total.covariance.numpy())
    values, vectors = values[::-1], vectors[:, ::-1]
    least = resolution(vectors, total.covariance.numpy(), rows=rows)
    small = truth < 1e-3 * truth[0]
    errors = np.abs(values - truth)[small]
    assert (errors < least[small]).all()
    if law == "few directions":
        assert (resolved(values, least) > 0).sum() == 6
        assert errors.max() > least[small].max() / 100
    if law == "steep":  # what a cut at 5e-6 of the largest eigenvalue takes away is there
        kept = (values > least) & (values < 5e-6 * values[0])
        assert kept.sum() > 10
        np.testing.assert_allclose(values[kept], truth[kept], rtol=0.1)


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
            variance=initial_variance(fan_in), dimension=fan_in, neurons=neurons
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
    law = power_law(3 * np.arange(1.0, 601) ** -exponent)
    assert law.exponent == pytest.approx(exponent, rel=1e-12)
    assert law.prefactor == pytest.approx(3, rel=1e-10)
    assert law[2:] == (10, 500, "")


@pytest.mark.parametrize("rank", [9, 10, 500, 501])
def test_ranks_of_the_window_count_and_no_others(rank):
    values = np.arange(1.0, 601) ** -1.2
    values[rank - 1] *= 1.5
    moved = abs(power_law(values).exponent - 1.2) > 1e-6
    assert moved == (10 <= rank <= 500)


def test_every_octave_of_a_power_law_counts_alike():
    ranks = np.arange(1, 301)
    values = np.where(ranks < 60, ranks**-0.7, 60**0.9 * ranks**-1.6)
    window = ranks[9:]
    design = np.stack([np.ones(len(window)), np.log(window)], axis=1)
    weighted = design.T / window
    expected = np.linalg.solve(weighted @ design, weighted @ np.log(values[9:]))
    law = power_law(values)
    assert law.exponent == pytest.approx(-expected[1], rel=1e-9)
    assert law.prefactor == pytest.approx(np.exp(expected[0]), rel=1e-9)


def test_a_window_of_less_than_a_decade_is_refused():
    values = np.append(np.arange(1.0, 100) ** -1.3, np.zeros(30))
    law = power_law(values)
    assert np.isnan(law[:2]).all()
    assert law[2:] == (10, 99, "only ranks 10 to 99 are left, less than a decade")
    assert power_law(np.arange(1.0, 101) ** -1.3).exponent == pytest.approx(1.3)
    assert power_law(values, first=9).last == 99


def spectra_of_folds(random: np.random.Generator, law: np.ndarray, images: int) -> tuple:
    """Eigenvalues of a covariance of normal images with a spectrum, and without each of 8 folds."""
    x = random.standard_normal((8, images // 8, len(law))) * np.sqrt(law)
    folds = x.transpose(0, 2, 1) @ x / (images // 8)
    whole = folds.mean(0)
    without = (8 * whole - folds) / 7
    return np.linalg.eigvalsh(whole)[::-1], np.linalg.eigvalsh(without)[:, ::-1]


@pytest.mark.parametrize(
    ("exponent", "dimension", "images", "trials", "left"),
    [
        (0.5, 128, 2000, 30, 0.006),
        (1.0, 128, 2000, 30, 0.006),
        pytest.param(0.5, 512, 8000, 8, 0.003, marks=pytest.mark.slow),
    ],
)
def test_exponents_are_nearly_unbiased(exponent, dimension, images, trials, left):
    """In sample 0.57 and 1.04 for 128 channels, 0.52 for 512; what is left is of second order."""
    random = np.random.default_rng([dimension, images])
    law = np.arange(1.0, dimension + 1) ** -exponent
    found, biased = [], []
    for _ in range(trials):
        whole, without = spectra_of_folds(random, law, images)
        found.append(jackknife(lambda each: power_law(each).exponent, whole, without))
        biased.append(power_law(whole).exponent)
    means = np.mean(found, axis=1)
    error = means.std(ddof=1) / np.sqrt(trials)
    assert abs(means.mean() - exponent) < left + 4 * error
    assert np.mean(biased) - exponent > 4 * left
    # Pseudo-values tell its error over images, or two thirds of it where the bias was large.
    told = np.sqrt(np.mean(np.var(found, axis=1, ddof=1)) / 8)
    assert 0.6 * told < means.std(ddof=1) < 2 * told


def test_pseudo_values_of_a_mean_are_the_values():
    values = np.array([3.0, 5.0, 10.0])
    without = (values.sum() - values)[:, None] / 2
    found = jackknife(lambda spectrum: spectrum[0], values.mean()[None], without)
    np.testing.assert_allclose(found, values)


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


def test_interval_over_networks_covers_a_known_exponent_in_95_percent():
    """Spectra k^-1.3 of five networks that differ by 10 % at every rank, 200 times."""
    random = np.random.default_rng(0)
    ranks, trials = np.arange(1.0, 201), 200
    covered = 0
    for _ in range(trials):
        noise = np.exp(0.1 * random.standard_normal((5, 200)))
        estimate = over_networks([power_law(ranks**-1.3 * each).exponent for each in noise])
        covered += estimate.low <= 1.3 <= estimate.high
    assert abs(covered / trials - 0.95) < 4 * np.sqrt(0.95 * 0.05 / trials)


def test_the_window_matters_only_where_the_spectrum_is_no_power_law():
    ranks = np.arange(1.0, 201)
    assert power_law_range(ranks**-1.3) == pytest.approx(0, abs=1e-10)
    assert power_law_range(ranks**-1.3 * np.exp(-ranks / 50)) > 0.5
    assert np.isnan(power_law_range(np.arange(4.0, 0, -1)))
    # Of 60 ranks, no window but that from 5 to 60 is a decade, and one says nothing of a range.
    assert np.isnan(power_law_range(ranks[:60] ** -1.3))
    assert power_law_range(ranks[:100] ** -1.3) == pytest.approx(0, abs=1e-10)


def test_the_range_is_over_windows_of_a_decade_in_what_is_above_zero():
    ranks = np.arange(1.0, 241)
    values = np.append(ranks**-0.8 * np.exp(-ranks / 90), np.zeros(100))
    windows = [(5, 60), (5, 120), (10, 120), (5, 240), (10, 240), (20, 240)]
    exponents = [power_law(values, first=first, last=last).exponent for first, last in windows]
    assert power_law_range(values) == pytest.approx(np.ptp(exponents), abs=1e-12)
