"""Measures beside the rotation, against their definitions on images."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from references import measures as reference
from test_procrustes import orthogonal

from latentdims.comparison.measures import (
    BLOCK,
    cca,
    cka,
    cka_folds,
    cka_of_norms,
    mutual_neighbours,
    nearest,
    permutation_p,
    squared_norm,
)

SEEDS = st.integers(0, 2**32)
STORED = json.loads(Path(reference.__file__).with_suffix(".json").read_text())


def covariances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(F, C, D) of folds (F, n, C) and (F, n, D)."""
    x, y = (each - each.mean(1, keepdims=True) for each in (x, y))
    return np.einsum("fnc,fnd->fcd", x, y) / x.shape[1]


def of_images(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return covariances(x, y), covariances(x, x), covariances(y, y)


def test_of_a_single_fold_it_is_the_correlation_of_centred_inner_products():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((1, 50, 4)) + 3, random.standard_normal((1, 50, 7))
    y[..., :4] += 2 * x
    left, right = ((each - each.mean(1))[0] for each in (x, y))
    grams = [(each @ each.T).ravel() for each in (left, right)]
    expected = grams[0] @ grams[1] / np.linalg.norm(grams[0]) / np.linalg.norm(grams[1])
    assert cka(*of_images(x, y)) == pytest.approx(expected, abs=1e-12)


def test_unrelated_images_share_nothing_on_average():
    random = np.random.default_rng(1)
    found = []
    for _ in range(300):
        x, y = random.standard_normal((2, 4, 10, 6)) + 1
        found.append(cka(*of_images(x, y)))
    assert abs(np.mean(found)) < 3 * np.std(found, ddof=1) / np.sqrt(len(found))
    plain = [each.mean(0)[None] for each in of_images(x, y)]
    assert cka(*plain) > 0.05  # with the bias


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_rotation_and_scale_change_nothing_and_linear_maps_nothing_of_cca(seed, scale):
    random = np.random.default_rng(seed)
    x = random.standard_normal((5, 40, 4)) @ np.diag([1, 2, 3, 4])
    y = x + random.standard_normal((5, 40, 4))
    turned = scale * y @ orthogonal(random, 4, 4)
    assert cka(*of_images(x, turned)) == pytest.approx(cka(*of_images(x, y)), abs=1e-9)
    mixed = y @ (np.diag([1.0, 2, 3, 0.5]) @ orthogonal(random, 4, 4))
    found, expected = (
        cca(*(each.mean(0) for each in of_images(x, other)), regularisation=0)
        for other in (mixed, y)
    )
    assert found == pytest.approx(expected, abs=1e-9)


@given(seed=SEEDS)
def test_of_itself_each_is_one(seed):
    x = np.random.default_rng(seed).standard_normal((6, 30, 3))
    assert cka(*of_images(x, x)) == pytest.approx(1)
    assert cca(*(each.mean(0) for each in of_images(x, x)), regularisation=0) == pytest.approx(1)


def test_canonical_correlations_of_a_known_case():
    # Two channels with correlations 0.8 and 0.6, hidden by scales: their squares, averaged.
    cross = np.diag([0.8 * 2, 0.6 * 5, 0.0])[:, :2]
    own, partner = np.diag([1.0, 25.0]), np.diag([4.0, 1.0, 9.0])
    found = cca(cross, partner, own, regularisation=0)
    assert found == pytest.approx((0.8**2 + 0.6**2) / 2)
    assert cca(cross, partner, own, regularisation=0.1) < found


def test_shares_of_folds_add_up():
    random = np.random.default_rng(2)
    x, y = random.standard_normal((2, 5, 30, 4))
    cross, partner, own = of_images(x, y + x)
    shares = cka_folds(cross, partner, own)
    assert shares.shape == (5,)
    assert cka(cross, np.stack([partner[0]] * 5), np.stack([own[0]] * 5)) == pytest.approx(
        cka_folds(cross, np.stack([partner[0]] * 5), np.stack([own[0]] * 5)).mean()
    )
    off = [np.vdot(cross[f], cross[g]) for f in range(5) for g in range(5) if f != g]
    assert squared_norm(cross) == pytest.approx(np.mean(off))


def test_of_constants_they_are_undefined():
    zero, one = np.zeros((3, 2, 2)), np.stack([np.eye(2)] * 3)
    assert np.isnan(cka(zero, zero, one))
    assert np.isnan(cca(zero[0], one[0], zero[0], regularisation=0.1))


@pytest.mark.parametrize("name", STORED)
def test_values_are_those_of_other_software(name):
    x, y = reference.inputs(name)
    stored = STORED[name]
    whole = of_images(x[None], y[None])
    # RSA: inner products of images (repsim), and whitened squared distances (rsatoolbox).
    assert cka(*whole) == pytest.approx(stored["cka"], rel=1e-9)
    assert cka(*whole) == pytest.approx(stored["whitened_cosine_of_distances"], rel=1e-9)
    cross, partner, own = (each[0] for each in whole)
    assert cca(cross, partner, own, regularisation=0) == pytest.approx(stored["cca"], rel=1e-9)
    ridged = cca(cross, partner, own, regularisation=reference.RIDGE)
    assert ridged == pytest.approx(stored["cca_with_ridge"], rel=1e-9)
    shares = mutual_neighbours(x, y, neighbours=reference.NEIGHBOURS)
    assert shares.shape == (len(x),)
    assert shares.mean() == pytest.approx(stored["neighbours"], abs=1e-12)


@pytest.mark.parametrize("name", STORED)
def test_averaged_over_all_folds_it_is_the_unbiased_estimate(name):
    """Products of different folds, averaged over all ways to make folds, are the U-statistic of
    Song et al. (2012): both take each of its terms as often as any other."""
    x, y = reference.inputs(name)
    random = np.random.default_rng(3)
    norms = []
    for _ in range(400):
        order = random.permutation(len(x)).reshape(4, -1)
        norms.append([squared_norm(each) for each in of_images(x[order], y[order])])
    means, error = np.mean(norms, axis=0), np.cov(norms, rowvar=False) / len(norms)
    found = cka_of_norms(*means)
    slope = np.array([1 / np.sqrt(means[1] * means[2]), *(-found / 2 / means[1:])])
    assert abs(found - STORED[name]["unbiased_cka"]) < 4 * np.sqrt(slope @ error @ slope)


def test_p_counts_what_is_as_high_and_the_number_itself():
    null = np.array([0.1, 0.3, 0.2, 0.3])
    assert permutation_p(0.3, null) == pytest.approx(3 / 5)
    assert permutation_p(0.4, null) == pytest.approx(1 / 5)
    assert permutation_p(0.0, null) == 1
    assert np.isnan(permutation_p(np.nan, null))
    assert np.isnan(permutation_p(0.4, np.array([0.1, np.nan])))


def test_p_is_below_5_percent_in_5_percent_where_there_is_nothing():
    random = np.random.default_rng(4)
    found = np.array([permutation_p(each[0], each[1:]) for each in random.random((4000, 21))])
    assert abs((found <= 1 / 21).mean() - 1 / 21) < 4 * np.sqrt(1 / 21 / 4000)


def test_neighbours_of_a_rotation_are_the_same_and_of_other_images_few():
    random = np.random.default_rng(5)
    images = BLOCK + 37
    x = random.standard_normal((images, 6)) + 2
    turned = 3 * x @ orthogonal(random, 6, 9)
    assert (mutual_neighbours(turned, x) == 1).all()
    unrelated = mutual_neighbours(random.permutation(x), x, neighbours=8)
    error = unrelated.std() / np.sqrt(images)
    assert abs(unrelated.mean() - 8 / (images - 1)) < 4 * error
    with pytest.raises(ValueError, match="5 images have no 5 neighbours"):
        mutual_neighbours(x[:5], x[:5], neighbours=5)
    x[3] = 0
    with pytest.raises(ValueError, match="row 3 is zero"):
        mutual_neighbours(x, turned)


@pytest.mark.parametrize(("images", "neighbours"), [(BLOCK + 37, 7), (6, 5)])
def test_neighbours_have_the_highest_cosines_but_for_the_image_itself(images, neighbours):
    x = np.random.default_rng(6).standard_normal((images, 4)) + 0.3
    for image, found in enumerate(nearest(x, neighbours)):
        cosines = x @ x[image] / np.linalg.norm(x, axis=1)
        assert found.shape == (neighbours,)
        assert {*found} == {*np.argsort(-cosines)[1 : neighbours + 1]}
