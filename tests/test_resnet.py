"""Residual networks beside PyTorch's own modules, and clipping by running them again."""

import numpy as np
import pytest
import torch
from conftest import NETWORKS, random_network
from torch import nn
from torch.nn import functional

from latentdims.errors import InputError
from latentdims.images.data import Split
from latentdims.interventions import components, reruns
from latentdims.models import families, networks
from latentdims.models.blocks import Convolution
from latentdims.models.networks import Network
from latentdims.statistics.spectra import weight_components

SETTINGS = {"architecture": "resnet", "depth": 14, "width": 0.3}
SHAPE = (2, 9, 13)


@pytest.fixture
def network() -> Network:
    """With norms that scale, shift, and have seen something."""
    found = networks.initial(SETTINGS, image_shape=SHAPE, classes=4, seed=3)
    random = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for name, tensor in found.module.state_dict().items():
            if tensor.ndim == 1:
                drawn = torch.randn(tensor.shape, generator=random)
                tensor.copy_(1 + drawn.abs() if name.endswith(("var", "weight")) else drawn / 3)
    return found


def plain(network: Network, images: torch.Tensor, project=None) -> dict[str, torch.Tensor]:
    """Every site, from the weights by their names and the norms by their places. project: changes
    of representations by site."""
    weights, state = network.weights, network.module.state_dict()
    found: dict[str, torch.Tensor] = {}

    def kept(site: str, x: torch.Tensor) -> torch.Tensor:
        found[site] = (project or {}).get(site, lambda x: x)(x)
        return found[site]

    def convolved(x, name, place, stride=1):
        padding = weights[name].shape[-1] // 2
        x = nn.functional.conv2d(x, weights[name], stride=stride, padding=padding)
        norm = nn.BatchNorm2d(x.shape[1]).eval()
        names = ("running_mean", "mean"), ("running_var", "var"), ("weight",) * 2, ("bias",) * 2
        norm.load_state_dict(
            {theirs: state[f"{place}.{ours}"] for theirs, ours in names}, strict=False
        )
        return norm(x).detach()

    x = kept("layer1", functional.relu(convolved(images, "layer1", "layer1.after.0")))
    for block in range(1, 7):
        first, second = f"layer{2 * block}", f"layer{2 * block + 1}"
        stride = 2 if block in (3, 5) else 1
        y = convolved(x, first, f"block{block}.first.after.0", stride)
        y = convolved(kept(first, functional.relu(y)), second, f"block{block}.second.after")
        if block in (3, 5):
            x = convolved(x, f"{second}_shortcut", f"block{block}.shortcut.after", stride)
        x = kept(second, functional.relu(x + y))
    kept("classifier", x.mean((2, 3)) @ weights["classifier"].T)
    return found


@pytest.fixture
def split() -> Split:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(300, *SHAPE, generator=random)  # more than one batch
    return Split(images, torch.randint(0, 4, (300,), generator=random))


def test_every_site_is_what_pytorch_s_modules_make(network, split):
    expected = plain(network, split.images)
    found = dict(network.representations(split.images))
    assert [site.name for site in found] == list(expected)
    for site, representation in found.items():
        tolerance = 1e-5 * expected[site.name].abs().max()  # sums of some hundred float32
        assert (representation - expected[site.name]).abs().max() < tolerance, site.name
    torch.testing.assert_close(network.logits(split.images), found[site])


@pytest.mark.parametrize(("size", "padding"), [(1, 0), (1, 1), (3, 1)])
@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_of_few_channels_with_a_stride(size, padding, threads):
    """Those of oneDNN are wrong for one position, fewer than 8 channels and several threads."""
    rounding = 33 * 16 * 16 * np.finfo(np.float32).eps  # of that many sums of products below 16
    generator = torch.Generator().manual_seed(7)
    given = {"size": size, "stride": 2, "padding": padding}
    layer = Convolution(3, 6, **given)
    x = torch.randn(33, 3, 8, 8, generator=generator)
    exact = torch.randn(layer.weight.shape, generator=generator).double().requires_grad_()
    weight = exact.detach().float().contiguous(memory_format=torch.channels_last).requires_grad_()
    output = functional.conv2d(x.double(), exact, stride=2, padding=padding)
    shares = torch.randn(output.shape, generator=generator)
    (expected,) = torch.autograd.grad(output, exact, shares.double())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(20):
            output = layer.applied(x, weight)
            (found,) = torch.autograd.grad(output, weight, shares)
            torch.testing.assert_close(found.double(), expected, rtol=0, atol=rounding)
    finally:
        torch.set_num_threads(before)


def test_the_published_network_has_its_number_of_parameters():
    """0.27 million (He et al. 2016, table 6), which projections raise by 2,560 + 192."""
    settings = {"architecture": "resnet", "depth": 20}
    found = networks.build(settings, image_shape=(3, 32, 32), classes=10)
    convolutions = 3 * 9 * 16 + 6 * 9 * 16**2
    for neurons in (32, 64):
        convolutions += neurons // 2 * neurons * 9 + 5 * 9 * neurons**2 + neurons // 2 * neurons
    norms = 2 * (7 * 16 + 7 * 32 + 7 * 64)
    expected = convolutions + norms + 10 * 64
    assert sum(parameter.numel() for parameter in found.module.parameters()) == expected
    assert len(found.architecture.hidden) == 19
    assert [each.name for each in found.architecture.weights if each.reads is None] == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"depth": 21}, "depth: 21 is not 6 n \\+ 2; give 20"),
        ({"depth": 2}, "depth: 2 is not .* give 8"),
        ({"depth": 8, "width": 0.02}, "width: 0.02 of 16 channels leaves none of layer1"),
    ],
)
def test_networks_that_cannot_be_are_refused(keys, message):
    with pytest.raises(InputError, match=message):
        families.described({"architecture": "resnet", **keys}, image_shape=SHAPE, classes=4)


