"""Decompositions by a GPU, pretended on the CPU, beside those of numpy."""

import logging

import numpy as np
import pytest
import torch

from latentdims import decompositions, device
from latentdims.statistics import spectra

EPS = float(np.finfo(np.float64).eps)


@pytest.fixture
def _gpu(monkeypatch):
    """The other way, where a GPU would take it; and no way back."""
    monkeypatch.setattr(decompositions, "LEAST", 1)
    monkeypatch.setattr(decompositions, "has_fast_doubles", lambda _: True)


def orthogonal(size, random):
    return np.linalg.qr(random.normal(size=(size, size)))[0]


def matrix(rows, columns, values, *, seed):
    random = np.random.default_rng(seed)
    number = min(rows, columns)
    left, right = orthogonal(rows, random)[:, :number], orthogonal(columns, random)[:, :number]
    return (left * values) @ right.T


SHAPES = [(9, 9), (12, 5), (4, 11), (40, 40)]


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("decay", [0.0, 1.0, 3.0])
def test_rotations_are_those_of_the_decomposition(shape, decay, monkeypatch):
    number = min(shape)
    values = 37 * np.arange(1, number + 1) ** -decay
    cross = matrix(*shape, values, seed=number)
    left, _, right = np.linalg.svd(cross, full_matrices=False)
    monkeypatch.setattr(np.linalg, "svd", None)
    found = decompositions.rotation(cross)
    # A direction errs by what rounding of the largest value is of its own.
    bound = 8 * decompositions.STEPS * number * EPS * values[0] / (2 * values[-1])
    assert np.abs(found - left @ right).max() <= bound
    smaller = found.T @ found if shape[0] >= shape[1] else found @ found.T
    assert np.abs(smaller - np.eye(number)).max() <= 16 * number * EPS
    assert (found * cross).sum() == pytest.approx(values.sum(), rel=64 * number * EPS)


@pytest.mark.usefixtures("_gpu")
def test_dead_channels_get_some_direction(monkeypatch):
    cross = matrix(20, 20, np.linspace(5, 1, 20), seed=3)
    cross[[2, 7]] = 0
    cross[:, [4, 11, 12]] = 0
    expected = np.linalg.svd(cross, compute_uv=False).sum()
    monkeypatch.setattr(np.linalg, "svd", None)
    found = decompositions.rotation(cross)
    assert np.abs(found.T @ found - np.eye(20)).max() <= 16 * 20 * EPS
    assert (found * cross).sum() == pytest.approx(expected, rel=64 * 20 * EPS)
    assert np.array_equal(found, decompositions.rotation(cross))


def test_several_matrices_are_as_each_alone():
    some = np.stack([matrix(6, 4, [8.0, 3, 2, 1 + seed], seed=seed) for seed in range(3)])
    together = decompositions.polar(torch.from_numpy(some))
    for found, one in zip(together, some, strict=True):
        np.testing.assert_allclose(found, decompositions.rotation(one), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("_gpu")
def test_what_does_not_converge_is_decomposed_by_numpy(monkeypatch, caplog):
    cross = matrix(9, 9, np.linspace(5, 1, 9), seed=1)
    left, _, right = np.linalg.svd(cross)
    monkeypatch.setattr(decompositions, "STEPS", 8)
    monkeypatch.setattr(decompositions, "_is_orthogonal", lambda x: False)
    with caplog.at_level(logging.INFO):
        assert np.array_equal(decompositions.rotation(cross), left @ right)
        _, vectors = decompositions.eigh(cross @ cross.T)
    assert np.array_equal(vectors, np.linalg.eigh(cross @ cross.T)[1])
    assert [each.message for each in caplog.records] == [
        "rotations of 9 x 9: by a decomposition",
        "eigenvectors of 9 channels: by numpy, more exactly",
    ]


@pytest.mark.usefixtures("_gpu")
def test_eigenvectors_are_those_of_numpy(monkeypatch):
    values = np.array([9.0, 4, 2, 1, 0.3, 0])
    vectors = orthogonal(6, np.random.default_rng(5))
    covariance = (vectors * values) @ vectors.T
    monkeypatch.setattr(np.linalg, "eigh", None)
    found, turned = spectra.eigh(covariance)
    np.testing.assert_allclose(found, values, rtol=0, atol=9 * 60 * EPS)
    assert np.abs(np.abs(turned.T @ vectors) - np.eye(6)).max() <= 9 * 600 * EPS / 0.3


def test_only_large_matrices_of_a_job_on_a_fast_gpu_leave_numpy(monkeypatch):
    monkeypatch.setattr(device, "_capability", {"cuda": (9, 0), "slow": (8, 9)}.get)
    monkeypatch.setattr(decompositions, "_device", "cpu")
    small, large = np.empty((200, 127)), np.empty((128, 500))
    for name, expected in (("cpu", False), ("slow", False), ("cuda", True)):
        decompositions.use(name)
        assert decompositions.suits(large) is expected
        assert not decompositions.suits(small)
