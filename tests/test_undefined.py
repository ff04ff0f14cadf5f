"""Dead and constant layers: what is undefined is NaN, with its reason, and the rest is there."""

import csv

import h5py
import numpy as np
import pytest
import torch
from conftest import SHAPE, integer_images, integer_network
from test_alignment import moments_of
from test_generation import procedures

from latentdims import storage
from latentdims.comparison.alignment_file import DATASETS
from latentdims.comparison.measured import CENTRINGS, Measured, Weights
from latentdims.comparison.moments import Moments
from latentdims.comparison.pair import Options, compare, compare_weights, fit
from latentdims.comparison.passes import measure
from latentdims.comparison.procrustes import rotation, similarity
from latentdims.comparison.views import NetworkView
from latentdims.interventions.sampling import Procedure, Reference, Sampler
from latentdims.models import outputs
from latentdims.statistics import intervals
from latentdims.statistics.learned import bulk_variance, count_learned
from latentdims.statistics.spectra import (
    effective_rank,
    identified,
    participation_ratio,
    power_law,
    power_law_range,
)
from latentdims.steps import (
    alignment,
    clipping,
    consensus,
    covariance,
    generation,
    summary,
    training,
)
from latentdims.storage import SPLITS

SEEDS, DEAD = 3, 1  # networks, and the one whose layer2 dies in training
REASON = "layer2 of seed 1 is dead: zero on every training image"


@pytest.fixture(params=["mlp", "cnn"])
def files(request, images, tmp_path, settings):
    """All files of three networks, by kind, for the summary."""
    paths = {kind: [tmp_path / f"{kind}{s}.h5" for s in range(SEEDS)] for kind in summary.KINDS}
    moments = [tmp_path / f"covariance{seed}.h5" for seed in range(SEEDS)]
    made = [settings(request.param, seed=seed) for seed in range(SEEDS)]
    for seed, network in enumerate(paths["network"]):
        training.train(images=images, output=network, settings=made[seed], device="cpu")
    with h5py.File(paths["network"][DEAD], "r+") as file:
        file["weights/layer2"][-1] = -np.abs(file["weights/layer2"][-1])  # inputs are not negative
    for seed, network in enumerate(paths["network"]):
        shared = {"settings": made[seed]}
        earlier = range(seed)
        covariance.covariance(
            images=images,
            network=network,
            partners={other: paths["network"][other] for other in earlier},
            output=moments[seed],
            device="cpu",
            **shared,
        )
        alignment.align(
            images=images,
            network=network,
            networks={other: paths["network"][other] for other in earlier},
            device="cpu",
            covariance=moments[seed],
            partners={other: moments[other] for other in earlier},
            output=paths["alignment"][seed],
            vectors=3,
            **shared,
        )
        clipping.clip(
            images=images,
            network=network,
            covariance=moments[seed],
            output=paths["clipping"][seed],
            bases=["activation", "activation_centred", "weight", "random"],
            ranks="all",
            device="cpu",
            **shared,
        )
        generation.generate(
            images=images,
            network=network,
            others={other: paths["network"][other] for other in range(SEEDS) if other != seed},
            output=paths["generation"][seed],
            procedures=procedures(variants={"mean": {"covariances": "averaged", "draws": 2}}),
            device="cpu",
            **shared,
        )
    consensus.consensus(
        covariances=moments,
        output=tmp_path / "consensus.h5",
        settings={key: made[0][key] for key in made[0] if key != "seed"},
    )
    return {kind: list(map(str, each)) for kind, each in paths.items()} | {
        "consensus": [str(tmp_path / "consensus.h5")]
    }


