"""Which spectrum each number of the summary is of."""

import h5py
import numpy as np
import pytest

from latentdims.comparison.alignment_file import spectrum
from latentdims.comparison.measured import Measured
from latentdims.models.epochs import ends
from latentdims.results.numbers import _of_spectra
from latentdims.statistics.folds import FoldMoments
from latentdims.statistics.learned import count_learned
from latentdims.statistics.spectra import (
    effective_rank,
    participation_ratio,
    power_law,
    power_law_range,
)

RANKS = np.arange(1.0, 151)
FOLDS = 3
SHAPE = {"dimension": 30, "neurons": 150}


@pytest.fixture
def group():
    """Moments of other laws before and after training, uncentred and centred, and by fold."""
    with h5py.File("spectra", "w", driver="core", backing_store=False) as file:
        for number, moment in enumerate(("second_moment", "covariance")):
            laws = np.array([RANKS**-0.4, RANKS ** -(0.9 + 0.3 * number)])
            laws[:, 60:] *= 0.8 - 0.2 * number
            file[moment] = laws
            steps = np.linspace(1.01, 1.05, FOLDS)[:, None, None]
            file[f"{moment}_without_fold"] = laws**steps
            file[f"{moment}_identified"] = [RANKS < 90, number + 5 > RANKS]
        weights = np.linspace(0.09, 0.01, 30), np.linspace(0.2, 0.005, 30)
        file["weight"] = weights
        file.attrs.update(fan_in=30, neurons=150)
        yield file


def test_numbers_are_of_the_trained_spectrum_and_without_bias(group):
    numbers = list(_of_spectra(group, "a", ends([0.0, 3.0])))
    found = {(name.quantity, name.centring): value for name, value in numbers}
    assert {name.layer for name, _ in numbers} == {"a"}
    for moment, centring in (("second_moment", "uncentred"), ("covariance", "centred")):
        whole, without = group[moment][1], group[f"{moment}_without_fold"][:, 1]
        for quantity, measure in (
            ("participation_ratio", participation_ratio),
            ("effective_rank", effective_rank),
            ("power_law_exponent", lambda values: power_law(values)[0]),
        ):
            pseudo = [3 * measure(whole) - 2 * measure(fold) for fold in without]
            np.testing.assert_allclose(found.pop((quantity, centring)), pseudo, rtol=1e-9)
        number = found.pop(("identified_eigenvectors", centring))
        assert number == 4 + (centring == "centred")
        assert found.pop(("power_law_exponent_range", centring)) == power_law_range(whole) > 0.01
    initial, trained = group["weight"]
    for way, count in count_learned(trained, initial=initial, **SHAPE).items():
        assert found.pop((f"learned_components_{way}", "")) == count
    edge = (1 + np.sqrt(30 / 150)) ** 2 / 90
    assert found.pop(("marchenko_pastur_edge", "")) == pytest.approx(edge)
    assert not found


def test_each_split_has_the_resolution_of_its_rows_and_channels():
    """Two channels with a small difference: a block of 2,048 rows is one sum in float32, whose
    rounding hides it; in 200 rows it is seen."""
    covariance = np.array([[1, 1 - 4e-6], [1 - 4e-6, 1]])
    folds = FoldMoments(np.array([9, 9]), np.zeros((2, 2)), np.stack([covariance] * 2))
    means = {split: np.zeros(2) for split in ("train", "test")}
    for train, test, larger in ((2048, 200, 1), (200, 2048, 1), (200, 200, 10)):
        # A test split of larger channels has a coarser resolution, and a larger variance.
        both = {"train": covariance, "test": larger * covariance}
        own = Measured(means, both)
        found = spectrum(own, folds, "centred", rows={"train": train, "test": test})
        assert (found[""] > 0).tolist() == [True, train == 200]
        assert (found["_without_fold"] > 0).tolist() == [[True, train == 200]] * 2
        assert (found["_held_out"] > 0).tolist() == [True, test == 200]