def test_a_single_channel_is_left():
    narrow = {"architecture": "resnet", "depth": 8, "width": 0.05}
    found = families.described(narrow, image_shape=SHAPE, classes=4)
    assert [site.channels for site in found.sites] == [1, 1, 1, 2, 2, 3, 3, 4]


def basis(size: int) -> torch.Tensor:
    random = np.random.default_rng(size)
    return torch.from_numpy(np.linalg.qr(random.standard_normal((size, size)))[0]).float()


def accuracy(logits: torch.Tensor, split: Split) -> float:
    return 100 * (logits.argmax(1) == split.labels).double().mean().item()


@pytest.mark.parametrize("site", ["layer1", "layer4", "layer7", "layer13"])
@pytest.mark.parametrize("centred", [False, True])
def test_a_representation_is_projected_for_all_that_read_it(network, split, site, centred):
    channels = network.architecture.site(site).channels
    vectors, ranks = basis(channels), [1, 2, channels]
    mean = torch.linspace(0.5, 2, channels) if centred else torch.zeros(channels)
    clipped = reruns.of_representation(network, site, vectors, mean if centred else None)
    whole, [found] = reruns.accuracy_by_rank(network, split, [(clipped, ranks)])
    expected = []
    for rank in ranks:
        projector = vectors[:, :rank] @ vectors[:, :rank].T

        def project(x, projector=projector):
            about = mean[:, None, None]
            return torch.einsum("nchw,cd->ndhw", x - about, projector) + about

        expected.append(plain(network, split.images, {site: project})["classifier"])
    assert_near(found, expected, split)
    assert_near(whole[:, None], [plain(network, split.images)["classifier"]], split)


@pytest.mark.parametrize("name", ["layer1", "layer7_shortcut", "layer7", "layer10", "classifier"])
def test_weights_are_projected(network, split, name):
    weight = network.weights[name]
    vectors = torch.from_numpy(weight_components(weight.numpy())[1].copy()).float()
    ranks = [1, vectors.shape[1]]
    clipped = reruns.of_weights(network, name, vectors)
    _, [found] = reruns.accuracy_by_rank(network, split, [(clipped, ranks)])
    expected = []
    for rank in ranks:
        projected = weight.flatten(1) @ vectors[:, :rank] @ vectors[:, :rank].T
        other = network.replaced({name: projected.view(weight.shape)})
        expected.append(plain(other, split.images)["classifier"])
    assert_near(found, expected, split)
    assert torch.equal(network.weights[name], weight)


def assert_near(found, logits, split):
    """Accuracies (folds, ranks) are those of logits, but for images whose two best classes differ
    by less than rounding; all folds are equal in size to one image."""
    for by_fold, expected in zip(found.T, logits, strict=True):
        best, second = expected.topk(2).values.T
        undecided = int((best - second < 1e-4 * expected.abs().max()).sum())
        share = np.bincount(reruns.folds.of(len(split.labels))) / len(split.labels)
        difference = abs(share @ by_fold - accuracy(expected, split))
        assert difference <= 100 * undecided / len(split.labels) + 1e-9
        assert undecided < 5


@pytest.mark.parametrize("name", NETWORKS)
def test_a_chain_that_runs_again_is_as_accurate_as_its_components_say(name):
    network = random_network(name)
    shape = network.architecture.image_shape
    random = torch.Generator().manual_seed(1)
    images = torch.randn(600, *shape, generator=random)
    split = Split(images, torch.randint(0, 4, (600,), generator=random))
    site = network.architecture.hidden[0]
    mean = torch.linspace(0.1, 0.4, site.channels)
    weight = weight_components(network.weights["layer2"].numpy())[1]
    vectors = torch.from_numpy(weight.copy()).float()
    found = []
    for way in (components, reruns):
        curves = [
            (way.of_representation(network, site.name, basis(site.channels)), [1, 2, 3]),
            (way.of_representation(network, site.name, basis(site.channels), mean), [2]),
            (way.of_weights(network, "layer2", vectors), [1, 3]),
        ]
        found.append(way.accuracy_by_rank(network, split, curves))
    (whole, fast), (expected, slow) = found
    np.testing.assert_allclose(whole, expected)
    for of_components, of_reruns in zip(fast, slow, strict=True):
        np.testing.assert_allclose(of_components, of_reruns)


def test_ranks_are_spaced_on_a_logarithmic_scale():
    assert reruns.ranks(64, 8) == [1, 2, 3, 6, 11, 20, 35, 64]
    assert reruns.ranks(7, 8) == reruns.ranks(7, None) == [1, 2, 3, 4, 5, 6, 7]
    assert reruns.ranks(9, 1) == [9]