def test_a_dead_layer_leaves_its_own_numbers_empty_and_no_others(files, tmp_path, caplog):
    with h5py.File(files["alignment"][2]) as file:
        dead, alive = file["seed1/layer2"], file["seed0/layer2"]
        initial, trained = dead["similarity"][()]
        assert np.isfinite(initial).all()
        assert np.isnan(trained).all()
        assert dead["similarity"].attrs["reason"] == REASON
        assert np.isnan(dead["activation_subspace"][1]).all()
        for name in ("similarity_null", "similarity_folds", "activation_subspace_null"):
            assert np.isfinite(dead[name][:, 0]).all()
            assert np.isnan(dead[name][:, 1]).all()
            assert dead[name].attrs["reason"] == REASON
        for name in ("cka", "cca"):
            assert np.isnan(dead[name]).tolist() == [[False] * 2, [True] * 2]
            assert dead[f"{name}_null"].attrs["reason"] == REASON
        assert file["seed1/classifier/weight_overlap_null"].attrs["reason"] == REASON
        assert file["seed1/classifier/weight_overlap"].attrs["reason"] == REASON  # reads layer2
        turn = dead["rotation"][1]
        np.testing.assert_allclose(turn @ turn.T, np.eye(len(turn)), atol=1e-9)
        for group in (alive, file["seed1/layer1"]):
            assert all("reason" not in group[name].attrs for name in DATASETS if name in group)
    with h5py.File(files["generation"][DEAD]) as file:
        assert file["similarity/layer2"].attrs["reason"] == REASON
        assert "reason" not in file["similarity/layer1"].attrs
    with h5py.File(files["consensus"][0]) as file:
        assert np.isnan(file["layer2/similarity"][1]).sum() == len(SPLITS)  # of the dead one alone
        assert REASON in file["layer2/similarity"].attrs["reason"]
    with caplog.at_level("INFO"):
        rows = summarised(files, tmp_path)
    view = ("train", "uncentred")
    for name in (
        ("similarity", "layer2", *view, ""),
        ("similarity", "layer2", *view, "unrelated"),
        ("similarity_above_untrained", "layer2", *view, ""),
        ("cka", "layer2", "test", "centred", ""),
        ("participation_ratio", "layer2", "train", "centred", ""),
        ("generated_similarity", "layer2", *view, ""),
    ):
        assert rows[name] == ("", "", ""), name
    for name in (
        ("similarity", "layer2", *view, "untrained"),
        ("similarity", "layer1", *view, ""),
        ("similarity", "layer1", *view, "unrelated"),
        ("cka", "layer1", "test", "centred", ""),
        ("participation_ratio", "layer1", "train", "centred", ""),
        ("generated_accuracy", "", "test", "", ""),
        ("generated_similarity", "layer1", *view, ""),
    ):
        assert np.isfinite(list(map(float, rows[name]))).all(), name
    assert rows["rank_within_1_point_activation", "layer2", "test", "", ""][0]
    assert rows["identified_eigenvectors", "layer2", "train", "centred", ""][0]
    assert f"d, n: {REASON}" in caplog.text
    text = (tmp_path / "summary.md").read_text()
    told = [f"classifier of seed {DEAD} is dead: zero on every training image", REASON]
    assert "".join(f"- d, n: {reason}\n" for reason in told) in text
    assert "nan" not in text + (tmp_path / "summary.csv").read_text()


def summarised(files, tmp_path) -> dict[tuple[str, ...], tuple[str, str, str]]:
    """Value, low and high of the means of a summary, by quantity, layer, split, centring, null."""
    summary.summarise(
        inputs=files,
        runs=[("d", "n", seed) for seed in range(SEEDS)],
        networks=[("d", "n")],
        table=tmp_path / "summary.csv",
        comparison=tmp_path / "summary.md",
        published={},
    )
    with (tmp_path / "summary.csv").open() as file:
        return {
            tuple(row[column] for column in ("quantity", "layer", "split", "centring", "null")): (
                row["value"],
                row["low"],
                row["high"],
            )
            for row in csv.DictReader(file)
            if not row["at"] + row["seed"] and (row["null"], row["epoch"]) != ("unrelated", "0")
        }


def test_a_layer_that_is_zero_on_one_split_is_undefined_there():
    random = np.random.default_rng(0)
    phi, psi = random.standard_normal((2, 2, 50, 4)) + 1
    psi[SPLITS.index("test")] = 0
    partner, own, crosses = moments_of(phi, psi)
    found = fit(partner, own, crosses)[1]
    scores = np.array([found[split] for split in SPLITS])
    assert np.isnan(scores).tolist() == [[False, False], [True, True]]
    assert own.undefined("test", "centred") == "dead: zero on every test image"
    assert own.undefined("train", "centred") == ""


@pytest.mark.parametrize("size", [1, 1000])
def test_a_constant_layer_is_undefined_where_it_is_centred(size):
    """Also where rounding in float32 leaves a variance of its own."""
    random = np.random.default_rng(1)
    phi = random.standard_normal((2, 50, 4)) + 1
    noise = 1 + 1e-7 * random.standard_normal((2, 50, 4))
    psi = size * noise * [3.0, 0.1, 7.0, 0.0]
    partner, own, crosses = moments_of(phi, psi)
    found = compare(partner, own, crosses, options=Options(CENTRINGS, 2))
    centred = CENTRINGS.index("centred")
    assert np.isnan(found["similarity"][:, centred]).all()
    assert np.isfinite(found["similarity"][:, 1 - centred]).all()
    assert own.undefined("train", "centred") == "constant: the same on every training image"
    assert not own.eigen("centred")[0].any()
    assert np.isfinite(found["activation_overlap"]).all()  # of second moments


