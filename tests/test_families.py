"""Families: what they build is what they describe, and what cannot be built is refused."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from latentdims.errors import InputError
from latentdims.models import blocks, families, networks


def test_the_tutorial_s_networks():
    mlp = {"architecture": "mlp", "widths": [512, 256]}
    found = families.described(mlp, image_shape=(1, 32, 32), classes=10)
    assert found.names == ["layer1", "layer2", "classifier"]
    assert [each.shape for each in found.weights] == [(512, 1, 1024), (256, 512, 1), (10, 256, 1)]
    cnn = {"architecture": "cnn", "channels": [32, 64], "kernel_size": 5, "stride": 2}
    found = families.described(cnn, image_shape=(1, 32, 32), classes=10)
    assert [each.shape for each in found.weights] == [(32, 1, 25), (64, 32, 25), (10, 64, 25)]
    assert [site.shape for site in found.sites] == [(32, 14, 14), (64, 5, 5), (10,)]


NETWORKS = [
    {"architecture": "mlp", "widths": [7, 5]},
    {"architecture": "mlp", "widths": [7], "bias": True, "nonlinearity": "tanh"},
    {"architecture": "mlp", "widths": [7, 4], "norm": "batch", "affine": True},
    {"architecture": "cnn", "channels": [4], "kernel_size": 3, "padding": 2, "pooling": "max"},
    {
        **{"architecture": "cnn", "channels": [4, 3], "kernel_size": 3, "stride": 1},
        **{"padding": 1, "norm": "batch", "norm_place": "after", "pooling": "average"},
    },
    {"architecture": "scattering", "scales": 3, "width": 0.05},
    {"architecture": "scattering", "scales": 3, "width": 0.05, "skip": False, "last": 7},
    {"architecture": "scattering", "scales": 7, "width": 0.02, "norm": False},
    {"architecture": "resnet", "depth": 8, "width": 0.2},
    {"architecture": "resnet", "depth": 14, "width": 0.1, "affine": False},
    *(
        {"architecture": "cnn", "channels": [2, 3], "kernel_size": 3, "stride": stride}
        for stride in (1, 2, 3)
    ),
]


SIZES = {"scattering": [(32, 32), (48, 48)]}
SIZED = [
    (settings, size)
    for settings in NETWORKS
    for size in SIZES.get(settings["architecture"], [(9, 14), (17, 12)])
]


@pytest.mark.parametrize(("settings", "size"), SIZED, ids=str)
def test_a_module_is_what_its_family_says(settings, size):
    """Shapes at sites and of weights, and a way on from each site."""
    network = networks.initial(settings, image_shape=(3, *size), classes=5, seed=1)
    images = torch.randn(2, 3, *size)
    found = dict(network.representations(images))
    assert list(found) == list(network.architecture.sites)
    logits = network.logits(images)
    for site, representation in found.items():
        assert representation.shape == (2, *site.shape)
        if network.blocks:
            assert torch.equal(network.logits(representation, after=site.name), logits)
    for weight in network.architecture.weights:
        tensor = network.weights[weight.name]
        assert (len(tensor), tensor[0].numel()) == (weight.neurons, weight.fan_in)


@pytest.mark.parametrize(("settings", "size"), SIZED, ids=str)
def test_a_chain_is_what_runs_block_by_block(settings, size):
    network = networks.initial(settings, image_shape=(3, *size), classes=5, seed=1)
    assert network.architecture.is_chain == bool(network.blocks)
    assert network.architecture.is_chain == (settings["architecture"] != "resnet")


CHAINS = [each for each in SIZED if each[0]["architecture"] != "resnet"]


@pytest.mark.parametrize(("settings", "size"), CHAINS, ids=str)
def test_a_rotation_of_channels_passes_through_to_the_weights_that_read_them(settings, size):
    network = networks.initial(settings, image_shape=(3, *size), classes=5, seed=1)
    images = torch.randn(4, 3, *size)
    sites = network.architecture.sites
    found = dict(network.representations(images))
    for site, following in pairwise(sites):
        turn = torch.linalg.qr(torch.randn(site.channels, site.channels))[0]
        block = network.blocks[following.name]
        weight = network.weights[following.name]
        by_channel = weight.reshape(len(weight), site.channels, -1)
        turned = torch.einsum("ocp,cd->odp", by_channel, turn).reshape(weight.shape)
        rotated = torch.einsum("nc...,cd->nd...", found[site], turn)
        expected = block.preactivation(found[site], weight)  # both without biases
        difference = (block.preactivation(rotated, turned) - expected).abs().max()
        assert difference < 1e-5 * expected.abs().max()  # sums of some hundred float32


@pytest.mark.parametrize(("settings", "size"), CHAINS, ids=str)
def test_columns_hold_what_neurons_read_at_each_place(settings, size):
    network = networks.initial(settings, image_shape=(3, *size), classes=5, seed=1)
    x = torch.randn(4, 3, *size)
    for block in network.blocks.values():
        seen, weight = block.before(x), block.map.weight
        expected = block.map.applied(seen, weight)
        assert block.map.output_size(seen) == expected.shape[2:]
        made = weight.flatten(1) @ block.map.columns(seen)  # (neurons, images · positions)
        difference = made - expected.movedim(1, 0).flatten(1)
        assert difference.abs().max() < 1e-5 * expected.abs().max()
        x = block(x)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "mpl", "widths": [3]}, "architecture: unknown 'mpl'; did you mean 'mlp'"),
        ({"architecture": "mlp", "width": [3]}, "width: unknown key .* did you mean 'widths'"),
        ({"architecture": "mlp"}, "widths: missing key"),
        ({"architecture": "mlp", "widths": []}, r"widths: \[\] is not a list"),
        ({"architecture": "mlp", "widths": [3, 0]}, r"widths: \[3, 0\] is not a list"),
        ({"architecture": "cnn", "channels": [3], "stride": "2"}, "stride: '2' is not a whole"),
        ({"architecture": "cnn", "channels": [3], "padding": -1}, "padding: -1 is not .* above -1"),
        ({"architecture": "mlp", "widths": [3], "bias": 1}, "bias: 1 is neither true nor false"),
        ({"architecture": "mlp", "widths": [3], "norm": "bach"}, "norm: .*'bach'; .* 'batch'"),
        ({"architecture": "mlp", "widths": [3], "padding": 1}, "padding: unknown key"),
        ({"architecture": "scattering"}, "scales: missing key"),
        ({"architecture": "scattering", "scales": 3, "width": 0}, "width: 0 is not a number above"),
        ({"architecture": "scattering", "scales": 3, "last": 0}, "last: 0 is not a whole number"),
        ({"architecture": "resnet"}, "depth: missing key"),
        ({"architecture": "resnet", "depth": 20, "widths": [3]}, "widths: unknown key .*'width'"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        families.of(settings)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_keys_against_pytorch_s_own_modules(family, place):
    """Trained and evaluated, with every key, from the same tensors."""
    keys = {"bias": True, "norm": "batch", "norm_place": place, "affine": True}
    keys["nonlinearity"] = "gelu"
    if family == "mlp":
        settings = {"architecture": "mlp", "widths": [9], **keys}
        norm, last = nn.BatchNorm1d(9), nn.Linear(9, 5)
        first = [nn.Flatten(), nn.Linear(3 * 12 * 10, 9)]
        pool = []
    else:
        settings = {"architecture": "cnn", "channels": [6], "kernel_size": 3, "stride": 1}
        settings |= {"padding": 2, "pooling": "average", **keys}
        norm, last = nn.BatchNorm2d(6), nn.Linear(6 * 7 * 6, 5)
        first, pool = [nn.Conv2d(3, 6, 3, padding=2)], [nn.AvgPool2d(2)]
    middle = [norm, nn.GELU()] if place == "before" else [nn.GELU(), norm]
    plain = nn.Sequential(*first, *middle, *pool, nn.Flatten(), last)
    network = networks.initial(settings, image_shape=(3, 12, 10), classes=5, seed=0)
    state = network.module.state_dict()
    at = 0 if place == "before" else 1
    pairs = {
        "layer1.map.weight": first[-1].weight,
        "layer1.map.bias": first[-1].bias,
        f"layer1.after.{at}.weight": norm.weight,
        f"layer1.after.{at}.bias": norm.bias,
        f"layer1.after.{at}.mean": norm.running_mean,
        f"layer1.after.{at}.var": norm.running_var,
        "classifier.map.weight": last.weight,
        "classifier.map.bias": last.bias,
    }
    assert set(state) == set(pairs)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, tensor in pairs.items():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) / 3 + 0.1)
            state[name].copy_(tensor)
    images = torch.randn(40, 3, 12, 10, generator=generator)
    for training in (True, False):
        network.module.train(training)
        plain.train(training)
        found, expected = network.logits(images), plain(images)
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert torch.allclose(state[f"layer1.after.{at}.mean"], norm.running_mean, atol=1e-6)
    assert torch.allclose(state[f"layer1.after.{at}.var"], norm.running_var, atol=1e-6)


def test_untrained_norms_have_the_statistics_of_images():
    settings = {"architecture": "cnn", "channels": [4, 3], "kernel_size": 3, "norm": "batch"}
    network = networks.initial(settings, image_shape=(3, 18, 19), classes=2, seed=1)
    images = 3 + torch.randn(50, 3, 18, 19)
    blocks.set_statistics(network.module, [images])
    x = images
    for block in list(network.blocks.values())[:-1]:
        norm, seen = block.after[0], block.preactivation(x)
        assert torch.allclose(norm.mean, seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        assert torch.allclose(norm.var, seen.var((0, 2, 3)), rtol=1e-3)
        assert norm.momentum == blocks.MOMENTUM and not norm.training
        x = block(x)


def test_exact_statistics_are_those_of_all_inputs_at_once():
    settings = {"architecture": "cnn", "channels": [4], "kernel_size": 3, "norm": "batch"}
    settings |= {"norm_place": "after", "pooling": "max", "stride": 1}
    network = networks.initial(settings, image_shape=(3, 8, 9), classes=2, seed=1)
    block = network.blocks["layer1"]
    images = 3 + torch.randn(50, 3, 8, 9)
    block.measure_statistics(images.split([7, 30, 13]))
    seen = block.preactivation(images).relu().double()
    norm = block.after[1]
    assert torch.allclose(norm.mean.double(), seen.mean((0, 2, 3)), rtol=1e-6)
    assert torch.allclose(norm.var.double(), seen.var((0, 2, 3), correction=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("keys", "said"), [({"bias": True}, "biases"), ({"norm": "batch", "affine": True}, "norm")]
)
def test_what_cannot_be_drawn_says_why(keys, said):
    settings = {"architecture": "mlp", "widths": [3]}
    assert families.described(settings, image_shape=(1, 4, 4), classes=2).undrawn == ""
    found = families.described({**settings, **keys}, image_shape=(1, 4, 4), classes=2)
    assert said in found.undrawn


@pytest.mark.parametrize(
    ("keys", "size", "message"),
    [({"scales": 5}, 32, "scales: found 5; give 3 or 7"), ({"scales": 3}, 28, "maps of 7 x 7")],
)
def test_scattering_that_does_not_fit_is_refused(keys, size, message):
    settings = {"architecture": "scattering", **keys}
    with pytest.raises(InputError, match=message):
        families.described(settings, image_shape=(3, size, size), classes=2)


def test_a_kernel_larger_than_its_image_names_the_layer():
    settings = {"architecture": "cnn", "channels": [4, 4], "kernel_size": 5, "stride": 3}
    with pytest.raises(InputError, match="5 is larger than the 2 x 2 input of layer2"):
        families.described(settings, image_shape=(1, 10, 10), classes=2)
