"""Which pairs of seeds are compared."""

from latentdims.comparison import partners


def test_all_or_the_first_or_some():
    assert partners.of(3, pairs="all", number=None) == [0, 1, 2]
    assert partners.of(3, pairs="first", number=None) == [0]
    assert partners.of(0, pairs="first", number=None) == []
    assert partners.of(2, pairs="all", number=4) == [0, 1]
    chosen = [partners.of(seed, pairs="all", number=2) for seed in range(40)]
    assert [len(each) for each in chosen] == [0, 1] + [2] * 38
    for seed, each in enumerate(chosen):
        assert each == sorted(set(each))
        assert set(each) <= set(range(seed))
    # The same again, whatever else is drawn; and not the same few partners for all seeds.
    assert partners.of(30, pairs="all", number=2) == chosen[30]
    assert len({seed for each in chosen for seed in each}) > 15


def test_number_of_pairs():
    assert partners.count(5, pairs="all", number=None) == 10
    assert partners.count(5, pairs="all", number=2) == 7
    assert partners.count(5, pairs="first", number=None) == 4


def test_seeds_of_another_network():
    choice = {"pairs": "all", "number": None}
    assert partners.across(1, 3, same_start=False, **choice) == [0, 1, 2]
    assert partners.across(1, 3, same_start=True, **choice) == [0, 2]
    assert partners.across(0, 3, same_start=True, pairs="first", number=None) == [1]
    assert partners.across(2, 3, same_start=False, pairs="first", number=None) == [0]
    some = [partners.across(seed, 40, same_start=True, pairs="all", number=3) for seed in range(40)]
    assert all(len(each) == 3 and seed not in each for seed, each in enumerate(some))
    assert len({tuple(each) for each in some}) > 30
