"""The list of quantities: it is what the summary holds, and what published numbers are of."""

import csv
from typing import Any

import numpy as np
import pytest
from workflow import TINY

from latentdims.configuration.config import resolve
from latentdims.errors import InputError
from latentdims.results import quantities


def test_the_list_is_what_a_finished_run_holds(finished):
    settings = resolve(TINY)
    columns = ("quantity", "layer", "split", "centring", "null")
    with (finished.folder / "results/summary.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, network in settings["networks"].items():
        of = [r for r in rows if r["network"] == name and not r["at"] + r["seed"]]
        found = {tuple(row[column] for column in columns) for row in of}
        known = quantities.of_network(network, settings)
        expected = {
            (n.quantity, n.layer, n.split, n.centring, n.null)
            for n, enough in known.items()
            if enough
        }
        assert found == expected
    assert all(quantities.unit(row["quantity"]) == row["unit"] for row in rows)


def test_what_is_not_on_the_list_has_no_unit():
    assert quantities.unit("loss") == quantities.unit("loss_of_one_run") == "nats"
    assert quantities.unit("generated_loss_few_3_retrained_deviation_over_draws") == "nats"
    assert quantities.unit("eigenvalue") == "activation^2"
    assert quantities.unit("learned_components_bulk") == "1"
    for name in ("lose", "similarity_train", "xloss", "generated_accuracy2", "bulk"):
        with pytest.raises(KeyError):
            quantities.unit(name)


def test_every_quantity_has_a_range():
    assert quantities.within("loss") == quantities.within("loss_of_one_run") == (0, np.inf)
    assert quantities.within("generated_accuracy_few_3_retrained") == (0, 100)
    assert quantities.within("generated_accuracy_above_white_flattened") == (-100, 100)
    assert quantities.within("generated_accuracy_few_deviation_over_draws") == (0, np.inf)
    assert quantities.within("variance_explained_above_untrained") == (-2, 2)
    assert quantities.within("cka") == (0, 1) and quantities.within("cca") == (0, 1)
    assert quantities.within("effective_rank", neurons=7) == (1, 7)
    assert quantities.within("retention_above_chance") is None
    with pytest.raises(KeyError):
        quantities.within("lose")


def config(numbers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "datasets": {"mine": {"source": "imagefolder", "path": "x"}},
        "networks": {
            "flat": {"architecture": "mlp", "widths": [8, 6, 4]},
            "net": {"architecture": "cnn", "channels": [4, 6], "kernel_size": 3},
        },
        "seeds": 3,
        "training": {"epochs": 4},
        "clipping": {"bases": ["activation", "weight"]},
        "generation": {
            "draws": 4,
            "classifiers": ["flattened"],
            "variants": {
                "few": {"rank": [1, 3]},
                "one": {"draws": 1, "classifiers": ["retrained"]},
            },
        },
        "published": {"mine": {"net": numbers}},
        **changes,
    }


@pytest.mark.parametrize(
    ("name", "columns", "chosen"),
    [
        ("loss", {"split": "test"}, ("loss", "", "test", "", None, "")),
        ("accuracy", {"split": "train", "epoch": 4}, ("accuracy", "", "train", "", 4.0, "")),
        (
            "similarity/classifier",
            {"split": "train", "centring": "uncentred", "null": "unrelated", "epoch": 0},
            ("similarity", "classifier", "train", "uncentred", 0.0, "unrelated"),
        ),
        (
            "cka/layer2",
            {"split": "test", "null": "untrained"},
            ("cka", "layer2", "test", "centred", None, "untrained"),
        ),
        (
            "rank_within_1_point_weight/classifier",
            {},
            ("rank_within_1_point_weight", "classifier", "test", "", None, ""),
        ),
        (
            "generated_accuracy_flattened",
            {"null": "white"},
            ("generated_accuracy_flattened", "", "test", "", None, "white"),
        ),
        (
            "retention_above_white_flattened",
            {},
            ("retention_above_white_flattened", "", "test", "", None, ""),
        ),
        (
            "generated_loss_one_retrained",
            {},
            ("generated_loss_one_retrained", "", "test", "", None, ""),
        ),
        (
            "power_law_exponent/layer1",
            {"centring": "centred"},
            ("power_law_exponent", "layer1", "train", "centred", None, ""),
        ),
    ],
)
def test_published_numbers_are_named_by_columns(name, columns, chosen):
    expected = dict(zip(quantities.Name._fields, chosen, strict=True))
    forms = [{**columns, "values": [50.0, 41.5]}, [{**columns, "values": [50.0, 41.5]}]]
    forms += [] if columns else [[50.0, 41.5]]
    for given in forms:
        (entry,) = resolve(config({name: given}))["published"]["mine"]["net"]
        assert entry == {**expected, "values": [50.0, 41.5]}


def test_several_numbers_of_one_quantity():
    given = [{"split": "train", "values": 71}, {"split": "test", "values": [61, 62]}]
    found = resolve(config({"accuracy": given}))["published"]["mine"]["net"]
    assert [(each["split"], each["values"]) for each in found] == [
        ("train", [71.0]),
        ("test", [61.0, 62.0]),
    ]


TEST = {"split": "test", "values": [50]}


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"acuracy": [50]}, r"published\.mine\.net\.acuracy: no such .*mean 'accuracy'"),
        ({"accuracy_of_mine_zzz": [50]}, r"no such quantity; "),
        ({"accuracy": [50]}, r"accuracy: give its split, one of train, test"),
        ({"similarity/layer1": TEST}, r"give its centring, one of uncentred, centred"),
        ({"accuracy": {**TEST, "split": "tset"}}, r"accuracy\.split: not 'tset'; .*mean 'test'"),
        ({"accuracy": {**TEST, "null": "white"}}, r"accuracy\.null: not 'white'"),
        ({"accuracy": {**TEST, "epoch": 3}}, r"accuracy\.epoch: found 3, expected 4"),
        ({"accuracy": {**TEST, "epok": 4}}, r"accuracy\.epok: no such column; .*mean 'epoch'"),
        ({"accuracy": [TEST, 50]}, "50 stands beside columns"),
        ({"generated_accuracy_fewer_3": [50]}, "did you mean 'generated_accuracy_few_3'"),
        ({"rank_within_1_point_random/layer1": [5]}, "mean 'rank_within_1_point_"),
        ({"loss/layer1": TEST}, "loss/layer1: this quantity has no layer; write loss"),
        ({"effective_rank": [5]}, "this quantity has a layer; write effective_rank/layer1"),
        ({"effective_rank/layr2": [5]}, "no such layer; did you mean 'layer2'"),
        ({"generated_similarity/classifier": [0.5]}, "no such layer; did you mean .layer"),
        ({"loss": []}, r"published\.mine\.net\.loss: has no number"),
        ({"loss": {"split": "test"}}, "loss: has no number"),
        ({"loss": {"split": "test", "values": [1, float("nan")]}}, "expected a finite number"),
        ({"loss": {"split": "test", "values": ["much"]}}, "found 'much', expected a number"),
    ],
)
def test_published_numbers_of_anything_else_are_refused(numbers, message):
    with pytest.raises(InputError, match=message):
        resolve(config(numbers))


