"""Measures of a network's output against their definitions."""

import numpy as np
import pytest
import torch
from conftest import NETWORKS, SHAPE, random_network

from latentdims.images.data import Split
from latentdims.models.networks import Network
from latentdims.models.outputs import calibration_error, evaluate, score


@pytest.fixture
def measured() -> tuple[Network, Split, np.ndarray]:
    """A network, more images than a batch, and its probabilities (N, classes)."""
    network = random_network("cnn", seed=0)
    network.weights["classifier"].mul_(20)
    random = torch.Generator().manual_seed(0)
    images = torch.randn(600, *SHAPE, generator=random)
    labels = torch.randint(0, 4, (600,), generator=random)
    probabilities = network.logits(images).double().softmax(1).numpy()
    return network, Split(images, labels), probabilities


def test_loss_and_accuracy(measured):
    network, split, probabilities = measured
    labels = split.labels.numpy()
    loss, accuracy = evaluate(network, split)
    assert loss == pytest.approx(-np.log(probabilities[np.arange(600), labels]).mean(), rel=1e-5)
    assert accuracy == 100 * (probabilities.argmax(1) == labels).sum() / 600
    logits = network.logits(split.images)
    assert score(logits, split.labels) == {
        "accuracy": accuracy,
        "loss": pytest.approx(loss, rel=1e-5),
        "calibration_error": calibration_error(logits, split.labels),
    }


def test_calibration_error_against_a_loop_over_bins(measured):
    network, split, probabilities = measured
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == split.labels.numpy()
    expected = 0.0
    for low in np.arange(15) / 15:
        chosen = (confidence >= low) & (confidence < low + 1 / 15)
        if chosen.any():
            gap = correct[chosen].mean() - confidence[chosen].mean()
            expected += chosen.mean() * abs(gap)
    found = calibration_error(network.logits(split.images), split.labels)
    assert found == pytest.approx(100 * expected, rel=1e-5)


def test_a_wrong_scale_shows_in_calibration_not_in_accuracy(measured):
    network, split, _ = measured
    scaled = network.replaced({name: 10 * w for name, w in network.weights.items()})
    assert evaluate(scaled, split)[1] == evaluate(network, split)[1]
    error, scaled_error = (
        calibration_error(each.logits(split.images), split.labels) for each in (network, scaled)
    )
    assert scaled_error > error + 5


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_what_the_classifier_reads(name):
    network = random_network(name)
    images = torch.randn(9, *SHAPE)
    *_, (_, hidden), (_, logits) = network.representations(images)
    features = network.features(images)
    assert torch.equal(features, hidden)
    assert torch.equal(network.last(features), logits)
