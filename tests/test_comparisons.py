"""Comparisons of networks of other widths, families, training data and epochs: every number of
their files by plain code in float64, from representations taken by hooks of PyTorch's own."""

from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from conftest import write_images

from latentdims.comparison import unrelated
from latentdims.errors import InputError
from latentdims.models import networks
from latentdims.statistics import folds
from latentdims.steps import comparison, training
from latentdims.storage import SPLITS

SAMPLES = {"train": 51, "test": 37}  # of what all members are shown
# Of one member after the other: seed, data set that it was trained on, network. Nothing is alike.
MEMBERS = {
    "a/wide": (1, "a", {"architecture": "cnn", "channels": [5, 4], "kernel_size": 3, "stride": 2}),
    "b/narrow": (
        0,
        "b",
        {"architecture": "cnn", "channels": [3, 2], "kernel_size": 3, "stride": 2},
    ),
    "a/flat": (2, "a", {"architecture": "mlp", "widths": [6, 7]}),
}
TOLERANCE = 3e-4  # of float32, relative to the largest number: sums of some thousand rows
SITES = ("layer1", "layer2", "classifier")


@pytest.fixture
def files(tmp_path, settings):
    """Data sets, and the network of each member, trained with the statistics of its own data."""
    found = {
        "a": write_images(tmp_path / "a.h5", seed=1, train=60, test=20),
        "b": write_images(tmp_path / "b.h5", seed=2, train=48, test=24),
        "shown": write_images(tmp_path / "shown.h5", seed=3, **SAMPLES),
    }
    with h5py.File(found["b"], "r+") as file:  # darker, so that its statistics differ
        file["train/images"][...] = file["train/images"][()] // 3
        for split in SPLITS:  # of fewer classes
            file[f"{split}/labels"][...] = file[f"{split}/labels"][()] % 3
        del file["classes"]
        file["classes"] = ["x", "y", "z"]
    for name, (seed, data, network) in MEMBERS.items():
        made = {**settings(seed=seed, epochs=2), "network": network}
        found[name] = tmp_path / f"{name.replace('/', '_')}.h5"
        training.train(images=found[data], output=found[name], settings=made, device="cpu")
    return found


def made_with(settings, name: str, *, epoch=None, positions="samples") -> dict:
    seed, _, network = MEMBERS[name]
    made = {**settings(seed=seed, epochs=2), "network": network}
    return {**made, "name": name, "epoch": epoch, "positions": positions}


def place(name: str) -> str:
    return f"{name}/seed{MEMBERS[name][0]}"


def measured(files, settings, tmp_path, own: str, partners: dict, **options) -> Path:
    """The alignment file of a member with others, {name: matches}, and their covariances."""
    everyone = [*partners, own]
    epochs = options.pop("epochs", {})
    made = {name: made_with(settings, name, epoch=epochs.get(name), **options) for name in everyone}
    given = {}
    for name in everyone:
        others = partners if name == own else {}
        given[name] = {
            "images": files["shown"],
            "network": files[name],
            "networks": [files[other] for other in others],
            "partners": [
                {"place": place(other), "settings": made[other], "matches": matches}
                for other, matches in others.items()
            ],
            "settings": made[name],
            "device": "cpu",
        }
        output = tmp_path / f"covariance_{name.replace('/', '_')}.h5"
        comparison.covariance(output=output, **given[name])
    path = tmp_path / "alignment.h5"
    comparison.align(
        **given[own],
        covariance=tmp_path / f"covariance_{own.replace('/', '_')}.h5",
        covariances=[tmp_path / f"covariance_{name.replace('/', '_')}.h5" for name in partners],
        output=path,
        vectors=3,
        centrings=["uncentred", "centred"],
        pairings=2,
        neighbours=2,
    )
    return path


def representations(files, settings, name: str, split: str, *, index: int) -> dict[str, np.ndarray]:
    """(N, C, P) float64 at every site: images through the statistics of the member's own data."""
    _, data, _ = MEMBERS[name]
    with h5py.File(files[data]) as file:
        pixels = file["train/images"][()] / 255
        mean, std = pixels.mean((0, 2, 3)), pixels.std((0, 2, 3))
    with h5py.File(files["shown"]) as file:
        images = (file[f"{split}/images"][()] / 255 - mean[:, None, None]) / std[:, None, None]
    seed, _, network = MEMBERS[name]
    made = {**settings(seed=seed, epochs=2), "network": network}
    module = networks.load(files[name], settings=made, sha256=None).at(index, device="cpu").module
    seen: dict[str, np.ndarray] = {}
    for site in SITES:
        part = module.get_submodule(site)
        part.register_forward_hook(
            lambda _, __, out, site=site: seen.__setitem__(
                site, out.double().reshape(*out.shape[:2], -1).numpy()
            )
        )
    with torch.no_grad():
        module.double()(torch.from_numpy(images))
    return seen


def rows(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 1).reshape(-1, x.shape[1])


def rotation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    left, _, right = np.linalg.svd(x.T @ y, full_matrices=False)
    return left @ right


