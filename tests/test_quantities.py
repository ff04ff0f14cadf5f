"""The list of quantities: it is what the summary holds, and what published numbers are of."""

import csv
from typing import Any

import pytest
from workflow import TINY

from latentdims import quantities
from latentdims.config import resolve
from latentdims.errors import InputError


def test_the_list_is_what_a_finished_run_holds(finished):
    settings = resolve(TINY)
    with (finished.folder / "results/summary.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name, network in settings["networks"].items():
        found = {(r["quantity"], r["layer"]) for r in rows if r["network"] == name and not r["at"]}
        expected = {
            (quantity, layer)
            for quantity, (layers, enough) in quantities.of_network(network, settings)
            for layer in layers or [""]
            if enough
        }
        assert found == expected
    assert all(quantities.unit(row["quantity"]) == row["unit"] for row in rows)


def test_what_is_not_on_the_list_has_no_unit():
    assert quantities.unit("test_loss") == "nats"
    assert quantities.unit("generated_loss_few_3_retrained_deviation_over_draws") == "nats"
    assert quantities.unit("eigenvalue_covariance_held_out_initial") == "activation^2"
    for name in ("test_lose", "similarity_train", "xtest_loss", "generated_accuracy2"):
        with pytest.raises(KeyError):
            quantities.unit(name)


def config(numbers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "datasets": {"mine": {"source": "imagefolder", "path": "x"}},
        "networks": {
            "flat": {"architecture": "mlp", "widths": [8, 6, 4]},
            "net": {"architecture": "cnn", "channels": [4, 6], "kernel_size": 3},
        },
        "seeds": 3,
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
    "name",
    [
        "test_loss",
        "train_accuracy",
        "similarity_train_uncentred_shuffled/classifier",
        "variance_explained_by_mean_test_centred_initial/layer2",
        "rank_within_1_point_activation/layer2",
        "rank_within_1_point_weight/classifier",
        "generated_accuracy_flattened_deviation_over_draws",
        "generated_retention_few_3",
        "generated_loss_one_retrained",
        "generated_similarity_one/layer1",
        "power_law_exponent_range_covariance/layer1",
    ],
)
def test_published_numbers_of_what_is_measured_stay(name):
    given = {"mine": {"net": {name: [50.0, 41.5]}}}
    assert resolve(config(given["mine"]["net"]))["published"] == given


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"test_acuracy": [50]}, r"published\.mine\.net\.test_acuracy: .*mean 'test_accuracy'"),
        ({"accuracy_of_mine_zzz": [50]}, r"no such quantity; "),
        ({"generated_accuracy_fewer_3": [50]}, "did you mean 'generated_accuracy_few_3'"),
        ({"rank_within_1_point_random/layer1": [5]}, "mean 'rank_within_1_point_"),
        ({"test_loss/layer1": [5]}, "test_loss/layer1: is not of a layer; write test_loss"),
        (
            {"effective_rank_covariance": [5]},
            "is of a layer; write effective_rank_covariance/layer1",
        ),
        ({"effective_rank_covariance/layr2": [5]}, "no such layer; did you mean 'layer2'"),
        (
            {"generated_similarity/classifier": [0.5]},
            "classifier: no such layer; did you mean .layer",
        ),
        ({"test_loss": []}, r"published\.mine\.net\.test_loss: holds no number"),
        ({"test_loss": [1, float("nan")]}, "test_loss.1: found nan, expected a finite number"),
        ({"test_loss": ["inf"]}, "test_loss.0: found inf, expected a finite number"),
        ({"test_loss": ["much"]}, "expected a number"),
    ],
)
def test_published_numbers_of_anything_else_are_refused(numbers, message):
    with pytest.raises(InputError, match=message):
        resolve(config(numbers))


def test_published_names_are_those_of_the_configuration():
    with pytest.raises(InputError, match=r"published\.mne: no such data set; did you mean 'mine'"):
        resolve(config({}, published={"mne": {"net": {"test_loss": [1]}}}))
    with pytest.raises(InputError, match=r"published\.mine\.nt: no such network; .* 'net'"):
        resolve(config({}, published={"mine": {"nt": {"test_loss": [1]}}}))
    flat = {"mine": {"flat": {"generated_accuracy_flattened": [1]}}}  # nothing to be flattened
    with pytest.raises(InputError, match=r"no such quantity; did you mean"):
        resolve(config({}, published=flat))


def test_numbers_that_a_smaller_run_does_not_reach_are_left_out():
    """So that a configuration can be tried with fewer seeds and draws."""
    numbers = {
        "test_loss": [2.0],
        "similarity_train_uncentred_trained/layer1": [0.9],
        "generated_accuracy_deviation_over_draws": [1.0],
        "variance_explained_by_mean_test_centred_trained/layer1": [0.5],
    }

    def left(**changes):
        return set(numbers) - set(resolve(config(numbers, **changes))["published"]["mine"]["net"])

    similarity, mean = [name for name in numbers if "/" in name]
    assert left() == set()
    assert left(seeds=2) == left(alignment={"pairs": "first"}) == {mean}
    assert left(seeds=1) == {mean, similarity}
    assert left(generation={"draws": 1}) == {"generated_accuracy_deviation_over_draws"}
