"""The null of comparisons: what networks that share nothing, or only means, seem to share."""

import numpy as np
import pytest
import torch
from test_procrustes import orthogonal

from latentdims.comparison import null, pair, unrelated
from latentdims.comparison.measured import Measured, Weights
from latentdims.comparison.pair import Options
from latentdims.comparison.procrustes import lift, subspace_overlap
from latentdims.comparison.views import NetworkView
from latentdims.models.architecture import chain
from latentdims.statistics import folds
from latentdims.storage import SPLITS

CENTRINGS = ["uncentred", "centred", "position"]
IMAGES = {"train": 160, "test": 88}
PAIRINGS = 7
OPTIONS = Options(CENTRINGS, 3)


class Shown:
    """A network of one layer whose representations (images, C, P, 1) are given."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = torch.from_numpy(values).float()
        shape = values.shape[1:]
        self.architecture = chain((9, 1, 1), [shape], taps=[1])

    def representations(self, images):
        yield self.architecture.sites[0], self._values[images[:, 0, 0, 0].long()]


def measured(values: dict[str, np.ndarray]) -> Measured:
    """Of representations (N, C, P, 1) by split."""
    rows = {split: x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1]) for split, x in values.items()}
    return Measured(
        {split: x.mean(0) for split, x in rows.items()},
        {split: np.cov(x.T, bias=True) for split, x in rows.items()},
        {split: x[..., 0].mean(0) for split, x in values.items()},
    )


def by_fold(x: np.ndarray) -> np.ndarray:
    """(F, C, C)."""
    of = folds.of(len(x))
    parts = (x[of == fold].transpose(0, 2, 3, 1).reshape(-1, x.shape[1]) for fold in range(8))
    return np.array([np.cov(part.T, bias=True) for part in parts])


def compared(theirs: dict, ours: dict) -> tuple[dict, dict]:
    """The null of two representations (N, C, P, 1) by split, and the same numbers as observed."""
    both = [measured(each) for each in (theirs, ours)]
    paired = {}
    for split in SPLITS:
        numbers = torch.arange(len(ours[split])).float()[:, None, None, None]
        partner, own = (NetworkView(Shown(x[split]), numbers) for x in (theirs, ours))
        (found,) = unrelated.paired([partner], own, pairings=PAIRINGS)
        paired[split] = found["classifier"]
    of_folds = {split: (by_fold(theirs[split]), by_fold(ours[split])) for split in SPLITS}
    same = {split: each.folds.double().numpy() for split, each in paired.items()}
    crosses = {split: each.covariance[0].double().numpy() for split, each in paired.items()}
    _, scores = pair.fit(*both, crosses, centrings=CENTRINGS)
    observed = {"similarity": np.array([scores[split] for split in SPLITS])}
    observed |= pair.kernels(*both, crosses, same, of_folds)
    found, turns = null.compare(*both, paired, of_folds, options=OPTIONS)
    return {**found, "turns": turns.numpy()}, observed


def independent(random, *, positions=1, channels=5) -> dict[str, np.ndarray]:
    shape = channels, positions, 1
    return {split: random.standard_normal((n, *shape)) + 1 for split, n in IMAGES.items()}


def is_near(values: np.ndarray, expected: float) -> bool:
    """Whether the mean of independent values (runs,) is within three standard errors."""
    return abs(values.mean() - expected) < 3 * values.std(ddof=1) / np.sqrt(len(values))


def test_networks_that_share_nothing_are_like_their_null():
    random = np.random.default_rng(3)
    nulls, seen = [], []
    for _ in range(60):
        found, observed = compared(independent(random), independent(random))
        nulls.append(
            {name: found[f"{name}_null"].mean(0) for name in observed if name + "_null" in found}
        )
        seen.append(observed)
    for name in ("similarity", "cka", "cca"):
        difference = np.array([a[name] - b[name] for a, b in zip(nulls, seen, strict=True)])
        for each in difference.reshape(len(seen), -1).T:
            assert is_near(each, 0), name
    scores = np.array([each["similarity"] for each in nulls])
    assert is_near(scores[:, 1, 1], 0)  # held out, centred
    assert (scores[:, 0, 1] > 0.1).all()  # in sample, the rotation fits the noise
    assert is_near(np.array([each["cka"] for each in nulls])[:, 1], 0)


def test_positions_that_share_a_mean_are_alike_unless_it_is_taken_away():
    random = np.random.default_rng(4)
    means = random.standard_normal((4, 12, 1))
    centred, position = [], []
    for _ in range(30):
        theirs, ours = (independent(random, positions=12, channels=4) for _ in range(2))
        for each in (theirs, ours):
            for split in SPLITS:
                each[split] += means
        found, observed = compared(theirs, ours)
        scores = found["similarity_null"].mean(0)[SPLITS.index("test")]
        centred.append(scores[1])
        position.append(scores[2])
        assert observed["similarity"][1, 1] > 0.3
        assert abs(observed["similarity"][1, 2]) < 0.3
    assert min(centred) > 0.3
    assert is_near(np.array(position), 0)


def test_a_network_beside_itself_shares_all_but_not_with_other_images():
    random = np.random.default_rng(5)
    same = independent(random)
    found, observed = compared(same, same)
    np.testing.assert_allclose(observed["similarity"], 1, atol=1e-5)
    np.testing.assert_allclose(observed["cka"], 1, atol=1e-5)
    assert found["similarity_null"].shape == (PAIRINGS, 2, 3)
    assert found["similarity_null"][:, :, 1:].max() < 0.6
    scores = found["similarity_null"][:, 0, 1]
    assert len(set(scores.round(6).tolist())) == PAIRINGS


def test_overlaps_come_from_the_rotations_of_the_pairings():
    random = np.random.default_rng(6)
    theirs, ours = independent(random, channels=4), independent(random)
    weights = [random.standard_normal((5, 8)) for _ in range(2)]  # four channels, two positions
    below = np.array([orthogonal(random, 4, 4) for _ in range(PAIRINGS)])
    found, _ = compared(theirs, ours)
    maps = [Weights(each) for each in weights]
    turns = torch.from_numpy(below).float()
    found |= null.compare_weights(*maps, below=turns, vectors=OPTIONS.vectors)
    eigen = [measured(each).eigen("uncentred")[1] for each in (theirs, ours)]
    for kind, cosines in (
        ("activation", [eigen[0].T @ turn @ eigen[1] for turn in found["turns"]]),
        (
            "weight",
            [lift(turn, maps[0].components[1]).T @ maps[1].components[1] for turn in below],
        ),
    ):
        spans = [subspace_overlap(each) for each in cosines]
        np.testing.assert_allclose(found[f"{kind}_subspace_null"], spans, atol=1e-5)
        expected = np.quantile(np.abs(cosines), 0.95, axis=0)[:3, :3]
        np.testing.assert_allclose(found[f"{kind}_overlap_null"], expected, atol=1e-5)


def test_weights_that_read_images_are_compared_with_random_directions():
    random = np.random.default_rng(7)
    maps = [Weights(random.standard_normal((5, 40))) for _ in range(2)]
    found = null.compare_weights(*maps, below=PAIRINGS, vectors=OPTIONS.vectors)
    expected = np.tile(np.arange(1, 6) / 40, (PAIRINGS, 1))
    np.testing.assert_allclose(found["weight_subspace_null"], expected)
    draws = np.abs([orthogonal(random, 40, 1)[0, 0] for _ in range(4000)])
    share = (draws < found["weight_overlap_null"][0, 0]).mean()
    assert share == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 4000))


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_of_a_dead_or_constant_layer_the_null_is_undefined(value):
    random = np.random.default_rng(8)
    theirs, ours = independent(random), independent(random)
    for split in SPLITS:
        ours[split][:] = value
    found, observed = compared(theirs, ours)
    for name in ("cka", "cca"):
        assert np.isnan(found[f"{name}_null"]).all()
        assert np.isnan(observed[name]).all()
    assert np.isnan(found["similarity_null"][..., 1:]).all()
    for values in (found["similarity_null"][..., 0], found["activation_subspace_null"]):
        assert np.isnan(values).all() == (value == 0)


@pytest.mark.parametrize("dimension", [3, 40, 256])
def test_spans_of_everything_agree_whatever_float32_makes_of_them(dimension):
    """Within what the rounding of three factors can make of 1; spans of less are left alone."""
    random = np.random.default_rng(dimension)
    first, ours = (orthogonal(random, dimension, dimension) for _ in range(2))
    cross = torch.from_numpy(random.standard_normal((4, dimension, dimension))).float()
    left, _, right = torch.linalg.svd(cross)
    theirs, single = torch.from_numpy(first).float().T @ (left @ right), torch.from_numpy(ours)
    single = single.float()
    found = null._overlaps("weight", theirs, single, vectors=2)["weight_subspace_null"]
    rough = np.array([subspace_overlap((each @ single).double().numpy()) for each in theirs])
    assert (rough[:, -1] != 1).any()
    assert (found[:, -1] == 1).all()
    assert (found[:, :-1] == rough[:, :-1]).all()
    assert np.abs(rough[:, -1] - 1).max() < 6 * dimension**0.5 * np.finfo(np.float32).eps
