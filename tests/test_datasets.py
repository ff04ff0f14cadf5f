"""Data sets in the configuration: their keys, and what is known of their images beforehand."""

import pytest
from test_config import dataset

from latentdims.configuration.config import resolve
from latentdims.errors import InputError


def test_keys_of_another_source_are_ignored():
    mixed = dataset(source="imagefolder", path="photos.tar", name="CIFAR10", seed=50)
    keys = {"path", "size", "range", "test_share", "split_seed"}
    assert set(resolve(mixed)["datasets"]["mine"]) == {"preprocessing", "source", *keys}


def test_a_number_of_images_is_of_any_source():
    folder = {"source": "imagefolder", "path": "photos.tar"}
    found = resolve(dataset(**folder, train_samples=50))["datasets"]["mine"]
    assert found["train_samples"] == 50 and "test_samples" not in found
    found = resolve(dataset(source="embedded", test_samples=60))["datasets"]["mine"]
    assert (found["train_samples"], found["test_samples"]) == (8000, 60)


@pytest.mark.parametrize(
    ("source", "steps", "given", "channels"),
    [
        ({"source": "embedded"}, ["normalize", "gray"], [0.5], 3),
        ({"source": "embedded"}, ["gray", "normalize"], [0.5, 0.4], 1),
        ({"source": "torchvision", "name": "MNIST"}, ["normalize"], [0.5, 0.4, 0.1], 1),
    ],
)
@pytest.mark.parametrize("key", ["mean", "std"])
def test_statistics_are_as_many_as_the_channels(source, steps, given, channels, key):
    found = f"preprocessing.{key}: found {len(given)} number.*, expected {channels}"
    with pytest.raises(InputError, match=found):
        resolve(dataset(**source, preprocessing={"steps": steps, key: given}))
    resolve(dataset(**source, preprocessing={"steps": steps, key: [0.5] * channels}))
    resolve(dataset(**source, preprocessing={"steps": ["gray"], key: given}))
