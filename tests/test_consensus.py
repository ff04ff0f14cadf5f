"""Alignment of many networks to their mean, from their covariances alone."""

from itertools import combinations_with_replacement, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdims.errors import InputError
from latentdims.steps import consensus
from latentdims.steps.consensus import Covariances, align_to_mean, similarity_to_mean


def covariances(phi: np.ndarray) -> Covariances:
    """Of all pairs of (S, n, C)."""
    pairs = combinations_with_replacement(range(len(phi)), 2)
    return Covariances({(i, j): phi[i].T @ phi[j] / phi.shape[1] for i, j in pairs})


def rotations(random: np.random.Generator, seeds: int, channels: int) -> np.ndarray:
    return np.linalg.qr(random.standard_normal((seeds, channels, channels)))[0]


@given(seed=st.integers(0, 2**32), seeds=st.integers(3, 5))
def test_rotated_copies_are_recovered(seed, seeds):
    random = np.random.default_rng(seed)
    shared = random.standard_normal((50, 4)) * [4, 3, 2, 1]
    phi = shared @ rotations(random, seeds, 4)
    pairs = covariances(phi)
    found = align_to_mean(pairs)
    np.testing.assert_allclose(similarity_to_mean(pairs, found), np.ones(seeds), atol=1e-12)
    aligned = phi @ found
    np.testing.assert_allclose(aligned, np.broadcast_to(aligned[0], aligned.shape), atol=1e-10)


def test_scores_are_those_of_the_data_themselves():
    random = np.random.default_rng(0)
    phi = (random.standard_normal((1, 80, 3)) + random.standard_normal((4, 80, 3)) / 2) @ rotations(
        random, 4, 3
    )
    pairs = covariances(phi)
    found = align_to_mean(pairs)
    aligned = phi @ found
    for i, score in enumerate(similarity_to_mean(pairs, found)):
        mean = np.delete(aligned, i, axis=0).mean(0)
        cosine = (aligned[i] * mean).sum() / np.sqrt((aligned[i] ** 2).sum() * (mean**2).sum())
        assert score == pytest.approx(cosine, rel=1e-12)


def test_the_objective_never_falls_and_ends_above_pairwise_alignment(monkeypatch):
    random = np.random.default_rng(1)
    phi = random.standard_normal((5, 60, 6)) + random.standard_normal((1, 60, 6))
    phi = phi @ rotations(random, 5, 6)
    pairs = covariances(phi)

    def objective(turns: np.ndarray) -> float:
        aligned = phi @ turns
        overlaps = np.einsum("ina,jna->ij", aligned, aligned) / phi.shape[1]
        return float(overlaps.sum() - np.trace(overlaps))

    reached = []
    for iterations in (0, 1, 2, 5, 50):
        monkeypatch.setattr(consensus, "ITERATIONS", iterations)
        reached.append(objective(align_to_mean(pairs)))
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(reached))
    assert reached[-1] > reached[0]
    # At a fixed point no single rotation can gain: every target is symmetric and not negative.
    turns = align_to_mean(pairs)
    for i in range(5):
        target = sum(pairs[i, j] @ turns[j] for j in range(5) if j != i)
        stretched = turns[i].T @ target
        np.testing.assert_allclose(stretched, stretched.T, atol=1e-3 * np.abs(stretched).max())
        assert np.linalg.eigvalsh((stretched + stretched.T) / 2).min() > 0


def test_a_single_network_has_no_consensus(tmp_path):
    with pytest.raises(InputError, match=r"covariance0\.h5: a single network .* seeds: 2"):
        consensus.consensus(covariances=["covariance0.h5"], output=tmp_path / "c", settings={})
