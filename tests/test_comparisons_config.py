"""Comparisons in a configuration: what members stand for, and what is refused."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from latentdims.configuration.config import resolve
from latentdims.errors import InputError
from latentdims.figures import catalogue
from latentdims.images import datasets

PAGE = (Path(__file__).parents[1] / "docs" / "comparing.md").read_text(encoding="utf-8")
(EXAMPLE,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))


def configured(**keys) -> dict:
    """The page's example with one comparison of these keys, resolved."""
    given = {**copy.deepcopy(EXAMPLE), "comparisons": {"one": keys}}
    seeds = keys.pop("seeds", None)
    return resolve({**given, "seeds": seeds} if seeds else given)


def test_members_of_several_widths_are_networks_like_any_other():
    found = resolve(EXAMPLE)
    channels = {name: found["networks"][name].get("channels") for name in found["networks"]}
    assert channels == {"cnn": [16, 32], "cnn_x0p5": [8, 16], "cnn_x2": [32, 64], "mlp": None}
    assert [["shapes", name] for name in ("cnn", "cnn_x0p5", "cnn_x2", "mlp")] == [
        run for run in found["runs"] if run[0] == "shapes"
    ]
    widths = found["comparisons"]["widths"]
    assert widths["reference"] == "shapes/cnn_x2"
    assert [(pair["partner"], pair["own"]) for pair in widths["pairs"]] == [
        ("shapes/cnn_x2", "shapes/cnn_x0p5"),
        ("shapes/cnn_x2", "shapes/cnn"),
    ]
    assert all(len(pair["seeds"]) == 9 for pair in widths["pairs"])  # each with each


@pytest.mark.parametrize(
    ("network", "widths", "found"),
    [
        ({"architecture": "resnet", "depth": 8}, [3], {"width": 3.0}),
        ({"architecture": "scattering", "scales": 3, "width": 0.5}, [0.5], {"width": 0.25}),
        ({"architecture": "mlp", "widths": [5, 3]}, [0.5], {"widths": [2, 2]}),
    ],
)
def test_what_a_width_changes(network, widths, found):
    given = {**copy.deepcopy(EXAMPLE), "networks": {"one": network}, "comparisons": {}}
    members = [{"network": "one", "widths": [1, *widths]}]
    given["comparisons"]["c"] = {"members": members, "images": "shapes"}
    (name,) = set(resolve(given)["networks"]) - {"one"}
    assert {key: resolve(given)["networks"][name][key] for key in found} == found


def test_all_pairs_of_other_data_and_epochs():
    found = resolve(EXAMPLE)["comparisons"]["data"]
    pairs = [(pair["partner"], pair["own"]) for pair in found["pairs"]]
    assert pairs == [
        ("shapes/mlp", "more/mlp"),
        ("shapes/mlp@0", "shapes/mlp"),  # which has an untrained network of its own
        ("shapes/mlp@0", "more/mlp"),
        *((name, name) for name in ("shapes/mlp", "more/mlp", "shapes/mlp@0")),
    ]
    # Networks of one seed began with the same weights.
    others = [[1, 0], [2, 0], [0, 1], [2, 1], [0, 2], [1, 2]]
    assert [pair["seeds"] for pair in found["pairs"][:3]] == [others] * 3
    assert found["pairs"][3]["seeds"] == [[0, 1], [0, 2], [1, 2]]
    assert found["members"]["shapes/mlp@0"]["epoch"] == 0


def test_a_map_goes_from_the_reference_to_the_others():
    members = ["cnn", "shapes/mlp"]
    for reference, match in (
        ("cnn", {"layer2": "layer1"}),
        ("shapes/mlp", {"layer1": "layer2"}),
    ):
        one = configured(
            members=members,
            images="shapes",
            reference=reference,
            match=match,
            positions="average",
        )
        (pair,) = one["comparisons"]["one"]["pairs"]
        sites = {pair["partner"]: 0, pair["own"]: 1}
        ((_, layers),) = pair["matches"].items()
        assert layers[sites["shapes/cnn"]] == "layer2"
        assert layers[sites["shapes/mlp"]] == "layer1"


