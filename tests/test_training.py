"""Training: repeatable, different between seeds, and stopped when it diverges."""

import h5py
import numpy as np
import pytest
from conftest import write_images

from latentdims import storage
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.models import networks, outputs
from latentdims.statistics import folds
from latentdims.steps.training import train


def test_the_same_seed_gives_the_same_bytes(images, tmp_path, settings):
    for name in ("first", "second"):
        train(images=images, output=tmp_path / name, settings=settings("cnn"), device="cpu")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_seeds_differ_in_initialisation_and_in_shuffling(images, tmp_path, settings, monkeypatch):
    outputs = []
    for seed in (0, 1):
        outputs.append(tmp_path / f"{seed}")
        train(images=images, output=outputs[-1], settings=settings(seed=seed), device="cpu")
    with h5py.File(outputs[0]) as first, h5py.File(outputs[1]) as second:
        assert not np.array_equal(first["weights/layer1"][0], second["weights/layer1"][0])
    orders = [networks.torch_generator(seed, stream=1).initial_seed() for seed in (0, 1)]
    assert orders[0] != orders[1]
    # From the same start, another shuffling ends elsewhere.
    initial = networks.initial
    monkeypatch.setattr(
        networks, "initial", lambda made, *, seed, **given: initial(made, seed=0, **given)
    )
    train(images=images, output=tmp_path / "shuffled", settings=settings(seed=1), device="cpu")
    with h5py.File(outputs[0]) as first, h5py.File(tmp_path / "shuffled") as second:
        assert np.array_equal(first["weights/layer1"][0], second["weights/layer1"][0])
        assert not np.array_equal(first["weights/layer1"][-1], second["weights/layer1"][-1])


def test_history_and_kept_epochs(images, tmp_path, settings):
    made = settings("cnn", epochs=4, keep_epochs=[2])
    train(images=images, output=tmp_path / "network.h5", settings=made, device="cpu")
    loaded = data.load(images, preprocessing=made["preprocessing"], device="cpu")
    trained = networks.load(tmp_path / "network.h5", settings=made, sha256=loaded.sha256)
    assert trained.epochs.tolist() == [0, 2, 4]
    steps = -(-len(loaded.train.labels) // made["training"]["batch_size"])
    with storage.read(tmp_path / "network.h5") as file:
        assert file["weights/layer2"].shape == (3, 6, 3, 3, 3)
        assert file["steps"][()].tolist() == [0, 2 * steps, 4 * steps]
        for index, epoch in enumerate(trained.epochs.astype(int)):
            loss, accuracy = outputs.evaluate(trained.at(index, device="cpu"), loaded.test)
            assert file["history/test_loss"][epoch] == loss
            assert file["history/test_accuracy"][epoch] == accuracy
            for scores, measure in zip(
                outputs.by_image(trained.at(index, device="cpu"), loaded.test),
                ("loss", "accuracy"),
                strict=True,
            ):
                found = file[f"history/folds/test_{measure}"][:, epoch]
                np.testing.assert_allclose(found, folds.means(scores.numpy()), rtol=1e-12)
        assert len(file["history/train_loss"]) == 5
        assert file["history/train_loss"][-1] < file["history/train_loss"][0]


def test_initial_weights_are_pytorch_s_default(settings, tmp_path):
    images = write_images(tmp_path / "images.h5")
    made = settings("mlp")
    made["network"] = {"architecture": "mlp", "widths": [400]}
    train(images=images, output=tmp_path / "network.h5", settings=made, device="cpu")
    with h5py.File(tmp_path / "network.h5") as file:
        weight = file["weights/layer1"][0]
    fan_in = weight.shape[1]
    assert np.abs(weight).max() <= fan_in**-0.5
    # A uniform variable of variance v has fourth moment 9/5 v²: the deviation of v̂ is √(4/5n) v.
    deviation = np.sqrt(0.8 / weight.size)
    assert weight.var() * 3 * fan_in == pytest.approx(1, abs=5 * deviation)


def test_divergence_names_epoch_step_and_learning_rate(images, tmp_path, settings):
    made = settings(learning_rate=1e30)
    with pytest.raises(InputError, match=r"step \d+ of epoch 1 with learning rate 1e\+30"):
        train(images=images, output=tmp_path / "network.h5", settings=made, device="cpu")
    assert list(tmp_path.glob("*network*")) == []


def test_an_architecture_that_does_not_fit_is_refused_first(images, tmp_path, settings):
    made = settings("cnn")
    made["network"] = {**made["network"], "kernel_size": 12}
    with pytest.raises(InputError, match="12 is larger than the 11 x 11 input of layer1"):
        train(images=images, output=tmp_path / "network.h5", settings=made, device="cpu")
