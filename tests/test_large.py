"""Images that are too many for memory: the same numbers, read part by part."""

import math
import os
import subprocess
import sys
import tarfile

import h5py
import numpy as np
import pytest
import torch
from conftest import write_images
from PIL import Image

from latentdims import storage
from latentdims.images import data
from latentdims.images.data import ARRAYS, Stored
from latentdims.images.sources import decoding, imagefolder
from latentdims.steps import clipping, covariance, generation, training
from latentdims.steps.prepare import prepare

PUBLISHED = {"layers": "all", "width": 1.0, "covariances": "own", "rank": "all"}
PUBLISHED |= {"classifiers": ["retrained"], "draws": 2, "images": 41}
ODD = (3, 11, 13)  # shape of images whose sizes are multiples of nothing


def artefacts(folder, images, settings):
    """Everything that is made of images, as bytes by name."""
    folder.mkdir()
    paths = {name: folder / f"{name}.h5" for name in ("network", "covariance", "clipping")}
    paths["generation"] = folder / "generation.h5"
    shared = {"settings": settings, "device": "cpu", "images": images}
    training.train(output=paths["network"], **shared)
    shared |= {"network": paths["network"]}
    covariance.covariance(partners={}, output=paths["covariance"], **shared)
    clipping.clip(
        covariance=paths["covariance"],
        output=paths["clipping"],
        bases=["activation", "weight"],
        ranks="all",
        rerun_ranks=3,
        rerun_images=17,
        **shared,
    )
    generation.generate(
        others={},
        output=paths["generation"],
        procedures={"published": PUBLISHED},
        **shared,
    )
    return {name: path.read_bytes() for name, path in paths.items()}


@pytest.mark.parametrize("name", ["norm", "resnet"])
def test_images_that_stay_in_their_file_give_the_same_bytes(name, tmp_path, settings, monkeypatch):
    """Of a chain with norms and of a network that runs again for each rank, with augmentation."""
    images = write_images(tmp_path / "i.h5", seed=5, train=61, test=37, shape=ODD)
    made = settings(name, seed=2, epochs=2, augmentation=["flip", "crop"])
    made["preprocessing"] = {"steps": ["normalize"], "mean": "dataset", "std": "dataset"}
    whole = artefacts(tmp_path / "whole", images, made)
    monkeypatch.setattr(data, "IN_MEMORY", 4 * (61 + 37) * math.prod(ODD) - 1)
    monkeypatch.setattr(Stored, "all", lambda self: pytest.fail("all images were read at once"))
    parts = artefacts(tmp_path / "parts", images, made)
    assert {name: whole[name] == parts[name] for name in whole} == dict.fromkeys(whole, True)


def test_stored_images_are_indexed_and_split_as_tensors_are(tmp_path):
    path = write_images(tmp_path / "i.h5", train=23, test=11, shape=ODD)
    with data.opened(path, preprocessing={"steps": ["normalize", "gray"]}, device="cpu") as file:
        whole, stored = (file.split("train", at_most=most) for most in (1e9, 0))
        assert isinstance(stored.images, Stored) and isinstance(whole.images, torch.Tensor)
        order = torch.randperm(23, generator=torch.Generator().manual_seed(1))
        for samples in (order[:5], order[:12].view(3, 4)):
            assert torch.equal(stored.images[samples], whole.images[samples])
        some, few = stored.chosen(order[3:20]), whole.chosen(order[3:20])
        for ours, theirs in ((stored, whole), (some, few), (some.chosen(order[:3] % 17),) * 2):
            assert torch.equal(ours.labels, theirs.labels)
            assert ours.images.shape == theirs.images.shape and len(ours.images) == len(ours.labels)
            for _ in range(2):  # norms go through them more than once
                pairs = zip(ours.images.split(6), theirs.images.split(6), strict=True)
                assert all(torch.equal(*pair) for pair in pairs)
        assert torch.equal(some.images[torch.arange(17)], few.images)
        assert np.array_equal(some.images.labels, few.labels.numpy())