def test_a_layer_that_is_the_same_at_each_position_is_named_so():
    """Constant there, but not over positions together; the other way round it varies."""
    middle, around = np.array([2.0, -1.0]), np.array([[3.0, 1.0, 2.0], [-1.0, 1.0, -3.0]])
    between = (around - middle[:, None]) @ (around - middle[:, None]).T / 3
    means, positions = dict.fromkeys(SPLITS, middle), dict.fromkeys(SPLITS, around)
    own = Measured(means, dict.fromkeys(SPLITS, between), positions)
    words = "constant: the same at each position on every test image"
    assert own.undefined("test", "position") == words
    assert own.undefined("test", "centred") == own.undefined("test", "uncentred") == ""
    varied = Measured(means, dict.fromkeys(SPLITS, between * 1.5), positions)
    assert varied.undefined("test", "position") == ""


def test_layers_without_weights_share_no_eigenvectors():
    maps = Weights(np.eye(4)), Weights(np.zeros((4, 4)))
    for both in (maps, maps[::-1]):
        found = compare_weights(*both, below=None, vectors=2)
        assert np.isnan(found["weight_subspace"]).all()


def test_a_convolution_of_equal_images_is_constant():
    """The moments of a real pass, in float32."""
    network = integer_network("mlp", seed=3)
    weights = {name: weight / 7 for name, weight in network.weights.items()}
    network = network.replaced(weights)
    images = integer_images(1, seed=4).expand(300, *SHAPE) / 3
    moments = Moments.total(
        measure({"1": [NetworkView(network, images)]}).folds("1/classifier/own")
    )
    mean, variance = (x.numpy() for x in (moments.mean_y, moments.covariance))
    own = Measured(dict.fromkeys(SPLITS, mean), dict.fromkeys(SPLITS, variance))
    assert own.undefined("train", "centred") == "constant: the same on every training image"
    assert own.undefined("train", "uncentred") == ""


def test_of_nothing_the_rotation_is_the_identity_and_the_cosine_undefined():
    np.testing.assert_array_equal(rotation(np.zeros((3, 5))), np.eye(3, 5))
    assert np.isnan(similarity(np.zeros((3, 3)), np.eye(3), power=0, partner_power=2))


def test_spectra_of_zeros():
    zeros = np.zeros(40)
    assert np.isnan(
        [participation_ratio(zeros), effective_rank(zeros), power_law_range(zeros)]
    ).all()
    assert not identified(zeros, np.eye(40), np.zeros((8, 40, 40))).any()
    assert np.isnan(power_law(zeros).exponent)


def test_the_range_of_exponents_has_no_zeros_in_its_windows():
    law = np.arange(1, 101) ** -1.5
    bent = law * np.where(np.arange(100) < 50, 1, 0.5)
    padded = np.concatenate([bent, np.zeros(300)])
    assert power_law_range(padded) == power_law_range(bent) > 0.01


def test_without_a_bulk_there_is_none_to_compare_with():
    random = np.random.default_rng(5)
    shape = {"dimension": 80, "neurons": 40}
    weight = random.standard_normal((40, 80)) / 80**0.5
    weight[: 40 // 2 + 1] = 0  # more than half of the neurons
    values = np.linalg.svd(weight, compute_uv=False) ** 2 / 40
    assert np.isnan(bulk_variance(values, **shape))
    counts = count_learned(values, initial=values, **shape)
    assert np.isnan(counts.pop("bulk"))
    assert np.isfinite(list(counts.values())).all()


def test_outputs_that_are_not_finite_have_no_score():
    for wrong in (np.nan, np.inf):
        logits = torch.tensor([[1.0, wrong], [0.5, 0.25]])
        found = outputs.score(logits, torch.tensor([0, 1]))
        assert set(found) == {"accuracy", "loss", "calibration_error"}
        assert np.isnan(list(found.values())).all()


def test_networks_are_drawn_from_weights_that_are_zero():
    network = integer_network("cnn", seed=0)
    weights = {**network.weights, "layer1": torch.zeros_like(network.weights["layer1"])}
    reference = Reference.of(network.replaced(weights), integer_images(20, seed=1))
    draw = Sampler.of(reference, Procedure()).draw(seed=0, number=0)
    assert np.isnan(list(draw.similarity.values())).all()
    assert all(weight.isfinite().all() for weight in draw.network.weights.values())


@pytest.mark.parametrize("seeds", [2, 4])
def test_a_mean_of_which_one_is_undefined_is_undefined(seeds):
    values = [float(seed) for seed in range(seeds - 1)] + [np.nan]
    estimate = intervals.over_networks(values)
    assert np.isnan(estimate.value)
    assert estimate.n == seeds


def test_a_loss_that_is_not_finite_after_the_last_step_is_an_error(images, tmp_path, settings):
    made = settings("mlp", epochs=1, batch_size=60, learning_rate=1e38)
    with pytest.raises(
        storage.InputError, match=r"learning_rate: .* of seed 0 is .*; give a small"
    ):
        training.train(images=images, output=tmp_path / "n.h5", settings=made, device="cpu")
