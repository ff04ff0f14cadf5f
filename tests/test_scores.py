"""Scores of networks and of pairs, by fold and at each epoch, as they are in their files."""

import numpy as np
import pytest
import unlike
from unlike import CENTRINGS, EPOCHS, FOLDS, PAIRINGS, SEEDS, SITES

from latentdims import storage
from latentdims.errors import InputError
from latentdims.results import scores
from latentdims.results.quantities import Name
from latentdims.results.scores import Compared, Scores
from latentdims.storage import SPLITS

PAIRS = [(r, s) for s in range(SEEDS) for r in range(s)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return unlike.written(tmp_path_factory.mktemp("scores"))


def stored(folder, **shapes):
    """Files of three networks with random numbers, and these numbers."""
    random, found = np.random.default_rng(3), []
    paths = [folder / f"network{seed}.h5" for seed in range(3)]
    for path in paths:
        found.append({name: random.uniform(size=shape) for name, shape in shapes.items()})
        with storage.create(path, settings={}) as file:
            for name, values in found[-1].items():
                file[name.replace("__", "/")] = values
    return paths, found


def moved(whole, folds):
    """Numbers by fold, moved by as much as their mean is from that of the whole."""
    return [fold + (whole - sum(folds) / len(folds)) for fold in folds]


@pytest.mark.parametrize("what", ["accuracy", "loss"])
def test_history_is_by_fold_of_test_images_alone(what, tmp_path):
    names = {f"history__{split}_{of}": 5 for split in SPLITS for of in ("accuracy", "loss")}
    names |= {f"history__folds__test_{of}": (7, 5) for of in ("accuracy", "loss")}
    paths, numbers = stored(tmp_path, **names)
    trained = [each[f"history__train_{what}"] for each in numbers]
    np.testing.assert_array_equal(scores.history(paths, "train", what), trained)
    expected = [
        moved(each[f"history__test_{what}"], each[f"history__folds__test_{what}"])
        for each in numbers
    ]
    np.testing.assert_allclose(scores.history(paths, "test", what), expected)


def test_accuracy_of_clipped_networks_is_by_fold_and_rank(tmp_path):
    paths, numbers = stored(tmp_path, a__b__accuracy=5, a__b__accuracy_folds=(7, 5))
    expected = [moved(each["a__b__accuracy"], each["a__b__accuracy_folds"]) for each in numbers]
    np.testing.assert_allclose(scores.clipped(paths, "a", "b"), expected)


def test_drawn_networks_are_by_draw_and_fold_where_there_are_folds(tmp_path):
    shapes = {"one": (), "one_folds": 7, "many": 5, "many_folds": (5, 7), "whole": 5}
    paths, numbers = stored(tmp_path, **shapes)
    one = [moved(each["one"], each["one_folds"]) for each in numbers]
    np.testing.assert_allclose(scores.drawn(paths, "one"), one)
    many = [
        [moved(*draw) for draw in zip(each["many"], each["many_folds"], strict=True)]
        for each in numbers
    ]
    np.testing.assert_allclose(scores.drawn(paths, "many"), many)
    whole = [each["whole"] for each in numbers]
    np.testing.assert_array_equal(scores.drawn(paths, "whole"), whole)


def assert_pairs(found, expected):
    assert found.keys() == expected.keys()
    for pair, values in expected.items():
        np.testing.assert_array_equal(found[pair], values)


@pytest.mark.parametrize("of", ["seeds", "finals"])
def test_scores_of_pairs_are_those_of_their_layer_split_and_centring(made, of):
    paths, numbers = made
    source = paths if of == "seeds" else scores.of_finals(paths)
    groups = {pair: (numbers[pair[1]], f"seed{pair[0]}") for pair in PAIRS}
    if of == "finals":
        groups = {(seed, seed): (numbers[seed], "final") for seed in range(SEEDS)}
    for score, centrings, places in (
        ("similarity", CENTRINGS, [*enumerate(CENTRINGS)]),
        ("cka", (), [((), "centred")]),
        ("mutual_neighbours", (), [((), "centred")]),
    ):
        found = {each.name: each for each in scores.of_pairs(source, score, centrings)}
        splits = [((), "test")] if score == "mutual_neighbours" else [*enumerate(SPLITS)]
        assert len(found) == len(SITES) * len(splits) * len(places)
        for layer in SITES:
            for (at, split), (place, centring) in [(x, y) for x in splits for y in places]:
                each = found[Name(score, layer, split, centring)]
                of_pair = {
                    pair: {end: held[f"{group}/{layer}/{score}{end}"] for end in ENDS}
                    for pair, (held, group) in groups.items()
                }
                axes = tuple(axis for axis in (at, place) if axis != ())
                folded = (place,) if place != () else ()
                assert_pairs(each.whole, {p: v[""][:, *axes] for p, v in of_pair.items()})
                nulls = {pair: v["_null"][:, :, *axes] for pair, v in of_pair.items()}
                assert_pairs(each.null, nulls)
                by_fold = {pair: v["_folds"][:, :, *folded] for pair, v in of_pair.items()}
                assert_pairs(each.folds, by_fold if split == "test" else {})


ENDS = ("", "_folds", "_null")


def test_pairs_are_those_that_were_compared_in_the_order_of_layers(tmp_path):
    """Of four seeds, some with the first alone."""
    paths, numbers = unlike.written(tmp_path)
    some = {name: each for name, each in numbers[3].items() if not name.startswith("seed1")}
    some = {name: each for name, each in some.items() if not name.startswith("seed2/classifier")}
    paths[3].unlink()
    unlike.write(paths[3], some)
    found = scores.pairs(paths)
    assert list(found) == ["layer1", "classifier"]
    assert list(found["layer1"]) == [(0, 1), (0, 2), (1, 2), (0, 3), (2, 3)]
    assert list(found["classifier"]) == [(0, 1), (0, 2), (1, 2), (0, 3)]
    for layer, of_layer in found.items():
        for (r, s), values in of_layer.items():
            np.testing.assert_array_equal(values, numbers[s][f"seed{r}/{layer}/similarity"])
    compared = scores.of_seeds(paths)
    assert compared.places[2, 3] == (paths[3], "seed2") and compared.file == paths[3]
    chosen = Compared({(5, 9): (paths[2], "seed1"), (0, 7): (paths[1], "final")}, ["classifier"])
    ((layer, of_layer),) = scores.pairs(chosen, score="cka").items()
    assert layer == "classifier"
    expected = [numbers[2]["seed1/classifier/cka"], numbers[1]["final/classifier/cka"]]
    assert_pairs(of_layer, dict(zip([(5, 9), (0, 7)], expected, strict=True)))
    for source in (paths, chosen, scores.of_finals(paths)):  # some layers have weights alone
        assert scores.measures(source) == ["cka", "mutual_neighbours"]


def test_one_file_has_no_pairs(made):
    paths, _ = made
    with pytest.raises(InputError, match=r"alignment2\.h5: a single network has no pairs"):
        scores.of_seeds(paths[2:3])
    assert scores.of_seeds(paths[:2]).places == {(0, 1): (paths[1], "seed0")}


def of_three(*, by_fold: bool = True) -> Scores:
    """Pairs of networks, on five epochs; of training images there are no folds."""
    random = np.random.default_rng(6)
    sizes = {"whole": (len(EPOCHS),), "folds": (FOLDS, len(EPOCHS))}
    sizes |= {"null": (PAIRINGS, len(EPOCHS))}
    pairs = [(0, 1), (0, 2), (1, 2)]
    found = {name: {p: random.uniform(-1, 1, size) for p in pairs} for name, size in sizes.items()}
    return Scores(Name("similarity"), **found | ({} if by_fold else {"folds": {}}))


def test_scores_at_an_epoch_are_by_fold_with_the_mean_of_all_images():
    found = of_three()
    for epoch in (0, 3, -1):
        expected = {
            pair: moved(found.whole[pair][epoch], found.folds[pair][:, epoch])
            for pair in found.whole
        }
        assert found.at(epoch).keys() == expected.keys()
        for pair, values in found.at(epoch).items():
            np.testing.assert_allclose(values, expected[pair])
    trained = of_three(by_fold=False)
    assert trained.at(3) == {pair: each[3] for pair, each in trained.whole.items()}


def test_folds_of_which_one_is_undefined_leave_the_score_of_all_images():
    """Of every pair, since their intervals are made of all; at other epochs folds are there."""
    found = of_three()
    found.folds[0, 2][4, 1] = np.nan
    assert found.at(1) == {pair: each[1] for pair, each in found.whole.items()}
    assert {np.shape(each) for each in found.at(2).values()} == {(FOLDS,)}
    for pair, values in found.curves().items():
        np.testing.assert_array_equal(values, found.whole[pair])
    for folds in found.folds.values():
        folds[3, 1] = np.nan
    assert found.at(1) == {pair: each[1] for pair, each in found.whole.items()}


def test_an_undefined_score_is_so_in_every_fold_and_leaves_those_of_other_pairs():
    found = of_three()
    found.whole[1, 2][3] = np.nan
    for undefined in ([], [2, 4], [*range(FOLDS)]):
        found.folds[1, 2][undefined, 3] = np.nan
        assert np.isnan(found.at(3)[1, 2]).tolist() == [True] * FOLDS
        expected = moved(found.whole[0, 1][3], found.folds[0, 1][:, 3])
        np.testing.assert_allclose(found.at(3)[0, 1], expected)
    found.whole[0, 1][4] = found.folds[0, 1][:, 4] = np.nan
    for pair, values in found.curves().items():
        expected = np.array(moved(found.whole[pair], found.folds[pair]))
        assert values.shape == (FOLDS, len(EPOCHS))
        np.testing.assert_allclose(values, expected)
    trained = of_three(by_fold=False)
    trained.whole[0, 1][3] = np.nan
    assert {np.shape(each) for each in trained.at(3).values()} == {()}
    assert np.isnan(trained.at(3)[0, 1]) and trained.at(3)[1, 2] == trained.whole[1, 2][3]
    assert_pairs(trained.curves(), trained.whole)


def test_squares_keep_signs_and_nulls_are_of_every_pair():
    found = of_three()
    squared = found.squared("variance_explained")
    assert squared.name == found.name._replace(quantity="variance_explained")
    for name in ("whole", "folds", "null"):
        for pair, values in getattr(found, name).items():
            assert (values < 0).any() and (values > 0).any()
            expected = np.where(values < 0, -(values**2), values**2)
            np.testing.assert_allclose(getattr(squared, name)[pair], expected)
    for epoch in (0, 2):
        expected = [value for each in found.null.values() for value in each[:, epoch]]
        np.testing.assert_array_equal(found.unrelated(epoch), expected)


def test_a_network_and_itself_are_a_pair(made):
    paths, _ = made
    assert all(each.of_networks for each in scores.of_pairs(scores.of_finals(paths), "cka"))
    assert not any(each.of_networks for each in scores.of_pairs(paths, "cka"))
    both = Scores(Name("cka"), {(0, 0): np.zeros(2), (0, 1): np.zeros(2)}, {}, {})
    assert not both.of_networks


def test_the_null_is_its_mean_and_its_middle_part():
    """Of the squares of 0 to 40, the second and the last but one are the ends."""
    null = np.arange(41.0)[::-1, None] ** 2 * [1, 3, 10]
    null[5, 1] = np.nan
    first, undefined, last = scores.of_null(null, networks=6)
    assert first == pytest.approx((540, 1, 39**2, 6))
    assert np.isnan(undefined.value) and undefined[1:] == (None, None, 6)
    assert last == pytest.approx((5400, 10, 10 * 39**2, 6))