def photos(folder, *, shape, counts):
    """Images of noise as PNG, and the arrays that they become."""
    random = np.random.default_rng(7)
    arrays = {}
    for split, per_class in counts.items():
        images, labels = [], []
        for label, (name, number) in enumerate(sorted(per_class.items())):
            for index in range(number):
                pixels = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
                place = folder / split / name / f"{index:03}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place)
                images.append(pixels.transpose(2, 0, 1))
                labels.append(label)
        arrays[f"{split}/images"] = np.stack(images)
        arrays[f"{split}/labels"] = np.array(labels)
    return arrays


COUNTS = {"train": {"owl": 13, "crow": 8}, "test": {"owl": 5, "crow": 6}}


@pytest.mark.parametrize("kept", [{}, {"train_samples": 11, "test_samples": 7}])
def test_parts_in_any_order_make_the_same_file(kept, tmp_path, monkeypatch):
    """As images lie in an archive: neither by split nor by class."""
    arrays = photos(tmp_path / "photos", shape=(5, 6), counts=COUNTS)
    files = sorted((tmp_path / "photos").rglob("*.png"))
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for number in np.random.default_rng(3).permutation(len(files)):
            archive.add(files[number], files[number].relative_to(tmp_path))
    decode, decoded = decoding.decode, []

    def counted(*given, **options):
        decoded.append(1)
        return decode(*given, **options)

    monkeypatch.setattr(decoding, "decode", counted)
    for split in ("train", "test"):
        there = len(arrays[f"{split}/labels"])
        stream = ("train", "test").index(split)
        drawn = np.random.default_rng([0, stream]).permutation(there)
        rows = np.sort(drawn[: kept.get(f"{split}_samples", there)])
        for kind in ("images", "labels"):
            arrays[f"{split}/{kind}"] = arrays[f"{split}/{kind}"][rows]
    source = {"source": "imagefolder", "path": "photos", **kept}
    files = {}
    for path in (tmp_path / "photos", tmp_path / "photos.tar"):
        for size in (1, 4 * 3 * 5 * 6, 1 << 24):
            monkeypatch.setattr(imagefolder, "PART", size)
            decoded.clear()
            prepare(output=tmp_path / "i.h5", source=source, files=[str(path)])
            files[path, size] = (tmp_path / "i.h5").read_bytes()
            assert len(decoded) == 1 + sum(len(arrays[f"{split}/labels"]) for split in COUNTS)
    assert len({*files.values()}) == 1
    with h5py.File(tmp_path / "i.h5") as file:
        assert all(np.array_equal(file[name][()], arrays[name]) for name in ARRAYS)
        assert file.attrs["sha256"] == storage.sha256(*(arrays[name] for name in ARRAYS))


PREPARE = """
import sys
from latentdims.steps.prepare import prepare
prepare(output=sys.argv[1], source={"source": "imagefolder"}, files=[sys.argv[2]])
from latentdims.workflow.job import peak_memory
print(peak_memory())
"""


def test_prepare_holds_a_part_of_the_images_alone(tmp_path):
    """One image by another, the process takes as much as of few images, and two parts."""
    image = Image.effect_noise((512, 512), 60).convert("RGB")
    image.save(tmp_path / "image.jpg")
    peaks = {}
    for name, number in (("few", 2), ("many", 130)):
        for split in ("train", "test"):
            for label in "ab":
                place = tmp_path / name / split / label
                place.mkdir(parents=True)
                for index in range(number):
                    os.link(tmp_path / "image.jpg", place / f"{index}.jpg")
        done = subprocess.run(
            [sys.executable, "-c", PREPARE, str(tmp_path / f"{name}.h5"), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks[name] = float(done.stdout)
    stored = (tmp_path / "many.h5").stat().st_size / 1e6
    # Pictures that wait for each split, as they were decoded, and stacked; a part that is hashed.
    parts = 4 * imagefolder.PART / 1e6 + storage.HASHED / 1e6
    assert stored > 4 * parts
    assert peaks["many"] - peaks["few"] < parts
