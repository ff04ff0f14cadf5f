"""Pairs of members of a comparison, from files whose numbers are known."""

import numpy as np
import pytest
import unlike
from scipy import stats
from unlike import EPOCHS, PAIRINGS

from latentdims.results.comparisons import PairOfMembers
from latentdims.results.quantities import Name
from latentdims.statistics.intervals import curve_over_pairs, over_pairs

SEEDS = [(4, 0), (0, 0), (2, 3), (4, 1)]  # of the partner and the own, some of all


def test_networks_of_both_members_have_numbers_of_their_own():
    pair = PairOfMembers("c", "a/x", "b/y", ["layer1"], SEEDS)
    files = {("c", "b/y", seed): f"file{seed}" for seed in range(4)}
    files |= {(other, member, 3): "another" for other, member in (("d", "b/y"), ("c", "a/x"))}
    places = pair.compared(files).places
    assert pair.compared(files).layers == ["layer1"]
    theirs, own = ([numbers[end] for numbers in places] for end in (0, 1))
    assert not set(theirs) & set(own)
    assert [*zip(theirs, places.values(), strict=True)] == [  # file after file
        (0, ("file0", "a/x/seed0")),
        (4, ("file0", "a/x/seed4")),
        (4, ("file1", "a/x/seed4")),
        (2, ("file3", "a/x/seed2")),
    ]
    assert own[0] == own[1] and len(set(own)) == 3
    within = PairOfMembers("c", "b/y", "b/y", ["layer1"], [(1, 3), (0, 1)])
    assert within.compared(files).places == {
        (0, 1): ("file1", "b/y/seed0"),
        (1, 3): ("file3", "b/y/seed1"),
    }


def test_members_are_in_the_columns_of_the_table():
    given = {"comparison": "c", "partner": "a/x@0.5", "own": "b/y", "layers": ["fc"]}
    pair = PairOfMembers.of({**given, "seeds": [[2, 3]]})
    assert pair.seeds == [(2, 3)] and pair.layers == ["fc"]
    names = {"comparison": "c", "partner": "a/x@0.5", "dataset": "b", "network": "y"}
    assert pair.columns == names


def test_numbers_and_curves_are_means_over_the_pairs_that_were_compared(tmp_path):
    """Of layers by the names of their pairs."""
    random = np.random.default_rng(4)
    layers, sizes = ("layer1~layer2", "layer1"), {"": (5, 6), "_null": (PAIRINGS, 5, 6)}
    held, files = {}, {}
    for own in {own for _, own in SEEDS}:
        files["c", "b/y", own] = tmp_path / f"alignment{own}.h5"
        numbers = {"spectra/layer1/covariance": np.ones((5, 11))}
        for theirs in (theirs for theirs, each in SEEDS if each == own):
            found = unlike.of_pairs(random, ["seed"], len(EPOCHS))
            for layer in layers:
                for name, values in found.items():
                    if "layer1" in name:
                        place = name.replace("seed/layer1", f"a/x/seed{theirs}/{layer}")
                        numbers[place] = values * random.uniform(0.5, 1, values.shape)
                for end, size in sizes.items():
                    place = f"a/x/seed{theirs}/{layer}/activation_subspace{end}"
                    numbers[place] = random.uniform(0.1, 0.9, size)
            held[theirs, own] = numbers
        unlike.write(files["c", "b/y", own], numbers)
    pair = PairOfMembers("c", "a/x", "b/y", layers, SEEDS)
    of_pair = {
        (theirs, 10 + own): {
            name.removeprefix(f"a/x/seed{theirs}/"): values
            for name, values in held[theirs, own].items()
        }
        for theirs, own in SEEDS
    }
    numbers = {each.name: each.estimate for each in pair.numbers(files)}
    curves = {each.name: each for each in pair.curves(files)}
    assert {name.layer for name in (*numbers, *curves)} == {*layers}
    for layer in layers:
        expected = over_pairs(
            {
                number: each[f"{layer}/similarity"][-1, 1, 2]
                + each[f"{layer}/similarity_folds"][:, -1, 2]
                - each[f"{layer}/similarity_folds"][:, -1, 2].mean()
                for number, each in of_pair.items()
            },
            within=(-1, 1),
        )
        found = numbers[Name("similarity", layer, "test", "position", EPOCHS[-1])]
        assert found == pytest.approx(expected) and found.n == 6  # three of each member
        for null, epoch in (("", -1), ("untrained", 0)):
            values = {n: each[f"{layer}/activation_subspace"][epoch] for n, each in of_pair.items()}
            curve = curves[Name("subspace_overlap_activation", layer, "", "", EPOCHS[epoch], null)]
            assert [*curve.at] == [1, 2, 3, 4, 5, 6]
            for one, other in zip(
                curve.estimates, curve_over_pairs(values, within=(0, 1)), strict=True
            ):
                assert one == pytest.approx(other)


def test_the_interval_of_pairs_across_is_that_of_two_groups():
    """Of effects of networks alone: the variance of a mean over A and B is the sum of both."""
    random = np.random.default_rng(5)
    first, second = random.normal(0, 3, 4), random.normal(0, 1, 4)
    pairs = {(r, 4 + s): np.array([first[r] + second[s]]) for r in range(4) for s in range(4)}
    (found,) = curve_over_pairs(pairs)
    assert found.n == 8
    deviation = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 4)
    half = (found.high - found.low) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, 6) * deviation, rel=1e-6)
