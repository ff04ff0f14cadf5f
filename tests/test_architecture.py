"""What a network is: in files as it is planned, and of any shape."""

import h5py
import pytest

from latentdims.models import architecture, families
from latentdims.models.architecture import IMAGES, Architecture, Site, Weight

NETWORK = Architecture(
    image_shape=(3, 8, 6),
    classes=4,
    sites=(
        Site("stem", "body.0", (5, 8, 6)),
        Site("tokens", "body.1", (48, 7), axis=-1),
        Site("phase", "body.2", (9, 2, 4, 3)),
        Site("logits", "head", (4,)),
    ),
    weights=(
        Weight("stem", (5, 3, 9), IMAGES, "stem", "a.weight"),
        Weight("shortcut", (7, 5, 1), "stem", None, "a.weight"),
        Weight("logits", (4, 9, 24), "phase", "logits", "a.weight"),
    ),
    output="logits",
)


def test_channels_lie_on_any_axis_and_all_else_are_positions():
    assert [site.channels for site in NETWORK.sites] == [5, 7, 9, 4]
    assert [site.positions for site in NETWORK.sites] == [48, 48, 24, 1]


def test_a_file_tells_what_its_network_is(tmp_path):
    with h5py.File(tmp_path / "network.h5", "w") as file:
        architecture.write(file, NETWORK)
        for name in ("logits", "epoch", "stem", "shortcut"):
            file.create_group(f"weights/{name}")
        assert architecture.read(file) == NETWORK
        assert architecture.layers(file, "weights") == ["stem", "shortcut", "logits"]
        assert architecture.layers(file, "nothing") == []


def test_names_are_those_of_weights_and_sites_and_the_logits_are_not_hidden():
    assert NETWORK.names == ["stem", "shortcut", "tokens", "phase", "logits"]
    assert [site.name for site in NETWORK.hidden] == ["stem", "tokens", "phase"]


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ({"architecture": "mlp", "widths": [7, 5]}, [(7, 3, 88), (5, 7, 1), (4, 5, 1)]),
        (
            {"architecture": "cnn", "channels": [6, 2], "kernel_size": 3, "stride": 2},
            [(6, 3, 9), (2, 6, 9), (4, 2, 2)],
        ),
    ],
)
def test_weights_of_a_chain_read_the_site_before(settings, shapes):
    found = families.described(settings, image_shape=(3, 8, 11), classes=4)
    assert [weight.shape for weight in found.weights] == shapes
    assert [weight.reads for weight in found.weights] == [IMAGES, "layer1", "layer2"]
    assert [weight.writes for weight in found.weights] == ["layer1", "layer2", "classifier"]
    assert found.output == "classifier" and found.classes == 4
    assert [weight.fan_in * weight.neurons for weight in found.weights] == [
        a * b * c for a, b, c in shapes
    ]
