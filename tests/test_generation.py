"""Generated weights have the covariance they were drawn from, in aligned coordinates."""

import h5py
import numpy as np
import pytest
import torch
from conftest import NETWORKS, SHAPE

from latentdims import architectures, generation, networks, training
from latentdims.generation import Reference, align, contract, draw, sample_rows
from latentdims.networks import Network


class Identity(np.random.Generator):
    """Gives ones on the diagonal instead of random numbers, so that a draw can be computed."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def standard_normal(self, size):  # type: ignore[override]
        return np.eye(*size)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 2, 3, 3)])
def test_rows_have_the_covariance_of_the_weights_exactly(shape):
    """Rows G S Vᵀ / √n with GᵀG = 1 have the Gram matrix WᵀW / n, which is E of a drawn row's."""
    weight = np.random.default_rng(0).standard_normal(shape)
    matrix = weight.reshape(len(weight), -1)
    rows = sample_rows(weight, neurons=min(matrix.shape), generator=Identity())
    flat = rows.reshape(len(rows), -1)
    np.testing.assert_allclose(flat.T @ flat, matrix.T @ matrix / len(matrix), atol=1e-13)


def test_drawn_rows_have_that_covariance_on_average():
    weight = np.random.default_rng(0).standard_normal((5, 4))
    expected, neurons = weight.T @ weight / 5, 100_000
    rows = sample_rows(weight, neurons=neurons, generator=np.random.default_rng(1))
    # Wishart: the variance of entry ij of the mean over m rows is (C_ii C_jj + C_ij²) / m.
    deviation = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / neurons)
    assert (np.abs(rows.T @ rows / neurons - expected) < 5 * deviation).all()


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
    turn, score = align(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(turn, left @ right, atol=1e-12)
    assert score == pytest.approx(singular.sum() / np.sqrt((x**2).sum() * (y**2).sum()))


@pytest.fixture(params=["mlp", "cnn"])
def network(request) -> Network:
    layers = architectures.layers(NETWORKS[request.param], input_shape=SHAPE, classes=4)
    return Network(layers, networks.initial_weights(layers, seed=3, device="cpu"))


def test_a_rotated_copy_computes_what_the_reference_does(network, monkeypatch):
    """Draw G = Q U, so that each layer is the trained one with its neurons rotated by Q / √n."""

    def rotated(weight, *, neurons, generator):
        turn = np.linalg.qr(generator.standard_normal((neurons, neurons)))[0]
        # Neurons are permuted and scaled, which commutes with ReLU as no other rotation does.
        order = np.argsort(turn[0])
        return 2.0 * weight.astype(np.float64)[order]

    monkeypatch.setattr(generation, "sample_rows", rotated)
    images = torch.randn(200, *SHAPE, generator=torch.Generator().manual_seed(0))
    drawn = draw(Reference.of(network, images), seed=0, number=0, flattened=True)
    expected = network.logits(images) * 2.0 ** (len(network.layers) - 1)
    assert all(score == pytest.approx(1, abs=1e-5) for score in drawn.similarity.values())
    tolerance = 1e-4 * expected.abs().max()  # float32 moments, rotations, and two layers
    assert (drawn.network.logits(images) - expected).abs().max() < tolerance
    if drawn.flattened:
        assert (drawn.flattened.logits(images) - expected).abs().max() < tolerance


def test_a_draw_does_not_change_when_others_are_added(network):
    images = torch.randn(50, *SHAPE, generator=torch.Generator().manual_seed(0))
    reference = Reference.of(network, images)
    first, again, other = (draw(reference, seed=0, number=number) for number in (0, 0, 1))
    for layer in network.weights:
        assert torch.equal(first.network.weights[layer], again.network.weights[layer])
        assert not torch.equal(first.network.weights[layer], other.network.weights[layer])


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_file(name, images, tmp_path, settings):
    training.train(
        images=images, output=tmp_path / "network.h5", settings=settings(name), device="cpu"
    )
    generation.generate(
        images=images,
        network=tmp_path / "network.h5",
        output=tmp_path / "generation.h5",
        draws=3,
        flattened_classifier=True,
        settings=settings(name),
        device="cpu",
    )
    with (
        h5py.File(tmp_path / "generation.h5") as file,
        h5py.File(tmp_path / "network.h5") as trained,
    ):
        assert file["accuracy"].shape == file["similarity/layer1"].shape == (3,)
        assert file["reference_accuracy"][()] == trained["history/test_accuracy"][-1]
        assert ("flattened_classifier" in file) == (name == "cnn")
        assert len(set(file["similarity/layer2"][()])) == 3