@pytest.mark.parametrize(
    ("alignment", "seeds"),
    [
        ({"pairs": "first"}, [[0, 0], [0, 1], [0, 2]]),
        ({"partners": 1}, None),
    ],
)
def test_some_pairs_are_compared_where_alignment_asks_for_some(alignment, seeds):
    (pair, _) = resolve({**copy.deepcopy(EXAMPLE), "alignment": alignment})["comparisons"][
        "widths"
    ]["pairs"]
    assert [own for _, own in pair["seeds"]] == [0, 1, 2]
    assert seeds is None or pair["seeds"] == seeds


def test_figures_of_a_comparison():
    found = resolve(EXAMPLE)
    figures = {
        name: catalogue.of_comparison(each, found["networks"])
        for name, each in found["comparisons"].items()
    }
    expected = {"data": ["pairs"], "families": ["layers"], "widths": ["pairs", "widths"]}
    assert figures == expected


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"members": ["cnn"]}, r"images: missing key; name one of more, shapes"),
        ({"members": ["cnn"], "images": "shapse"}, r"images: no data set 'shapse'; .*shapes"),
        ({"members": ["cnn"], "images": "shapes"}, r"members: found a single one.* within: true"),
        ({"members": ["cnn", "cnn"], "images": "shapes"}, r"members: shapes/cnn is listed twice"),
        ({"members": ["cnn", "mpl"], "images": "shapes"}, r"members: no network 'mpl'; .*mlp"),
        ({"members": ["more/cnn", "mlp"], "images": "more"}, r"members: cnn is not run .* 'more'"),
        ({"members": ["a b", "mlp"], "images": "more"}, r"members: found 'a b', expected NETWORK"),
        (
            {"members": ["cnn", "shapes/mlp"], "images": "shapes", "match": {"layer2": "layer1"}},
            r"match: layer2 of shapes/cnn has 25 positions .* layer1 of shapes/mlp has 1; set",
        ),
        (
            {"members": ["shapes/cnn@3", "shapes/mlp"], "images": "shapes", "reference": "cnn"},
            r"members: cnn is not kept at epoch 3, but at 0, .* training\.keep_epochs",
        ),
        (
            {"members": ["cnn", "shapes/mlp"], "images": "shapes", "reference": "more/mlp"},
            r"reference: more/mlp is not a member; .*shapes/mlp",
        ),
        (
            {"members": ["cnn", "mlp"], "images": "shapes", "match": "layers"},
            r"match: unknown value 'layers'; .*order",
        ),
        (
            {"members": ["cnn", "mlp"], "images": "shapes", "match": {"layer9": "layer1"}},
            r"match: shapes/cnn has no layer 'layer9'; .*layer",
        ),
        (
            {"members": ["shapes/mlp", "more/mlp"], "images": "shapes", "seeds": 1},
            r"members: shapes/mlp and more/mlp have the same random start",
        ),
        ({"members": ["mlp"], "images": "shapes", "within": True, "seeds": 1}, r".* give more"),
        ({"members": [{"network": "cnn"}]}, r"members: found {'network': 'cnn'}, expected a name"),
        (
            {"members": [{"network": "cnn", "widths": [0.01]}], "images": "shapes"},
            r"members: network 'cnn', 0.01 times as wide, has channels \[0, 0\]; give more",
        ),
        (
            {"members": [{"network": "cnn", "widths": ["x"]}], "images": "shapes"},
            r"members: found the width 'x', expected a number above 0",
        ),
    ],
)
def test_what_is_refused(keys, words):
    with pytest.raises(InputError, match=rf"^comparisons\.one\.{words}"):
        configured(**keys)


def test_members_that_see_other_sizes_are_refused(monkeypatch):
    """Height by width, of which one is enough to differ."""
    given = copy.deepcopy(EXAMPLE)
    for name, known in (("more", "MNIST"), ("shapes", "CIFAR10")):
        given["datasets"][name] = {"source": "torchvision", "name": known}
    given["comparisons"] = {"one": {"members": ["more/mlp", "cnn"], "images": "shapes"}}
    for own, shown in (((28, 26), (32, 30)), ((32, 26), (32, 30)), ((28, 30), (32, 30))):
        monkeypatch.setitem(datasets.SHAPES, "MNIST", ((1, *own), 10))
        monkeypatch.setitem(datasets.SHAPES, "CIFAR10", ((3, *shown), 10))
        words = (
            f"images: more/mlp sees {own[0]} x {own[1]} pixels, but images of shapes have "
            f"{shown[0]} x {shown[1]};"
        )
        with pytest.raises(InputError, match=words):
            resolve(given)
