"""Families: what they build is what they describe, and what cannot be built is refused."""

from itertools import pairwise

import pytest
import torch

from latentdims import families, networks
from latentdims.errors import InputError


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
    *(
        {"architecture": "cnn", "channels": [2, 3], "kernel_size": 3, "stride": stride}
        for stride in (1, 2, 3)
    ),
]


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
@pytest.mark.parametrize("size", [(9, 14), (17, 12)])
def test_a_module_is_what_its_family_says(settings, size):
    """Shapes at sites and of weights, and a way on from each site."""
    network = networks.initial(settings, image_shape=(3, *size), classes=5, seed=1)
    images = torch.randn(2, 3, *size)
    found = dict(network.representations(images))
    assert list(found) == list(network.architecture.sites)
    logits = network.logits(images)
    for site, representation in found.items():
        assert representation.shape == (2, *site.shape)
        assert torch.equal(network.logits(representation, after=site.name), logits)
    for weight in network.architecture.weights:
        tensor = network.weights[weight.name]
        assert (len(tensor), tensor[0].numel()) == (weight.neurons, weight.fan_in)


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
def test_a_rotation_of_channels_passes_through_to_the_weights_that_read_them(settings):
    network = networks.initial(settings, image_shape=(3, 14, 16), classes=5, seed=1)
    images = torch.randn(4, 3, 14, 16)
    sites = network.architecture.sites
    found = dict(network.representations(images))
    for site, following in pairwise(sites):
        turn = torch.linalg.qr(torch.randn(site.channels, site.channels))[0]
        block = network.blocks[following.name]
        weight = network.weights[following.name]
        by_channel = weight.reshape(len(weight), site.channels, -1)
        turned = torch.einsum("ocp,cd->odp", by_channel, turn).reshape(weight.shape)
        rotated = torch.einsum("nc...,cd->nd...", found[site], turn)
        expected = block.preactivation(found[site])
        difference = (block.preactivation(rotated, turned) - expected).abs().max()
        assert difference < 1e-5 * expected.abs().max()  # sums of some hundred float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "mpl", "widths": [3]}, "architecture: unknown 'mpl'; did you mean 'mlp'"),
        ({"architecture": "mlp", "width": [3]}, "width: unknown key .* did you mean 'widths'"),
        ({"architecture": "mlp"}, "widths: missing key"),
        ({"architecture": "mlp", "widths": []}, r"widths: \[\] is not a list"),
        ({"architecture": "mlp", "widths": [3, 0]}, r"widths: \[3, 0\] is not a list"),
        ({"architecture": "cnn", "channels": [3], "stride": "2"}, "stride: '2' is not a whole"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        families.of(settings)


def test_a_kernel_larger_than_its_image_names_the_layer():
    settings = {"architecture": "cnn", "channels": [4, 4], "kernel_size": 5, "stride": 3}
    with pytest.raises(InputError, match="5 is larger than the 2 x 2 input of layer2"):
        families.described(settings, image_shape=(1, 10, 10), classes=2)
