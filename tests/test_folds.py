import numpy as np
import pytest

from latentdims.statistics import folds


@pytest.mark.parametrize("images", [1, 3, 4, 17, 2001])
def test_folds_share_images_evenly_and_in_no_order(images):
    fold = folds.of(images)
    sizes = np.bincount(fold)
    assert len(sizes) == max(1, min(8, images // 2))
    assert sizes.max() - sizes.min() <= 1
    assert (fold == folds.of(images)).all()
    if images > 100:
        assert len(np.unique(fold[:50])) == 8


def test_means_are_those_of_each_fold():
    values = np.random.default_rng(3).normal(5, 2, (2, 3, 41))
    fold = folds.of(41)
    expected = [[[row[fold == f].mean() for f in range(8)] for row in block] for block in values]
    np.testing.assert_allclose(folds.means(values), expected, rtol=1e-12)


def test_moments_of_folds_are_about_the_mean_of_all():
    """Folds of other sizes and means; every moment from the rows themselves."""
    random = np.random.default_rng(4)
    rows = [random.standard_normal((n, 3)) * [1, 2, 3] + n / 5 for n in (5, 9, 4, 12)]
    moments = folds.FoldMoments(
        np.array([len(each) for each in rows]),
        np.array([each.mean(0) for each in rows]),
        np.array([np.cov(each, rowvar=False, bias=True) for each in rows]),
    )
    middle = np.concatenate(rows).mean(0)
    for centring, mean in (("uncentred", 0), ("centred", middle)):
        expected = [(each - mean).T @ (each - mean) / len(each) for each in rows]
        np.testing.assert_allclose(moments.about(centring), expected, rtol=1e-12, atol=1e-12)
    for number, without in enumerate(moments.without_each("centred")):
        rest = np.concatenate(rows[:number] + rows[number + 1 :])
        np.testing.assert_allclose(without, np.cov(rest, rowvar=False, bias=True), rtol=1e-10)
        second = moments.without_each("uncentred")[number]
        np.testing.assert_allclose(second, rest.T @ rest / len(rest), rtol=1e-12)
