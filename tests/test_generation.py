"""What is written of drawn networks: the published way, other classifiers, and variants."""

import h5py
import numpy as np
import pytest
import torch

from latentdims import config, data, generation, networks, training
from latentdims.errors import InputError
from latentdims.sampling import Procedure, Reference, Sampler

VARIANTS = {
    "layer1": {"layers": ["layer1"]},
    "averaged": {"covariances": "averaged", "draws": 1},
    "double": {"width": 2, "classifiers": ["retrained"]},
    "rank": {"rank": [1, 3]},
}


def procedures(**changes):
    resolved = config.resolve(
        {
            "datasets": {"d": {"source": "imagefolder", "path": "x"}},
            "networks": {"n": {"architecture": "mlp", "widths": [2]}},
            "seeds": 2,
            "generation": {"draws": 2, "classifiers": ["flattened", "retrained"], **changes},
        }
    )
    return resolved["generation"]


@pytest.fixture(params=["mlp", "cnn"])
def trained(request, images, tmp_path, settings):
    """Files of two trained networks, and the settings of the first."""
    paths = [tmp_path / f"network{seed}.h5" for seed in range(2)]
    for seed, path in enumerate(paths):
        made = settings(request.param, seed=seed)
        training.train(images=images, output=path, settings=made, device="cpu")
    return request.param, paths, settings(request.param)


def generate(images, trained, tmp_path, **changes):
    _, (network, other), settings = trained
    generation.generate(
        images=images,
        network=network,
        others={1: other},
        output=tmp_path / "generation.h5",
        procedures=procedures(**changes),
        settings=settings,
        device="cpu",
    )
    return tmp_path / "generation.h5"


def test_file(images, trained, tmp_path):
    name, (network, _), _ = trained
    with (
        h5py.File(generate(images, trained, tmp_path, variants=VARIANTS)) as file,
        h5py.File(network) as own,
    ):
        assert file["accuracy"].shape == file["similarity/layer1"].shape == (2,)
        assert file["reference_accuracy"][()] == own["history/test_accuracy"][-1]
        assert len(set(file["similarity/layer2"][()])) == 2
        expected = {"retrained", "layer1", "averaged", "double", "double_retrained", "rank_1"}
        expected |= {"rank_3"} | ({"flattened"} if name == "cnn" else set())
        assert set(file["variants"]) == expected
        assert file["variants/averaged/accuracy"].shape == (1,)
        first = file["similarity/layer1"][()]
        # The first layer is drawn alike where later ones are kept, and otherwise where not.
        np.testing.assert_array_equal(file["variants/layer1/similarity/layer1"][()], first)
        for other in ("averaged", "double", "rank_1"):
            assert not np.isin(file[f"variants/{other}/similarity/layer1"][()], first).any()


def test_a_retrained_classifier_descends_on_the_features_of_the_draw(images, trained):
    """One step over all samples at once is one step along the gradient, written out."""
    _, (path, _), settings = trained
    loaded = data.load(images, preprocessing=settings["preprocessing"], device="cpu")
    network = networks.load(path, settings=settings, images=loaded.sha256).at(-1, device="cpu")
    sampler = Sampler.of(Reference.of(network, loaded.train.images), Procedure())
    drawn = sampler.draw(seed=0, number=0)
    settings["training"] |= {"epochs": 1, "batch_size": 60, "learning_rate": 0.3, "momentum": 0.0}
    found = generation.retrained(sampler, drawn, loaded.train, settings)
    assert found is not None
    start = networks.initial_weights(network.layers[-1:], seed=0, device="cpu")["classifier"]
    x = drawn.features.flatten(1)
    wrong = (x @ start.T).softmax(1) - torch.nn.functional.one_hot(loaded.train.labels, 4)
    expected = start - 0.3 * wrong.T @ x / 60
    assert (found - expected).abs().max() < 1e-5  # float32


def test_a_layer_that_is_not_there_is_named(images, trained, tmp_path):
    with pytest.raises(InputError, match=r"variants\.v\.layers: no hidden layer 'layer3'"):
        generate(images, trained, tmp_path, variants={"v": {"layers": ["layer3"]}})
