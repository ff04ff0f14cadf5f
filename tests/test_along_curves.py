"""Curves along training, from files whose numbers are known."""

import h5py
import numpy as np
import pytest
import unlike
from unlike import CENTRINGS, EPOCHS, FOLDS, SEEDS, SITES, WEIGHTS, WIDTHS

from latentdims.results import along
from latentdims.results.quantities import Name
from latentdims.statistics.intervals import curve_over_networks, curve_over_pairs
from latentdims.statistics.learned import count_learned
from latentdims.storage import SPLITS

PLACES = [(layer, *each) for layer in SITES for each in enumerate(CENTRINGS)]
PAIRS = [(r, s) for s in range(SEEDS) for r in range(s)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The curves by name, and the numbers of each file."""
    paths, numbers = unlike.written(tmp_path_factory.mktemp("along"))
    return curves(paths), numbers


def curves(paths, of=along.of):
    found = list(of(paths))
    assert len({each.name for each in found}) == len(found)
    return {each.name: each for each in found}


def by_fold(numbers, place, split, centring):
    """(F, E) of test images, with the mean of all of them; (E,) of training images."""
    whole = numbers[f"{place}/similarity"][:, SPLITS.index(split), centring]
    if split == "train":
        return whole
    folds = numbers[f"{place}/similarity_folds"][:, :, centring]
    return np.array([fold - sum(folds) / FOLDS + whole for fold in folds])


def assert_curve(points, estimates, each):
    np.testing.assert_allclose(points.each, each, rtol=1e-12)
    for found, expected in zip(points.estimates, estimates, strict=True):
        assert [each is None for each in found] == [each is None for each in expected]
        np.testing.assert_allclose(*(np.array(each, float) for each in (found, expected)), 1e-12)


def assert_null(points, nulls):
    """Of every pair and pairing, at each epoch."""
    found = np.concatenate(nulls)
    ends = [np.quantile(found, end, axis=0) for end in (0.025, 0.975)]
    expected = zip(found.mean(0), *ends, [SEEDS] * len(EPOCHS), strict=True)
    assert_curve(points, [*expected], found)


def pseudovalues(numbers, place):
    """Of the participation ratio of each network without each fold, (S, F, E)."""

    def ratio(spectrum):
        return spectrum.sum(-1) ** 2 / (spectrum**2).sum(-1)

    return np.array(
        [
            [FOLDS * ratio(each[place]) - (FOLDS - 1) * ratio(rest) for rest in without]
            for each, without in ((each, each[f"{place}_without_fold"]) for each in numbers)
        ]
    )


def test_which_curves_there_are(made, tmp_path):
    found, _ = made
    expected = {
        Name(f"similarity{to}_by_epoch", layer, split, centring, null=null)
        for to in ("", "_to_final")
        for layer, _, centring in PLACES
        for split in SPLITS
        for null in ("", "unrelated")
    }
    expected |= {
        Name("participation_ratio_by_epoch", layer, "train", centring)
        for layer in SITES
        for centring in ("uncentred", "centred")
    }
    chances = [f"learned_components_{way}" for way in ("theory", "simulation", "bulk", "initial")]
    for layer, ranks in (("layer2", 5), ("classifier", 3)):  # the leading ones alone
        amplified, cosines, spans = (
            [f"weight_{what}_{rank + 1}" for rank in range(ranks)]
            for what in ("amplification", "cosine", "span")
        )
        of_layer = [*chances, *amplified, *cosines, *spans]
        expected |= {Name(f"{what}_by_epoch", layer) for what in of_layer}
    assert set(found) == expected
    paths, _ = unlike.written(tmp_path, seeds=2, epochs=[0.5, 1.0])  # nothing of epoch 0
    assert {name.quantity for name in set(found) - set(curves(paths))} == {
        "learned_components_initial_by_epoch",
        *(f"weight_amplification_{rank}_by_epoch" for rank in range(1, 6)),
    }
    alone = set(curves(paths[:1]))
    assert {each.quantity for each in set(curves(paths)) - alone} == {"similarity_by_epoch"}


@pytest.mark.parametrize("split", SPLITS)
def test_similarity_to_other_seeds_and_its_null(made, split):
    found, numbers = made
    for layer, place, centring in PLACES:
        groups = {(r, s): (numbers[s], f"seed{r}/{layer}") for r, s in PAIRS}
        values = {pair: by_fold(*each, split, place) for pair, each in groups.items()}
        name = Name("similarity_by_epoch", layer, split, centring)
        at = SPLITS.index(split), place
        wholes = [of[f"{group}/similarity"][:, *at] for of, group in groups.values()]
        assert_curve(found[name], curve_over_pairs(values, within=(-1, 1)), wholes)
        nulls = [of[f"{group}/similarity_null"][:, :, *at] for of, group in groups.values()]
        assert_null(found[name._replace(null="unrelated")], nulls)


@pytest.mark.parametrize("split", SPLITS)
def test_similarity_to_the_last_epoch_and_its_null(made, split):
    found, numbers = made
    for layer, place, centring in PLACES:
        group, at = f"final/{layer}", (SPLITS.index(split), place)
        values = np.array([by_fold(each, group, split, place) for each in numbers])
        name = Name("similarity_to_final_by_epoch", layer, split, centring)
        wholes = [each[f"{group}/similarity"][:, *at] for each in numbers]
        assert_curve(found[name], curve_over_networks(values, within=(-1, 1)), wholes)
        nulls = [each[f"{group}/similarity_null"][:, :, *at] for each in numbers]
        assert_null(found[name._replace(null="unrelated")], nulls)


def test_participation_ratios_are_without_bias(made):
    found, numbers = made
    for layer, neurons in (("layer1", 11), ("classifier", 3)):
        for centring, moment in (("uncentred", "second_moment"), ("centred", "covariance")):
            values = pseudovalues(numbers, f"spectra/{layer}/{moment}")
            expected = curve_over_networks(values, within=(1, neurons))
            name = Name("participation_ratio_by_epoch", layer, "train", centring)
            assert_curve(found[name], expected, values.mean(1))


def test_learned_components_are_those_of_each_network_and_epoch(made):
    found, numbers = made
    for layer, fan_in in (("layer2", 11), ("classifier", 8)):
        shape = {"dimension": fan_in, "neurons": WIDTHS[layer]}
        counts = [
            [count_learned(values, initial=spectra[0], **shape) for values in spectra]
            for spectra in (each[f"spectra/{layer}/weight"] for each in numbers)
        ]
        for chance in counts[0][0]:
            each = np.array([[epoch[chance] for epoch in network] for network in counts])
            expected = [(mean, None, None, SEEDS) for mean in each.mean(0)]
            name = Name(f"learned_components_{chance}_by_epoch", layer)
            assert_curve(found[name], expected, each)


def test_last_eigenvectors_by_rank(made):
    found, numbers = made
    for layer in WEIGHTS:
        for rank in range(min(WEIGHTS[layer], 5)):
            cosine, span, variance = (
                np.array([each[f"final/{layer}/weight_{what}"][:, rank] for each in numbers])
                for what in ("cosine", "span", "variance")
            )
            growth = np.array([np.sqrt(each / each[0]) for each in variance])
            for what, values, limit in (
                ("cosine", cosine, (0, 1)),
                ("span", span, (0, 1)),
                ("amplification", growth, (0, np.inf)),
            ):
                name = Name(f"weight_{what}_{rank + 1}_by_epoch", layer)
                assert_curve(found[name], curve_over_networks(values, within=limit), values)


def rewritten(paths, numbers, of=along.of):
    for path, each in zip(paths, numbers, strict=True):
        with h5py.File(path, "r+") as file:
            for name, values in each.items():
                file[name][...] = values
    return curves(paths, of)


def with_gaps(estimates, *gaps):
    """Estimates at all epochs, from those of a curve that is undefined at some."""
    rest, nothing = iter(estimates), (np.nan, None, None, SEEDS)
    return [nothing if epoch in gaps else next(rest) for epoch in range(len(EPOCHS))]


def test_an_epoch_at_which_a_pair_is_undefined_leaves_the_others(tmp_path):
    paths, numbers = unlike.written(tmp_path)
    numbers[2]["seed1/layer1/similarity"][1] = np.nan
    numbers[2]["seed1/layer1/similarity_folds"][:, 1] = np.nan
    numbers[2]["seed1/layer1/similarity_null"][6, 3] = np.nan
    found = rewritten(paths, numbers, along.similarities)
    name = Name("similarity_by_epoch", "layer1", "test", "centred")
    known = [0, 2, 3, 4]
    values, wholes = {}, []
    for r, s in PAIRS:
        values[r, s] = by_fold(numbers[s], f"seed{r}/layer1", "test", 1)[:, known]
        wholes.append(numbers[s][f"seed{r}/layer1/similarity"][:, 1, 1])
    assert_curve(found[name], with_gaps(curve_over_pairs(values, within=(-1, 1)), 1), wholes)
    null = found[name._replace(null="unrelated")].estimates
    assert [each[1:] for each in null if np.isnan(each.value)] == [(None, None, SEEDS)]
    assert np.isnan(null[3].value)
    numbers[1]["seed0/layer1/similarity_folds"][4, 0] = np.nan  # but its mean is defined
    for r, s in PAIRS:
        values[r, s] = numbers[s][f"seed{r}/layer1/similarity"][known, 1, 1]
    found = rewritten(paths, numbers, along.similarities)
    assert_curve(found[name], with_gaps(curve_over_pairs(values, within=(-1, 1)), 1), wholes)


def test_epochs_at_which_a_network_is_undefined_leave_the_others(tmp_path):
    paths, numbers = unlike.written(tmp_path)
    place = "spectra/layer1/covariance"
    values = pseudovalues(numbers, place)
    each = values.mean(1)
    each[3, 2:4] = np.nan
    for end in ("", "_without_fold"):
        numbers[3][f"{place}{end}"][..., 2:4, :] = 0
    numbers[1]["final/layer2/weight_variance"][:2, 4] = 0  # of the untrained one, too
    found = rewritten(paths, numbers)
    estimates = curve_over_networks(values[..., [0, 1, 4]], within=(1, 11))
    ratios = found[Name("participation_ratio_by_epoch", "layer1", "train", "centred")]
    assert_curve(ratios, with_gaps(estimates, 2, 3), each)
    for quantity, known in (("weight_amplification_4", True), ("weight_amplification_5", False)):
        points = found[Name(f"{quantity}_by_epoch", "layer2")]
        assert [np.isfinite(each.value) for each in points.estimates] == [known] * len(EPOCHS)
        assert np.isnan(points.each).all(1).tolist() == [False, not known, False, False]


def test_whether_all_kept_epochs_were_measured(tmp_path):
    paths, numbers = unlike.written(tmp_path, seeds=2)
    assert along.is_measured(paths[1])
    assert along.epochs(paths) == EPOCHS
    ends = {name: each for name, each in numbers[1].items() if not name.startswith("final")}
    unlike.write(tmp_path / "ends.h5", ends)
    assert not along.is_measured(tmp_path / "ends.h5")
