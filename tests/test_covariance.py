"""Covariances in one pass against all data at once, in any batches."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch
from conftest import integer_images, integer_network, write_images
from hypothesis import given
from hypothesis import strategies as st

from latentdims import sizes, storage
from latentdims.comparison import passes
from latentdims.comparison.moments import ROWS, Centred, Moments, rows
from latentdims.comparison.passes import measure
from latentdims.comparison.views import NetworkView
from latentdims.errors import InputError
from latentdims.models import networks
from latentdims.statistics import folds
from latentdims.steps import covariance, training
from latentdims.storage import SPLITS

EPS = np.finfo(np.float64).eps
SINGLE = float(np.finfo(np.float32).eps)


def merged(x: torch.Tensor, y: torch.Tensor, cuts: list[int]) -> Moments:
    moments = Moments()
    for start, end in pairwise([0, *sorted(cuts), len(x)]):
        if end > start:
            parts = ([Centred.of(each[start:end].double())] for each in (x, y))
            moments.merge(Moments.of(*parts))
        else:
            moments.merge(Moments())
    return moments


def tolerance(x: np.ndarray, y: np.ndarray) -> float:
    """Rounding of a mean of n products: each sum of n terms errs by at most n eps of its size."""
    return 8 * len(x) * EPS * float(np.abs(x).max() * np.abs(y).max())


def single_tolerance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The same (C, D) of products in float32, of rows about a mean.

    Each product carries three roundings, by eps / 2: two of what is centred, and its own. At most
    ROWS are added in float32, which adds as many; Σ|x||y| is at most n times both deviations. The
    means of batches, which are sums in float32 too, err as much: twice that.
    """
    roundings = min(len(x), ROWS) + 3
    return 2 * roundings * SINGLE / 2 * np.outer(x.std(0), y.std(0)) + tolerance(x, y)


@pytest.mark.parametrize("count", [40, ROWS, 3 * ROWS + 5])
@pytest.mark.parametrize("offset", [0.0, 1.0, 100.0])
def test_products_in_float32_are_added_in_float64(count, offset):
    x, y = (
        (np.random.default_rng(seed).standard_normal((count, 3)) + offset).astype(np.float32)
        for seed in range(2)
    )
    moments = Moments.of(*([Centred.of(torch.from_numpy(each))] for each in (x, y)))
    x, y = x.astype(np.float64), y.astype(np.float64)
    expected = (x - x.mean(0)).T @ (y - y.mean(0)) / count
    assert moments.scatter.dtype == moments.mean_x.dtype == torch.float64
    assert (np.abs(moments.covariance.numpy() - expected) <= single_tolerance(x, y)).all()
    # What is left of the mean is the rounding of the centred rows, not of the mean itself.
    np.testing.assert_allclose(moments.mean_x, x.mean(0), rtol=0, atol=4 * SINGLE)


@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
)
def test_merging_any_split_gives_the_moments_of_all_rows(seed, cuts, offset):
    random = np.random.default_rng(seed)
    x, y = random.standard_normal((40, 3)) + offset, random.standard_normal((40, 5)) - offset
    moments = merged(torch.from_numpy(x), torch.from_numpy(y), cuts)
    expected = (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)
    assert moments.count == len(x)
    np.testing.assert_allclose(moments.mean_x, x.mean(0), rtol=0, atol=40 * EPS * (5 + offset))
    np.testing.assert_allclose(moments.mean_y, y.mean(0), rtol=0, atol=40 * EPS * (5 + offset))
    np.testing.assert_allclose(moments.covariance, expected, rtol=0, atol=tolerance(x, y))
    np.testing.assert_allclose(
        moments.second_moment, x.T @ y / len(x), rtol=0, atol=tolerance(x, y)
    )


@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 24), max_size=4))
def test_moments_agree_with_rational_arithmetic(seed, cuts):
    random = np.random.default_rng(seed)
    x, y = random.integers(-9, 10, (24, 2)), random.integers(-9, 10, (24, 3))
    moments = merged(torch.from_numpy(x), torch.from_numpy(y), cuts)
    for i in range(2):
        for j in range(3):
            products = [Fraction(int(a) * int(b)) for a, b in zip(x[:, i], y[:, j], strict=True)]
            means = Fraction(int(x[:, i].sum()), 24) * Fraction(int(y[:, j].sum()), 24)
            exact = sum(products) / 24 - means
            assert abs(moments.covariance[i, j].item() - float(exact)) <= tolerance(x, y)