def test_published_names_are_those_of_the_configuration():
    loss = {"loss": TEST}
    with pytest.raises(InputError, match=r"published\.mne: no such data set; did you mean 'mine'"):
        resolve(config({}, published={"mne": {"net": loss}}))
    with pytest.raises(InputError, match=r"published\.mine\.nt: no such network; .* 'net'"):
        resolve(config({}, published={"mine": {"nt": loss}}))
    flat = {"mine": {"flat": {"generated_accuracy_flattened": [1]}}}  # nothing to be flattened
    with pytest.raises(InputError, match=r"no such quantity; did you mean"):
        resolve(config({}, published=flat))


def test_numbers_that_a_smaller_run_does_not_reach_are_left_out():
    """So that a configuration can be tried with fewer seeds and draws."""
    numbers = {
        "loss": TEST,
        "similarity/layer1": {**TEST, "centring": "centred"},
        "generated_accuracy_deviation_over_draws": [1.0],
        "variance_explained_by_mean/layer1": TEST,
    }

    def left(**changes):
        found = resolve(config(numbers, **changes))["published"]["mine"]["net"]
        return {name.partition("/")[0] for name in numbers} - {each["quantity"] for each in found}

    similarity, mean = "similarity", "variance_explained_by_mean"
    assert left() == set()
    assert left(seeds=2) == left(alignment={"pairs": "first"}) == {mean}
    assert left(alignment={"partners": 1}) == {mean}
    assert left(seeds=1) == {mean, similarity}
    assert left(generation={"draws": 1}) == {"generated_accuracy_deviation_over_draws"}


def test_white_draws_are_beside_the_published_procedure_alone():
    settings = resolve(config({}))
    known = quantities.of_network(settings["networks"]["net"], settings)
    scores = ("accuracy", "loss", "calibration_error")
    numbers = [f"generated_{each}{way}" for each in scores for way in ("", "_flattened")]
    numbers.append("generated_similarity")
    deviations = [f"{name}_deviation_over_draws" for name in numbers]
    assert {n.quantity for n in known if n.null == "white"} == {*numbers, *deviations}


def test_a_deviation_over_draws_needs_two_of_them():
    settings = resolve(config({}))
    known = quantities.of_network(settings["networks"]["net"], settings)
    scores = ("accuracy", "loss", "calibration_error")
    single = [f"{each}_one{way}" for each in scores for way in ("", "_retrained")]
    assert {name.quantity for name, enough in known.items() if not enough} == {
        f"generated_{each}_deviation_over_draws" for each in (*single, "similarity_one")
    }
