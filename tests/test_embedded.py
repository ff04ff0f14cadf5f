import subprocess
import sys

import numpy as np
import pytest
from gathered import gathered

from latentdims.errors import InputError
from latentdims.images.sources import embedded


def images(samples, *, seed):
    labels, batches = embedded.images(samples, seed=seed)
    return np.concatenate(list(batches)), labels


def test_background_has_the_spectrum_of_natural_images():
    samples = 2000
    field = embedded.noise(samples, np.random.default_rng(0))
    power = (np.abs(np.fft.fft2(field)) ** 2).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(embedded.SIZE)] * 2, indexing="ij"))
    flat = (power * frequency**2).ravel()[1:]
    # A periodogram ordinate has a relative deviation of 1, or √2 where it is real, so that a mean
    # over the samples has at most √(2/2000) = 3.2 %; five of these for the largest of 1023.
    assert np.abs(flat / flat.mean() - 1).max() < 5 * np.sqrt(2 / samples)
    assert abs(field.mean()) < 1e-6
    # Few frequencies carry most of the power: its relative deviation is Σ p² over the spectrum p.
    share = np.divide(1, frequency**2, where=frequency > 0, out=np.zeros_like(frequency))
    share /= share.sum()
    assert (field**2).mean() == pytest.approx(1, abs=5 * np.sqrt(2 * (share**2).sum() / samples))


def test_colour_clouds_keep_the_spectrum_in_every_channel():
    samples = 1000
    clouds = embedded.background(samples, np.random.default_rng(1))
    power = (np.abs(np.fft.fft2(clouds)) ** 2).mean(axis=0)  # (3, H, W)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(embedded.SIZE)] * 2, indexing="ij"))
    inside = (frequency > 0) & (frequency < 0.5)
    for channel in power:
        slope = np.polyfit(np.log(frequency[inside]), np.log(channel[inside]), 1)[0]
        # The log of a mean over 1000 images deviates by less than 8 %, contrasts varying between
        # them; half of the frequencies are copies: that leaves the slope 0.08 / √(n/2) / spread.
        points = np.log(frequency[inside])
        assert slope == pytest.approx(-2, abs=5 * 0.08 / np.sqrt(len(points) / 2) / points.std())


def test_images_depend_on_the_seed_alone():
    (first, labels), (again, labels_again), (other, _) = (images(60, seed=n) for n in (3, 3, 4))
    assert first.dtype == np.uint8 and first.shape == (60, 3, 32, 32)
    assert np.array_equal(first, again) and np.array_equal(labels, labels_again)
    assert not np.array_equal(first, other)


def test_splits_are_independent():
    arrays, classes = gathered(embedded.draw(train_samples=50, test_samples=50, seed=0))
    longer, _ = gathered(embedded.draw(train_samples=80, test_samples=50, seed=0))
    assert len(classes) == 10
    assert not np.array_equal(arrays["train/images"], arrays["test/images"])
    assert np.array_equal(arrays["test/images"], longer["test/images"])


def test_classes_are_balanced_and_shuffled():
    labels, _ = embedded.images(1003, seed=0)
    counts = np.bincount(labels, minlength=10)
    assert labels.dtype == np.int64
    assert counts.min() >= 100 and counts.max() <= 101
    # A pair of neighbours in an order at random rises by one, cyclically, a tenth of the time.
    rises = ((np.diff(labels) % 10) == 1).mean()
    assert rises == pytest.approx(0.1, abs=5 * np.sqrt(0.1 * 0.9 / 1002))


def test_every_shape_is_closed_and_near_unit_size():
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 301), np.linspace(-1.5, 1.5, 301))
    masks = {name: distance(x, y) < 0 for name, distance in embedded.SHAPES.items()}
    for name, mask in masks.items():
        extent = np.hypot(x[mask], y[mask]).max()
        assert 0.7 < extent < 1.3, name
        assert 0.3 < mask.sum() * 0.01**2 < 2.6, name
    names = list(masks)
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            overlap = (masks[name] & masks[other]).sum() / (masks[name] | masks[other]).sum()
            assert overlap < 0.9, (name, other)


def test_distances_of_the_disk_are_pixels_from_its_edge():
    x, y = np.array([0.0, 0.85, 2.0]), np.zeros(3)
    assert embedded.SHAPES["disk"](x, y) == pytest.approx([-0.85, 0, 1.15])


@pytest.mark.parametrize("samples", [0, 9, 10.5, "many"])
def test_too_few_samples_are_refused(samples):
    with pytest.raises(InputError, match=r"test_samples.*at least 10"):
        embedded.draw(train_samples=10, test_samples=samples)


def test_torch_is_not_imported():
    command = (
        "import sys, latentdims.images.sources.embedded as _; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", command], check=True)