def test_positions_in_space_are_rows():
    images = torch.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2)
    expected = [images[n, :, h, w].tolist() for n in range(2) for h in range(2) for w in range(2)]
    assert rows(images).tolist() == expected


def sites(name="mlp"):
    return integer_network(name, seed=0).architecture.sites


@pytest.mark.parametrize("samples", [1, 2, 3, 39, 40, 41, 1000])
@pytest.mark.parametrize("largest", [1, 20, 10**6])
def test_batches_hold_every_image_once_and_one_fold_each(samples, largest, monkeypatch):
    # The widest layer has seven channels.
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, measured=largest * 7))
    fold = folds.of(samples)
    images = integer_images(samples, seed=0)
    view = NetworkView(integer_network("mlp", seed=0), images)
    batches = passes.batches_by_fold([view])
    assert sorted(torch.cat([batch for _, batch in batches]).tolist()) == list(range(samples))
    for number, batch in batches:
        assert 0 < len(batch) <= largest
        assert set(fold[batch.numpy()].tolist()) == {number}


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("values", [1, 300, 1 << 20])
def test_one_pass_gives_every_block(name, values, monkeypatch):
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, measured=values))
    epochs = {"0": range(3), "2": range(3, 6)}
    chains = {
        epoch: [integer_network(name, seed=seed) for seed in seeds]
        for epoch, seeds in epochs.items()
    }
    images = integer_images(21, seed=9)
    parts = [np.flatnonzero(folds.of(21) == number) for number in range(folds.FOLDS)]
    views = {epoch: [NetworkView(each, images) for each in some] for epoch, some in chains.items()}
    found = measure(views)
    for epoch, networks_of_epoch in chains.items():
        for number, layer in enumerate(sites(name)):
            # Whole numbers below 2^24: the float32 representations are exact in any batch size.
            def level(chain, indices, number=number):
                x = list(chain.representations(images[indices]))[number][1]
                assert x.abs().max() < 2**24
                return x.double()

            def blocks(indices, networks_of_epoch=networks_of_epoch, level=level):
                own = rows(level(networks_of_epoch[2], indices)).numpy()
                others = [rows(level(chain, indices)).numpy() for chain in networks_of_epoch[:2]]
                return {"own": (own, own), "cross": (np.hstack(others), own)}

            for kind, expected in (("own", parts), ("cross", [np.arange(21)])):
                measured = found.folds(f"{epoch}/{layer.name}/{kind}")
                for moments, indices in zip(measured, expected, strict=True):
                    x, y = blocks(indices)[kind]
                    cross = (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)
                    error = np.abs(moments.covariance.numpy() - cross)
                    assert moments.count == len(x)
                    assert (error <= single_tolerance(x, y)).all()
                    places = level(networks_of_epoch[2], indices).mean(0).view(layer.channels, -1)
                    np.testing.assert_allclose(
                        moments.positions, places.T, atol=8 * SINGLE * np.abs(y).max()
                    )


@pytest.fixture
def trained(tmp_path, settings):
    images = write_images(tmp_path / "images.h5")
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"network{seed}.h5")
        training.train(
            images=images, output=paths[-1], settings=settings("cnn", seed=seed), device="cpu"
        )
    return images, paths


@pytest.fixture
def measured(trained, tmp_path, settings):
    """Measures the network of seed 1 and its partner, all of it or a part."""
    images, paths = trained

    def run(name, *, part=None):
        covariance.covariance(
            images=images,
            network=paths[1],
            partners={0: paths[0]},
            output=tmp_path / name,
            settings=settings("cnn", seed=1),
            device="cpu",
            part=part,
        )
        return tmp_path / name

    return run


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_parts_that_are_merged_are_the_whole(parts, measured, trained, settings, monkeypatch):
    # Batches of at most seven images.
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, measured=7 * 75))
    whole = measured("whole.h5")
    merged = whole.with_name("merged.h5")
    covariance.merge(
        parts=[measured(f"part{n}.h5", part=(n, parts)) for n in range(parts)],
        network=trained[1][1],
        partners=[0],
        output=merged,
        settings=settings("cnn", seed=1),
    )
    with h5py.File(whole) as file, h5py.File(merged) as other:
        assert dict(file.attrs) == dict(other.attrs)
        expected, found = storage.arrays(file), storage.arrays(other)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        # 60 images at 25 positions: each entry is a mean of as many products.
        scale = max(1, np.abs(values).max())
        np.testing.assert_allclose(found[name], values, rtol=0, atol=8 * 1500 * EPS * scale)


