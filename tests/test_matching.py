"""Which layers of two members are compared."""

import pytest

from latentdims.comparison.matching import matched, stage_beside
from latentdims.errors import InputError

NAMES = ("a/deep", "b/flat")
DEEP, FLAT = ["stem", "layer1", "out"], ["layer1", "out"]


def test_by_order_name_and_map():
    found = matched(DEEP[:2], FLAT, "order", names=NAMES)
    assert found == {"layer1~stem": ["stem", "layer1"], "out~layer1": ["layer1", "out"]}
    assert list(found) == ["layer1~stem", "out~layer1"]
    assert matched(DEEP, FLAT, "name", names=NAMES) == {
        "layer1": ["layer1", "layer1"],
        "out": ["out", "out"],
    }
    found = matched(DEEP, FLAT, {"stem": "layer1"}, names=NAMES)
    assert found == {"layer1~stem": ["stem", "layer1"]}


def test_every_layer_with_every_one():
    assert list(matched(DEEP, FLAT, "all", names=NAMES)) == [
        *("layer1~stem", "layer1", "layer1~out"),
        *("out~stem", "out~layer1", "out"),
    ]


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ("order", r"a/deep has 3 layers \(stem, layer1, out\), and b/flat has 2 \(layer1, out\)"),
        ({}, "the map names no layer"),
        ({"stme": "out"}, r"a/deep has no layer 'stme'; .*stem"),
        ({"stem": "layer2"}, r"b/flat has no layer 'layer2'; .*layer1"),
    ],
)
def test_what_cannot_be_matched_is_refused(match, words):
    with pytest.raises(InputError, match=f"^match: {words}"):
        matched(DEEP, FLAT, match, names=NAMES)


def test_names_that_none_shares_are_refused():
    with pytest.raises(InputError, match=r"^match: no layer of b/flat \(x\) .* a/deep \(stem, lay"):
        matched(DEEP, ["x"], "name", names=NAMES)


@pytest.mark.parametrize(
    ("stage", "own", "partner", "beside"), [(0, 2, 2, 0), (1, 2, 2, 1), (1, 2, 1, 0), (0, 1, 2, 1)]
)
def test_the_epoch_of_a_partner(stage, own, partner, beside):
    assert stage_beside(stage, own=own, partner=partner) == beside
