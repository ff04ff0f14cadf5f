import numpy as np
import pytest
import torch

from latentdims import storage
from latentdims.errors import InputError
from latentdims.images import data, preprocessing

TUTORIAL = {
    "steps": ["normalize", "gray"],
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
UNIT = 2.0**-24  # relative rounding error of float32


def write(path, images):
    """A file of images; the test split holds the same, reversed."""
    with storage.create(path, settings={}) as file:
        file["classes"] = ["a", "b"]
        file.attrs["sha256"] = "0"
        for split, values in (("train", images), ("test", images[::-1])):
            file[f"{split}/images"] = values
            file[f"{split}/labels"] = np.arange(len(values), dtype=np.int64) % 2
    return path


def random_images(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def load(path, **preprocessing):
    return data.load(path, preprocessing=preprocessing, device="cpu")


def reference(images, *, steps, mean=None, std=None):
    """Step by step, sample by sample, in float64, and the sum of the magnitudes on the way."""
    values, magnitudes = [], []
    for image in images.astype(np.float64) / 255:
        magnitude = np.abs(image)
        for step in steps:
            if step == "normalize":
                m, s = (np.reshape(x, (-1, 1, 1)) for x in (mean, std))
                image, magnitude = (image - m) / s, (magnitude + np.abs(m)) / s
            else:
                weights = np.reshape([0.2989, 0.587, 0.114], (3, 1, 1))
                image = (weights * image).sum(axis=0, keepdims=True)
                magnitude = (weights * magnitude).sum(axis=0, keepdims=True)
        values.append(image)
        magnitudes.append(magnitude)
    return np.array(values), np.array(magnitudes)


def check(images, expected, magnitude):
    # The constant and each of 3 products are rounded once, each of 3 sums once: every term passes
    # at most 5 roundings (its coefficient, its product, the sums after it).
    assert images.dtype == torch.float32
    assert (np.abs(images.numpy().astype(np.float64) - expected) <= 5 * UNIT * magnitude).all()


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(preprocessing, "CHUNK", 3 * 5 * 7 * 4)  # four images of (3, 5, 7)


@pytest.mark.parametrize("steps", [[], ["gray"], ["normalize"], ["normalize", "gray"]])
def test_preprocessing_is_the_exact_affine_map(tmp_path, small_chunks, steps):
    images = random_images((11, 3, 5, 7))
    preprocessing = TUTORIAL | {"steps": steps}
    loaded = load(write(tmp_path / "i.h5", images), **preprocessing)
    check(loaded.train.images, *reference(images, **preprocessing))
    check(loaded.test.images, *reference(images[::-1], **preprocessing))
    assert loaded.shape == (1 if "gray" in steps else 3, 5, 7)
    assert loaded.train.labels.dtype == torch.int64
    assert loaded.classes == ("a", "b") and loaded.sha256 == "0"


def test_gray_before_normalize_takes_one_number(tmp_path):
    images = random_images((4, 3, 5, 7))
    preprocessing = {"steps": ["gray", "normalize"], "mean": [0.5], "std": [0.2]}
    loaded = load(write(tmp_path / "i.h5", images), **preprocessing)
    check(loaded.train.images, *reference(images, **preprocessing))


def test_gray_leaves_one_channel_as_it_is(tmp_path):
    images = random_images((4, 1, 5, 7))
    loaded = load(write(tmp_path / "i.h5", images), steps=["gray"])
    check(loaded.train.images, *reference(images, steps=[]))


@pytest.mark.parametrize("steps", [["normalize", "gray"], ["gray", "normalize"]])
def test_statistics_of_the_data_set_at_their_step(tmp_path, small_chunks, steps):
    images = random_images((11, 3, 5, 7)) // np.array([1, 2, 3], dtype=np.uint8)[:, None, None]
    loaded = load(write(tmp_path / "i.h5", images), steps=steps, mean="dataset", std="dataset")
    before, _ = reference(images, steps=steps[: steps.index("normalize")])
    mean, std = before.mean(axis=(0, 2, 3)), before.std(axis=(0, 2, 3))
    check(loaded.train.images, *reference(images, steps=steps, mean=mean, std=std))
    # The test split is treated with the statistics of the training split.
    assert torch.equal(loaded.test.images, loaded.train.images.flip(0))


def test_moments_are_exact(tmp_path, small_chunks):
    images = random_images((11, 3, 5, 7))
    with storage.read(write(tmp_path / "i.h5", images)) as file:
        mean, covariance = preprocessing.moments(file["train/images"])
    pixels = images.swapaxes(0, 1).reshape(3, -1).astype(np.float64)
    # Sums of whole numbers are exact here, so that only NumPy's own rounding remains.
    assert mean == pytest.approx(pixels.mean(axis=1), rel=1e-14)
    assert covariance == pytest.approx(np.cov(pixels, bias=True), rel=1e-12, abs=1e-9)


def refused(path, *words, **preprocessing):
    with pytest.raises(InputError) as error:
        load(path, **preprocessing)
    for word in words:
        assert word in str(error.value)


def test_a_constant_channel_is_refused(tmp_path):
    images = random_images((5, 3, 5, 7))
    images[:, 1] = 77
    path = write(tmp_path / "i.h5", images)
    refused(path, str(path), "channel 1", "constant", "preprocessing.std", steps=["normalize"])


def test_gray_of_two_channels_is_refused(tmp_path):
    path = write(tmp_path / "i.h5", random_images((5, 2, 5, 7)))
    refused(path, str(path), "'gray' needs 1 or 3 channels, found 2", steps=["gray"])


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("mean", [0.5], ("found 1", "expected 3")),
        ("std", [0.5] * 4, ("found 4", "expected 3")),
        ("mean", "imagenet", ("found 'imagenet'", "'dataset' or a list of 3")),
        ("mean", 0.5, ("found 0.5",)),
        ("mean", [0, 0, float("nan")], ("nan",)),
        ("std", [1, 1, 0], ("[1, 1, 0]", "above 0")),
        ("std", [1, -0.5, 1], ("[1, -0.5, 1]", "above 0")),
    ],
)
def test_wrong_statistics_are_refused(tmp_path, key, value, words):
    path = write(tmp_path / "i.h5", random_images((5, 3, 5, 7)))
    refused(path, f"preprocessing.{key}", *words, steps=["normalize"], **{key: value})


def test_an_unknown_step_is_refused(tmp_path):
    path = write(tmp_path / "i.h5", random_images((5, 3, 5, 7)))
    refused(path, "preprocessing.steps", "did you mean 'gray'", steps=["grey"])