def similarity(x: np.ndarray, y: np.ndarray, turn: np.ndarray) -> float:
    return float(((x @ turn) * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(0)


def assert_pair(group, both: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Scores and rotations of a pair of sites at one epoch (the last), from representations."""
    flat = {split: tuple(rows(x) for x in each) for split, each in both.items()}
    turn = rotation(*flat["train"])
    own = rotation(*map(centred, flat["train"]))
    for at, split in enumerate(SPLITS):
        x, y = flat[split]
        expected = similarity(x, y, turn), similarity(centred(x), centred(y), own)
        np.testing.assert_allclose(group["similarity"][-1, at], expected, atol=TOLERANCE)
    np.testing.assert_allclose(group["rotation"][-1], turn, atol=100 * TOLERANCE)
    parts = folds.of(SAMPLES["test"])
    x, y = both["test"]
    for fold in range(folds.FOLDS):
        one, other = (rows(each[parts == fold]) for each in (x, y))
        expected = similarity(one, other, turn)
        assert group["similarity_folds"][fold, -1, 0] == pytest.approx(expected, abs=TOLERANCE)
    for pairing in (1, 2):
        met = {}
        for split, (theirs, ours) in both.items():
            order = [members.numpy() for members in unrelated.folds_of(len(ours))]
            first = np.concatenate(order)
            second = np.concatenate([np.roll(each, -pairing) for each in order])
            met[split] = rows(theirs[first]), rows(ours[second])
        unrelated_turn = rotation(*met["train"])
        expected = [similarity(*met[split], unrelated_turn) for split in SPLITS]
        found = group["similarity_null"][pairing - 1, -1, :, 0]
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.parametrize("index", [0, -1])
def test_networks_of_other_widths_data_and_preprocessing(files, settings, tmp_path, index):
    """Trained, and as they were before training."""
    matches = {site: (site, site) for site in SITES[:2]}
    epochs = {"a/wide": 0.0, "b/narrow": 0.0} if index == 0 else {}
    path = measured(files, settings, tmp_path, "b/narrow", {"a/wide": matches}, epochs=epochs)
    seen = {
        (name, split): representations(files, settings, name, split, index=index)
        for name, split in product(["a/wide", "b/narrow"], SPLITS)
    }
    with h5py.File(path) as file:
        assert set(file) == {"a", "centring", "epoch", "spectra", "split"}
        assert file["epoch"][()].tolist() == ([0.0] if index == 0 else [0.0, 2.0])
        group = file[place("a/wide")]
        assert set(group) == set(matches)
        for site in matches:
            assert group[site]["rotation"].shape[1:] == (
                seen["a/wide", "train"][site].shape[1],
                seen["b/narrow", "train"][site].shape[1],
            )
            both = {
                split: (seen["a/wide", split][site], seen["b/narrow", split][site])
                for split in SPLITS
            }
            assert_pair(group[site], both)


def test_every_layer_with_every_one_averaged_over_positions(files, settings, tmp_path):
    """Of another family, which has no positions; layers are taken in any order."""
    wanted = [("layer2", "layer1"), ("layer1", "layer2"), ("layer1", "layer1")]
    matches = {theirs + "~" + ours: (theirs, ours) for theirs, ours in wanted}
    path = measured(files, settings, tmp_path, "a/flat", {"a/wide": matches}, positions="average")
    seen = {
        (name, split): representations(files, settings, name, split, index=-1)
        for name, split in product(["a/wide", "a/flat"], SPLITS)
    }
    with h5py.File(path) as file:
        for name, (theirs, ours) in matches.items():
            both = {
                split: (
                    seen["a/wide", split][theirs].mean(2, keepdims=True),
                    seen["a/flat", split][ours].mean(2, keepdims=True),
                )
                for split in SPLITS
            }
            assert_pair(file[place("a/wide")][name], both)


def test_two_partners_of_unequal_widths_stand_apart(files, settings, tmp_path):
    matches = {"layer1": ("layer1", "layer1")}
    partners = {"a/wide": matches, "a/flat": {"layer1~layer2": ("layer2", "layer1")}}
    path = measured(files, settings, tmp_path, "b/narrow", partners, positions="average")
    both = {
        split: tuple(
            representations(files, settings, name, split, index=-1)[site].mean(2, keepdims=True)
            for name, site in (("a/flat", "layer2"), ("b/narrow", "layer1"))
        )
        for split in SPLITS
    }
    with h5py.File(path) as file:
        assert_pair(file[place("a/flat")]["layer1~layer2"], both)


def test_other_numbers_of_positions_are_refused(files, settings, tmp_path):
    matches = {"layer1": ("layer1", "layer1")}
    words = (
        r"layer1 of a/wide, seed 1 has 25 positions in an image, and layer1 of a/flat, seed 2 "
        "has 1; set positions: average"
    )
    with pytest.raises(InputError, match=words):
        measured(files, settings, tmp_path, "a/flat", {"a/wide": matches})


def test_an_epoch_that_was_not_kept_is_refused(files, settings, tmp_path):
    with pytest.raises(InputError, match=r"a/flat, seed 2 was not kept at epoch 1, but at 0, 2;"):
        measured(files, settings, tmp_path, "a/flat", {}, epochs={"a/flat": 1.0})


def test_images_of_another_size_are_refused(files, settings, tmp_path):
    files["shown"] = write_images(tmp_path / "large.h5", shape=(2, 13, 12))
    with pytest.raises(InputError, match=r"sees 11 x 11 pixels, and the images .* have 13 x 12;"):
        measured(files, settings, tmp_path, "a/flat", {})
    files["shown"] = write_images(tmp_path / "gray.h5", shape=(1, 11, 11))
    with pytest.raises(InputError, match=r"images of 1 channels, and the network sees .* of 2;"):
        measured(files, settings, tmp_path, "a/flat", {})
