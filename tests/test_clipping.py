"""Clipping at every rank against a network whose weights were really projected."""

import h5py
import numpy as np
import pytest
import torch
from conftest import SHAPE

from latentdims.images.data import Split
from latentdims.interventions.components import accuracy_by_rank, of_representation, of_weights
from latentdims.models import networks
from latentdims.models.networks import Network
from latentdims.models.outputs import evaluate
from latentdims.statistics import folds
from latentdims.statistics.spectra import weight_components
from latentdims.steps import clipping, covariance, training

# Wide enough that no sample silences a whole layer: all logits would be equal, up to rounding.
WIDE = {
    "mlp": {"architecture": "mlp", "widths": [40, 30]},
    "cnn": {"architecture": "cnn", "channels": [6, 12], "kernel_size": 3, "stride": 2},
}


@pytest.fixture(params=["mlp", "cnn"])
def network(request) -> Network:
    return networks.initial(WIDE[request.param], image_shape=SHAPE, classes=4, seed=3)


@pytest.fixture
def split() -> Split:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(900, *SHAPE, generator=random)  # more than one batch
    return Split(images, torch.randint(0, 4, (900,), generator=random))


def random_basis(dimension: int) -> torch.Tensor:
    random = np.random.default_rng(dimension)
    return torch.from_numpy(
        np.linalg.qr(random.standard_normal((dimension, dimension)))[0].astype(np.float32)
    )


def of_whole(network, split, curves):
    """Accuracy of the whole split, from that of its folds."""
    share = np.bincount(folds.of(len(split.labels))) / len(split.labels)
    reference, found = accuracy_by_rank(network, split, curves)
    return share @ reference, [share @ each for each in found]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_weights_at_every_rank(network, split, number):
    layer = list(network.blocks)[number]
    weight = network.weights[layer]
    vectors = torch.from_numpy(weight_components(weight.numpy())[1].astype(np.float32))
    ranks = range(1, vectors.shape[1] + 1)
    _, [found] = of_whole(network, split, [(of_weights(network, layer, vectors), ranks)])
    for rank in ranks:
        projector = vectors[:, :rank] @ vectors[:, :rank].T
        projected = (weight.flatten(1) @ projector).reshape(weight.shape)
        expected = evaluate(network.replaced({layer: projected}), split)[1]
        assert found[rank - 1] == pytest.approx(expected, abs=1e-9), rank


@pytest.mark.parametrize("number", [1, 2])
def test_representations_at_every_rank(network, split, number):
    """Projecting the input channels of a layer is projecting its weights along that axis."""
    before, layer = list(network.blocks)[number - 1 : number + 1]
    weight = network.weights[layer]
    channels = network.architecture.site(before).channels
    vectors = random_basis(channels)
    ranks = range(1, channels + 1)
    _, [found] = of_whole(network, split, [(of_representation(network, before, vectors), ranks)])
    for rank in ranks:
        projector = vectors[:, :rank] @ vectors[:, :rank].T
        projected = torch.einsum(
            "ocp,cd->odp", weight.reshape(len(weight), channels, -1), projector
        ).reshape(weight.shape)
        expected = evaluate(network.replaced({layer: projected}), split)[1]
        assert found[rank - 1] == pytest.approx(expected, abs=1e-9), rank


@pytest.mark.parametrize("number", [1, 2])
def test_centred_basis_adds_the_mean_back(network, split, number):
    before = list(network.blocks)[number - 1]
    channels = network.architecture.site(before).channels
    vectors, mean = random_basis(channels), torch.linspace(0.1, 1, channels)
    levels = {site.name: output for site, output in network.representations(split.images)}
    x = levels[before]
    shift = mean.reshape(1, -1, *(1,) * (x.ndim - 2))
    components = of_representation(network, before, vectors, mean)
    _, [found] = of_whole(network, split, [(components, [1, channels])])
    for index, rank in enumerate([1, channels]):
        projector = vectors[:, :rank] @ vectors[:, :rank].T
        projected = torch.einsum("nc...,cd->nd...", x - shift, projector) + shift
        logits = network.logits(projected, after=before)
        correct = (logits.argmax(1) == split.labels).sum().item()
        assert found[index] == pytest.approx(100 * correct / len(split.labels), abs=1e-9)


def test_skipping_ranks_changes_nothing(network, split):
    components = of_weights(network, "layer1", random_basis(network.architecture.weights[0].fan_in))
    chosen: list[list[int]] = [list(range(1, 10)), [2, 5, 9], []]
    reference, found = of_whole(network, split, [(components, ranks) for ranks in chosen])
    assert reference == pytest.approx(evaluate(network, split)[1], abs=1e-9)
    every, some, none = found
    np.testing.assert_allclose(some, every[[1, 4, 8]], rtol=1e-12)
    assert len(none) == 0


def test_file(images, tmp_path, settings):
    made = settings("cnn")
    network, moments, output = (tmp_path / f"{name}.h5" for name in ("network", "moments", "clip"))
    training.train(images=images, output=network, settings=made, device="cpu")
    covariance.covariance(
        images=images, network=network, partners={}, output=moments, settings=made, device="cpu"
    )
    bases = ["activation", "activation_centred", "weight", "random"]
    clipping.clip(
        images=images,
        network=network,
        covariance=moments,
        output=output,
        bases=bases,
        ranks="all",
        settings=made,
        device="cpu",
    )
    with h5py.File(output) as file:
        folds_of = "reference_accuracy_folds"
        assert sorted(file) == sorted([*bases, "reference_accuracy", folds_of, "fold"])
        assert list(file["weight"]) == ["classifier", "layer1", "layer2"]
        assert list(file["activation"]) == list(file["random"]) == ["layer1", "layer2"]
        assert file["weight/layer1/rank"][()].tolist() == [1, 2, 3]
        assert file["activation/layer2/rank"][()].tolist() == [1, 2, 3, 4, 5, 6]
        for basis in bases:  # nothing is clipped at full rank
            for group in file[basis].values():
                assert group["accuracy"][-1] == pytest.approx(file["reference_accuracy"][()])
                np.testing.assert_allclose(group["accuracy_folds"][:, -1], file[folds_of][()])
