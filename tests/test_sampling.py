"""Drawn weights have the covariance they were drawn from, in aligned coordinates."""

import numpy as np
import pytest
import torch
from conftest import SHAPE, random_network
from scipy import stats
from torch import nn

from latentdims.interventions import sampling
from latentdims.interventions.sampling import (
    Procedure,
    Reference,
    Sampler,
    align,
    contract,
)
from latentdims.models import networks
from latentdims.models.networks import Network


def test_contraction_against_a_loop():
    random = np.random.default_rng(0)
    weight, turn = random.standard_normal((4, 3, 2, 2)), random.standard_normal((3, 5))
    expected = np.zeros((4, 5, 2, 2))
    for out in range(4):
        for channel in range(3):
            for other in range(5):
                for y in range(2):
                    for x in range(2):
                        expected[out, other, y, x] += (
                            weight[out, channel, y, x] * turn[channel, other]
                        )
    expected *= np.sqrt(3 / 5)  # five channels have the power of three
    np.testing.assert_allclose(contract(weight, turn), expected, atol=1e-14)
    flat = contract(weight.reshape(4, 12), turn)
    np.testing.assert_allclose(flat, expected.reshape(4, 20), atol=1e-14)


def test_channel_alignment_of_a_convolution_against_a_loop():
    random = np.random.default_rng(0)
    x, y = random.standard_normal((6, 3, 2, 2)), random.standard_normal((6, 4, 2, 2))
    cross = np.zeros((3, 4))
    for sample in range(6):
        for row in range(2):
            for column in range(2):
                cross += np.outer(x[sample, :, row, column], y[sample, :, row, column])
    left, singular, right = np.linalg.svd(cross, full_matrices=False)
    turn, score = align(torch.from_numpy(x), torch.from_numpy(y).split(4))
    np.testing.assert_allclose(turn, left @ right, atol=1e-12)
    assert score == pytest.approx(singular.sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def test_flattened_alignment_is_that_of_the_features_in_the_order_of_the_weights():
    random = np.random.default_rng(0)
    x = random.standard_normal((50, 3, 2, 4))  # channels, rows and columns all differ
    y = 0.3 * random.standard_normal((50, 5, 2, 4))
    y[:, [1, 0]] += x[:, :2, ::-1]  # as no rotation of channels has it
    left, singular, right = np.linalg.svd(
        x.reshape(50, -1).T @ y.reshape(50, -1), full_matrices=False
    )
    turn, score = align(torch.from_numpy(x), torch.from_numpy(y).split(20), flattened=True)
    np.testing.assert_allclose(turn, left @ right, atol=1e-10)
    assert score == pytest.approx(singular.sum() / np.sqrt((x**2).sum() * (y**2).sum()))


@pytest.fixture(params=["mlp", "cnn"])
def network(request) -> Network:
    return random_network(request.param)


def other_than(network: Network, *, seed: int) -> Network:
    """A network with the same layers, other weights, and another scale."""
    random = np.random.default_rng(seed)
    weights = {
        name: torch.from_numpy(3 * random.standard_normal(weight.shape).astype(np.float32))
        for name, weight in network.weights.items()
    }
    return network.replaced(weights)


def images_of(samples: int) -> torch.Tensor:
    return torch.randn(samples, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_a_permuted_copy_computes_what_the_reference_does(network, monkeypatch):
    """Neurons are permuted and scaled, which commutes with ReLU as no other rotation does."""
    images = images_of(200)
    reference = Reference.of(network, images)
    trained = [weight.double().numpy() for weight in list(network.weights.values())[:-1]]

    def permuted(factor, *, neurons, generator, rank):
        weight = next(w for w in trained if len(w) == neurons)
        return 2.0 * weight[np.random.default_rng(0).permutation(neurons)]

    monkeypatch.setattr(sampling, "sample_rows", permuted)
    drawn = Sampler.of(reference, Procedure()).draw(seed=0, number=0)
    expected = network.logits(images) * 2.0 ** (len(network.blocks) - 1)
    assert all(score == pytest.approx(1, abs=1e-5) for score in drawn.similarity.values())
    tolerance = 1e-4 * expected.abs().max()  # float32 moments, rotations, and two layers
    assert (drawn.network.logits(images) - expected).abs().max() < tolerance


def test_a_draw_does_not_change_when_others_are_added(network):
    sampler = Sampler.of(Reference.of(network, images_of(50)), Procedure())
    first, again, other = (sampler.draw(seed=0, number=number) for number in (0, 0, 1))
    for layer in network.weights:
        assert torch.equal(first.network.weights[layer], again.network.weights[layer])
        assert not torch.equal(first.network.weights[layer], other.network.weights[layer])


@pytest.mark.parametrize("covariances", ["own", "averaged", "white"])
def test_layers_that_are_not_sampled_keep_their_weights(network, covariances):
    """With the first layer kept, what follows reads the reference's own channels: a rotation of
    1, up to directions in which the representation has no power. With all kept, all is kept."""
    images = images_of(200)
    reference = Reference.of(network, images, others=[other_than(network, seed=1)])

    def drawn(layers):
        procedure = Procedure(layers=layers, covariances=covariances)
        return Sampler.of(reference, procedure).draw(seed=0, number=0)

    second = drawn(["layer2"])
    assert torch.equal(second.network.weights["layer1"], network.weights["layer1"])
    assert second.similarity["layer1"] == pytest.approx(1, abs=1e-5)  # float32 moments
    assert second.similarity["layer2"] < 0.99
    expected = network.logits(images)
    difference = (drawn([]).network.logits(images) - expected).abs().max()
    assert difference < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("covariances", ["own", "averaged", "white"])
def test_every_seed_draw_and_layer_has_random_numbers_of_its_own(network, covariances, monkeypatch):
    reference = Reference.of(network, images_of(50), others=[other_than(network, seed=1)])
    sampler = Sampler.of(reference, Procedure(covariances=covariances))
    numbers = []

    def recorded(factor, *, neurons, generator, **_):
        numbers.append(generator.random())
        return np.ones((neurons, *factor.shape[1:]))

    for name in ("sample_rows", "white_rows"):
        monkeypatch.setattr(sampling, name, recorded)
    names = [(seed, number) for seed in (0, 1) for number in (0, 1)]
    for _ in range(2):
        for seed, number in names:
            sampler.draw(seed=seed, number=number)
    hidden = len(network.blocks) - 1
    once = len(names) * hidden
    assert len(set(numbers)) == once
    assert numbers[:once] == numbers[once:]  # whatever was drawn before


def test_white_weights_are_white_in_the_coordinates_of_the_draw(network):
    """Each layer with the trace of its own weights: rotations leave a multiple of 1 what it is."""
    sampler = Sampler.of(Reference.of(network, images_of(30)), Procedure(covariances="white"))
    drawn = [sampler.draw(seed=0, number=number).network.weights for number in range(400)]
    for layer in [site.name for site in network.architecture.hidden]:
        trained = network.weights[layer].double().flatten(1).numpy()
        rows = np.concatenate([each[layer].double().flatten(1).numpy() for each in drawn])
        variance = (trained**2).sum() / trained.size
        identity = np.eye(trained.shape[1])
        # Wishart: the variance of entry ij of the mean over m rows is (C_ii C_jj + C_ij²) / m.
        deviation = variance * np.sqrt((1 + identity) / len(rows))
        errors = np.abs(rows.T @ rows / len(rows) - variance * identity) / deviation
        assert (errors < stats.norm.isf(0.0027 / 2 / identity.size)).all()


@pytest.mark.parametrize("width", [0.5, 2])
def test_other_widths(network, width):
    images = images_of(50)
    sampler = Sampler.of(Reference.of(network, images), Procedure(width=width))
    drawn = sampler.draw(seed=0, number=0).network
    sites = drawn.architecture.hidden, network.architecture.hidden
    for site, trained in zip(*sites, strict=True):
        assert site.channels == round(width * trained.channels)
    assert drawn.logits(images).shape == (50, 4)
    for site, representation in drawn.representations(images):
        assert representation.shape == (50, *site.shape)
    for weight in drawn.architecture.weights:
        assert drawn.weights[weight.name].flatten(1).shape == (weight.neurons, weight.fan_in)


def test_average_over_a_network_and_its_rotated_copies_is_its_own_covariance(network):
    """Permuted neurons are the same network in other coordinates, which alignment undoes."""
    images = images_of(300)
    weights, order = {}, np.arange(SHAPE[0])
    random = np.random.default_rng(0)
    for layer, weight in network.weights.items():
        weight = weight.numpy()
        patches = weight.reshape(len(weight), len(order), -1)[:, order]
        hidden = layer != "classifier"
        order = random.permutation(len(weight)) if hidden else np.arange(len(weight))
        weights[layer] = torch.from_numpy(patches.reshape(weight.shape)[order])
    copy = network.replaced(weights)
    assert torch.allclose(copy.logits(images), network.logits(images), atol=1e-4)
    reference = Reference.of(network, images, others=[copy])
    for layer, own in reference.factors.items():
        averaged = reference.averaged[layer].reshape(len(reference.averaged[layer]), -1)
        own = own.reshape(len(own), -1)
        difference = np.abs(averaged.T @ averaged - own.T @ own).max()
        assert difference < 1e-4 * np.abs(own.T @ own).max()  # float32 representations


def test_the_average_is_over_the_network_itself_and_all_others():
    """Written out: weights that read the channels of another network are rotated to its own."""
    network, images = linear_reference()
    others = [other_than(network, seed=seed) for seed in (1, 2)]
    first, second = (
        [each.weights[n].double().numpy() for each in (network, *others)]
        for n in ("layer1", "layer2")
    )
    reference = Reference.of(network, images, others=others)
    factors, own = reference.averaged, reference.factors["layer2"]
    np.testing.assert_allclose(own.T @ own, second[0].T @ second[0] / 5, atol=1e-12)
    expected = sum(w.T @ w for w in first) / 3 / 6
    np.testing.assert_allclose(factors["layer1"].T @ factors["layer1"], expected, rtol=1e-12)
    x = images.flatten(1).double().numpy()
    turned = []
    for reads, weight in zip(first, second, strict=True):
        left, _, right = np.linalg.svd((x @ reads.T).T @ x @ first[0].T)
        turned.append(weight @ left @ right)  # of the network itself: no rotation
    np.testing.assert_allclose(turned[0], second[0], atol=1e-12)
    expected = sum(w.T @ w for w in turned) / 3 / 5
    found = factors["layer2"].T @ factors["layer2"]
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())  # float32 moments


def linear_reference() -> tuple[Network, torch.Tensor]:
    settings = {"architecture": "mlp", "widths": [6, 5]}
    network = networks.build(settings, image_shape=(1, 2, 4), classes=3)
    for block in network.blocks.values():
        block.after = nn.Identity()
    random = np.random.default_rng(0)
    weights = {
        name: torch.from_numpy(random.standard_normal(weight.shape).astype(np.float32))
        for name, weight in network.weights.items()
    }
    images = random.standard_normal((40, 1, 2, 4)).astype(np.float32)
    return network.replaced(weights), torch.from_numpy(images)


SLOW = [pytest.param(width, 2000, marks=pytest.mark.slow) for width in (0.5, 1, 3)]


@pytest.mark.parametrize(("width", "draws"), [(0.5, 600), *SLOW])
def test_draws_of_a_linear_network_have_the_theoretical_second_moment(width, draws):
    """E[ψ ψᵀ] of a drawn layer over draws is tr(C M) 1, for C the covariance it was drawn from and
    M the second moment of its input in the coordinates of the reference; at every width.

    For the first layer M is that of the images, so that the expectation is known beforehand:
    tr(C M) is the power of the reference's representation over its number of neurons. For the next
    layers M depends on the draw of the layer before, and each draw is compared with its own.
    """
    network, images = linear_reference()
    reference = Reference.of(network, images)
    sampler = Sampler.of(reference, Procedure(width=width))
    x = images.flatten(1).double().numpy()
    first = x @ network.weights["layer1"].double().numpy().T
    expected_first = (first**2).sum() / len(x) / 6
    found: dict[str, list[np.ndarray]] = {"layer1": [], "layer2": []}
    for number in range(draws):
        drawn = sampler.draw(seed=0, number=number).network
        inputs, aligned = x, np.eye(1)
        for layer in found:
            weight = drawn.weights[layer].double().numpy()
            psi = inputs @ weight.T
            trained = network.weights[layer].double().numpy()
            reads = contract(trained, aligned)
            power = ((inputs @ reads.T) ** 2).sum() / len(x) / len(trained)
            if layer == "layer1":
                assert power == pytest.approx(expected_first)
            found[layer].append(psi.T @ psi / len(x) - power * np.eye(psi.shape[1]))
            own = reference.representations[layer].double().numpy()
            left, _, right = np.linalg.svd(own.T @ psi, full_matrices=False)
            inputs, aligned = psi, left @ right
    for deviations in found.values():
        mean = np.mean(deviations, axis=0)
        error = np.std(deviations, axis=0, ddof=1) / np.sqrt(len(deviations))
        # Three standard errors of the trace, and of the largest entry with Bonferroni's correction.
        traces = np.trace(deviations, axis1=1, axis2=2)
        assert abs(traces.mean()) < 3 * traces.std(ddof=1) / np.sqrt(len(traces))
        assert (np.abs(mean / error) < stats.norm.isf(0.0027 / 2 / mean.size)).all()


@pytest.fixture
def normalised() -> Network:
    """With batch norm and padding, after some steps of training."""
    settings = {"architecture": "cnn", "channels": [5, 4], "kernel_size": 3, "stride": 1}
    settings |= {"padding": 1, "norm": "batch", "pooling": "max"}
    network = networks.initial(settings, image_shape=SHAPE, classes=4, seed=3)
    network.module.train()
    for number in range(5):
        network.logits(2 + images_of(40 + number))
    network.module.eval()
    return network


def test_a_draw_with_nothing_sampled_is_the_trained_network(network, normalised):
    images = images_of(70)
    for trained in (network, normalised):
        sampler = Sampler.of(Reference.of(trained, images), Procedure(layers=[]))
        drawn = sampler.draw(seed=0, number=0)
        assert torch.equal(drawn.network.logits(images), trained.logits(images))
        assert set(drawn.similarity.values()) == {1.0}


@pytest.mark.parametrize("width", [1, 0.4, 2])
@pytest.mark.parametrize("layers", [None, ["layer2"]])
def test_norms_of_a_draw_have_the_statistics_of_all_images(normalised, width, layers):
    images = images_of(70)
    procedure = Procedure(layers=layers, width=width)
    drawn = Sampler.of(Reference.of(normalised, images), procedure).draw(seed=0, number=0)
    x, sampled = images, False
    for site in drawn.network.architecture.hidden:
        block = drawn.network.blocks[site.name]
        norm, seen = block.after[0], block.preactivation(x).double()
        sampled |= procedure.samples(site.name)
        if sampled:
            assert torch.allclose(norm.mean.double(), seen.mean((0, 2, 3)), atol=1e-5)
            variance = seen.var((0, 2, 3), correction=0)
            assert torch.allclose(norm.var.double(), variance, rtol=1e-4)
        else:
            assert torch.equal(norm.mean, normalised.blocks[site.name].after[0].mean)
        x = block(x)
        assert x.shape[1:] == site.shape
    assert drawn.network.logits(images).isfinite().all()
