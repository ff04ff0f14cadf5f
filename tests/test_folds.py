import numpy as np
import pytest

from latentdims import folds


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
