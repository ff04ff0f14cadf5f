"""Augmentation against torchvision's functions, image by image, and how often each is drawn."""

from collections import Counter

import pytest
import torch

from latentdims import torchvision
from latentdims.recipes.augmentation import augment, draw, moved

torchvision.load("datasets")  # makes torchvision ready to import

from torchvision.transforms import functional  # noqa: E402

BOTH = ["flip", "crop"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def one(image, top, left, flipped, padding=4):
    """What torchvision makes of an image (C, H, W)."""
    image = functional.crop(functional.pad(image, padding), top, left, *image.shape[1:])
    return functional.hflip(image) if flipped else image


@pytest.mark.parametrize("padding", [0, 1, 4, 12])
@pytest.mark.parametrize("names", [["flip"], ["crop"], BOTH])
def test_each_image_is_moved_as_torchvision_moves_it(names, padding):
    images = torch.randn(40, 3, 10, 13, generator=generator(1))
    for given in (images, images.to(memory_format=torch.channels_last), images.byte()):
        found = augment(given, names, generator(), padding)
        drawn = draw(40, names, generator(), padding=padding)
        assert found.dtype == given.dtype
        for image, result, (top, left, flipped) in zip(given, found, drawn.T.tolist(), strict=True):
            assert torch.equal(result, one(image, top, left, flipped, padding))


@pytest.mark.parametrize(
    ("names", "kinds"), [(BOTH, 162), (BOTH[::-1], 162), (["flip"], 2), (["crop"], 81)]
)
def test_all_windows_and_both_sides_are_equally_frequent(names, kinds):
    image = torch.arange(1.0, 82).view(1, 9, 9)  # no two of its windows are alike
    windows = range(9) if "crop" in names else [4]
    expected = {
        one(image, top, left, flipped).numpy().tobytes()
        for top in windows
        for left in windows
        for flipped in (range(2) if "flip" in names else [0])
    }
    assert len(expected) == kinds
    count = 200 * kinds
    found = augment(image.expand(count, 1, 9, 9), names, generator())
    counts = Counter(each.numpy().tobytes() for each in found)
    assert counts.keys() == expected
    # Five standard deviations of a binomial count.
    deviation = (200 * (1 - 1 / kinds)) ** 0.5
    assert max(abs(number - 200) for number in counts.values()) < 5 * deviation


def test_the_state_of_the_generator_decides_and_no_name_changes_another():
    images = torch.randn(30, 1, 8, 8, generator=generator(1))
    ends = []
    for names in (["flip"], ["crop"], BOTH):
        drawing = generator()
        first = augment(images, names, drawing)
        ends.append(drawing.get_state())
        assert torch.equal(first, augment(images, names, generator()))
        assert not torch.equal(first, augment(images, names, drawing))
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])
    both = draw(30, BOTH, generator())
    assert torch.equal(both[:2], draw(30, ["crop"], generator())[:2])
    assert torch.equal(both[2], draw(30, ["flip"], generator())[2])


def test_batches_of_several_generators_can_be_moved_at_once():
    images = torch.randn(2, 5, 1, 8, 8, generator=generator(1))
    apart = [augment(each, BOTH, generator(seed)) for seed, each in enumerate(images)]
    drawn = torch.cat([draw(5, BOTH, generator(seed)) for seed in range(2)], dim=1)
    assert torch.equal(moved(images.flatten(0, 1), drawn), torch.cat(apart))


def test_without_names_the_images_stay_and_nothing_is_drawn():
    images, drawing = torch.randn(3, 1, 8, 8), generator()
    assert augment(images, [], drawing) is images
    assert torch.equal(drawing.get_state(), generator().get_state())
