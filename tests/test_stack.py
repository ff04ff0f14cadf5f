"""Networks trained together: each as it is alone."""

import math

import h5py
import numpy as np
import pytest
import torch
from conftest import NETWORKS, NORMS, SCATTERING, random_network, shape_for
from torch.nn import functional

from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.data import Split
from latentdims.models import networks, outputs
from latentdims.recipes.descent import Descent
from latentdims.recipes.stack import Stack
from latentdims.steps import training

NAMES = [*NETWORKS, *NORMS, *SCATTERING]
SEEDS = (0, 1, 4)
FLOAT32, FLOAT64 = torch.float32, torch.float64


def stack_of(name, seeds, *, dtype=FLOAT32):
    members = [random_network(name, seed=seed) for seed in seeds]
    for member in members:
        member.module.to(dtype)
    return Stack(members)


def distance(some, others):
    """Largest difference of a weight."""
    pairs = [(some[name].double(), others[name].double()) for name in some]
    return max((one - other).abs().max().item() for one, other in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_each_ends_where_it_ends_alone(name, images_for, settings):
    """Rounding takes a training in float32 as far from the exact one as from that in float64. Two
    that sum in other orders are at most twice that apart; in float64, by as much less as it is
    finer."""
    made = settings(name)
    split = data.load(images_for(name), preprocessing=made["preprocessing"], device="cpu").train

    def trained(seeds, dtype):
        stack = stack_of(name, seeds, dtype=dtype)
        descent = Descent(stack, made["training"], seeds=seeds)
        for _ in descent.steps(Split(split.images.to(dtype), split.labels)):
            pass
        return stack.tensors

    alone = {}
    for dtype in (FLOAT32, FLOAT64):
        each = [trained([seed], dtype) for seed in SEEDS]
        alone[dtype] = {key: torch.cat([weights[key] for weights in each]) for key in each[0]}
    rounding = distance(alone[FLOAT32], alone[FLOAT64])
    moved = distance(alone[FLOAT64], stack_of(name, SEEDS, dtype=FLOAT64).tensors)
    assert 0 < rounding < 1e-5 * moved
    finer = torch.finfo(FLOAT64).eps / torch.finfo(FLOAT32).eps
    assert distance(trained(SEEDS, FLOAT32), alone[FLOAT32]) <= 2 * rounding
    assert distance(trained(SEEDS, FLOAT64), alone[FLOAT64]) <= 2 * rounding * finer


@pytest.mark.parametrize("name", NAMES)
def test_each_has_the_file_that_it_has_alone(name, images_for, tmp_path, settings):
    kept = {"keep_epochs": [1], "keep_steps": "powers_of_two"}
    images, made = images_for(name), settings(name, epochs=3, **kept)
    shared = {key: made[key] for key in made if key != "seed"}
    outputs = {seed: tmp_path / f"{seed}.h5" for seed in SEEDS}
    training.train_together(images=images, outputs=outputs, settings=shared, device="cpu")
    # How near, is tested above; here that nothing is taken for another. The longest sum, that over
    # an image, is rounded as often as it has terms.
    tolerance = math.prod(shape_for(name)) * torch.finfo(FLOAT32).eps

    def compare(key, one):
        if isinstance(one, h5py.Dataset):
            other = alone[key]
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
            assert one.attrs.get("description") == other.attrs.get("description")
            np.testing.assert_allclose(one[()], other[()], rtol=tolerance, atol=tolerance)

    for seed, output in outputs.items():
        training.train(
            images=images, output=tmp_path / "alone", settings={**made, "seed": seed}, device="cpu"
        )
        with h5py.File(output) as together, h5py.File(tmp_path / "alone") as alone:
            assert dict(together.attrs) == dict(alone.attrs)
            assert set(together["weights"]) == set(alone["weights"])
            together.visititems(compare)
            for layer, weights in together["weights"].items():
                np.testing.assert_array_equal(weights[0], alone["weights"][layer][0])


def test_a_stack_shares_memory_with_its_networks_which_keep_their_channels_last():
    stack = stack_of("cnn", SEEDS)
    second = stack.network(1)
    assert second.weights["layer2"].is_contiguous(memory_format=torch.channels_last)
    stack.tensors["layer2.map.weight"][1] = 7
    assert (second.weights["layer2"] == 7).all()
    assert not (stack.network(0).weights["layer2"] == 7).any()


@pytest.mark.parametrize("name", NAMES)
def test_one_alone_is_a_network_to_the_bit(name, images_for, settings):
    stack = stack_of(name, [3])
    images, preprocessing = images_for(name), settings(name)["preprocessing"]
    split = data.load(images, preprocessing=preprocessing, device="cpu").test
    network = stack.network(0)
    network.module.train()  # a step is one of training, also for norms
    alone = functional.cross_entropy(network.logits(split.images), split.labels)
    network.module.eval()
    assert torch.equal(stack.losses(split.images[None], split.labels[None]), alone[None])
    assert torch.equal(stack.by_image(split), outputs.by_image(network, split)[None])


def test_the_seed_whose_loss_is_not_finite_is_named(images, tmp_path, settings, monkeypatch):
    initial = networks.initial

    def far_off(made, *, seed, **given):
        network = initial(made, seed=seed, **given)
        scale = 1e30 if seed == 4 else 1
        return network.replaced({name: w * scale for name, w in network.weights.items()})

    monkeypatch.setattr(networks, "initial", far_off)
    outputs = {seed: tmp_path / "out" / f"{seed}.h5" for seed in SEEDS}
    shared = {key: value for key, value in settings().items() if key != "seed"}
    with pytest.raises(InputError, match=r"the loss of seed 4 is \w+ at step 1 of epoch 1 with"):
        training.train_together(images=images, outputs=outputs, settings=shared, device="cpu")
    assert not (tmp_path / "out").exists()


def test_the_step_at_which_a_loss_is_no_longer_finite_is_named(
    images, tmp_path, settings, monkeypatch
):
    """Of the first seed for which that is so, in the second epoch of four steps."""
    taken = 0

    class Failing(Stack):
        def losses(self, inputs, labels, **options):
            nonlocal taken
            found = super().losses(inputs, labels, **options)
            if torch.is_grad_enabled():
                taken += 1
                wrong = [taken >= 8, taken >= 7]
                found = torch.where(torch.tensor(wrong), found + torch.nan, found)
            return found

    monkeypatch.setattr(training, "Stack", Failing)
    outputs = {seed: tmp_path / "out" / f"{seed}.h5" for seed in (4, 6)}
    shared = {key: value for key, value in settings().items() if key != "seed"}
    with pytest.raises(InputError, match="the loss of seed 6 is nan at step 3 of epoch 2 with"):
        training.train_together(images=images, outputs=outputs, settings=shared, device="cpu")
