"""Shapes of the chain of layers, and refusal of what cannot be built."""

import pytest
import torch

from latentdims import architectures, networks
from latentdims.architectures import layers
from latentdims.errors import InputError


def test_the_tutorial_s_networks():
    mlp = layers({"architecture": "mlp", "widths": [512, 256]}, input_shape=(1, 32, 32), classes=10)
    assert [layer.name for layer in mlp] == ["layer1", "layer2", "classifier"]
    assert [layer.weight_shape for layer in mlp] == [(512, 1024), (256, 512), (10, 256)]
    cnn = layers(
        {"architecture": "cnn", "channels": [32, 64], "kernel_size": 5, "stride": 2},
        input_shape=(1, 32, 32),
        classes=10,
    )
    assert [layer.weight_shape for layer in cnn] == [(32, 1, 5, 5), (64, 32, 5, 5), (10, 1600)]
    assert [layer.output_shape for layer in cnn] == [(32, 14, 14), (64, 5, 5), (10,)]
    assert [layer.patch_shape for layer in cnn] == [(1, 25), (32, 25), (64, 25)]
    assert [layer.rectified for layer in cnn] == [True, True, False]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(9, 14), (17, 12)])
def test_output_shapes_are_those_that_torch_computes(stride, size):
    chain = layers(
        {"architecture": "cnn", "channels": [2, 3], "kernel_size": 3, "stride": stride},
        input_shape=(3, *size),
        classes=5,
    )
    network = networks.Network(chain, networks.initial_weights(chain, seed=0, device="cpu"))
    for layer, representation in network.representations(torch.zeros(2, 3, *size)):
        assert representation.shape == (2, *layer.output_shape)


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
        architectures.build(settings)


def test_a_kernel_larger_than_its_image_names_the_layer():
    settings = {"architecture": "cnn", "channels": [4, 4], "kernel_size": 5, "stride": 3}
    with pytest.raises(InputError, match="5 is larger than the 2 x 2 input of layer2"):
        layers(settings, input_shape=(1, 10, 10), classes=2)
