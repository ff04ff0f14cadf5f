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