def test_a_part_of_another_split_is_refused(measured, trained, settings, tmp_path):
    parts = [measured("part0.h5", part=(0, 2)), measured("part1.h5", part=(1, 3))]
    with pytest.raises(InputError, match=r"part1\.h5: was made with parts = 3, but 2"):
        covariance.merge(
            parts=parts,
            network=trained[1][1],
            partners=[0],
            output=tmp_path / "merged.h5",
            settings=settings("cnn", seed=1),
        )


def test_file_holds_both_epochs_and_splits_and_their_folds(measured):
    with h5py.File(measured("covariance.h5")) as file:
        assert file["epoch"][()].tolist() == [0.0, 2.0]
        for split, samples in zip(SPLITS, (60, 30), strict=True):
            group = file[f"{split}/layer2"]
            assert group["count"][()].tolist() == [samples * 2 * 2] * 2
            assert group["mean"].shape == (2, 6)
            assert group["covariance"].shape == group["cross_covariance/seed0"].shape == (2, 6, 6)
            assert group["position_mean"].shape == (2, 6, 4)
            own = group["covariance"][()]
            assert (own == own.transpose(0, 2, 1)).all()
            assert not np.allclose(own[0], own[1])
            parts = group["folds"]
            shares = np.bincount(folds.of(samples)) * 4
            assert parts["count"][()].tolist() == np.stack([shares, shares], 1).tolist()
            assert parts["covariance"].shape == (8, 2, 6, 6)
            assert "cross_covariance" not in parts
            mean = np.average(parts["position_mean"][()], axis=0, weights=shares)
            np.testing.assert_allclose(mean, group["position_mean"][()], atol=1e-12)
            np.testing.assert_allclose(mean.mean(2), group["mean"][()], atol=1e-12)
        shares = shares[:, None, None, None] / shares.sum()
        within = (shares * parts["covariance"][()]).sum(0)
        # The means of folds vary, too; of 30 images in eight folds, by about a quarter of it.
        assert 0 < np.abs(within - own).max() < np.abs(own).max()


def test_all_epochs_that_were_kept(tmp_path, images, settings):
    made = settings("mlp", keep_epochs=[1])
    network = tmp_path / "network.h5"
    training.train(images=images, output=network, settings=made, device="cpu")
    shared = {"images": images, "network": network, "partners": {}, "settings": made}
    for epochs in ("ends", "kept"):
        output = tmp_path / f"{epochs}.h5"
        covariance.covariance(output=output, device="cpu", epochs=epochs, **shared)
    with h5py.File(tmp_path / "kept.h5") as kept, h5py.File(tmp_path / "ends.h5") as ends:
        assert kept["epoch"][()].tolist() == [0, 1, 2]
        assert ends["epoch"][()].tolist() == [0, 2]
        for name in ("train/layer2/folds/covariance", "test/classifier/folds/mean"):
            np.testing.assert_array_equal(kept[name][:, [0, 2]], ends[name][()])
        np.testing.assert_array_equal(kept["weights/layer1"][::2], ends["weights/layer1"][()])


def test_each_partner_has_its_own_cross_covariance(trained, tmp_path, settings):
    images, paths = trained
    third = tmp_path / "network2.h5"
    made = settings("cnn", seed=2)
    training.train(images=images, output=third, settings=made, device="cpu")
    found = {}
    for seeds in ((0, 1), (0,), (1,)):
        output = tmp_path / "covariance.h5"
        partners = {seed: paths[seed] for seed in seeds}
        shared = {"images": images, "network": third, "settings": made, "device": "cpu"}
        covariance.covariance(partners=partners, output=output, **shared)
        with h5py.File(output) as file:
            found[seeds] = storage.arrays(file)
    for name, values in found[0, 1].items():
        if "/seed" in name:
            alone = found[(int(name[-1]),)][name]
            np.testing.assert_allclose(values, alone, atol=1e-6 * np.abs(alone).max())
            assert name.count("seed0") or not np.allclose(values, found[0, 1][name[:-1] + "0"])


def test_network_of_other_settings_is_refused(trained, tmp_path, settings):
    images, paths = trained
    with pytest.raises(InputError, match=r"network0\.h5: was made with training = .*0\.05.*0\.5"):
        covariance.covariance(
            images=images,
            network=paths[0],
            partners={},
            output=tmp_path / "covariance.h5",
            settings=settings("cnn", learning_rate=0.5),
            device="cpu",
        )
    assert not (tmp_path / "covariance.h5").exists()


def test_network_trained_on_other_images_is_refused(trained, settings):
    _, paths = trained
    with pytest.raises(InputError, match="other images"):
        networks.load(paths[0], settings=settings("cnn"), sha256="0" * 64)
