"""Pairs of networks: what their files hold, and what a score does and does not depend on."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from conftest import write_images
from hypothesis import given
from hypothesis import strategies as st
from test_procrustes import orthogonal

from latentdims.comparison.measured import CENTRINGS, Measured, Measurements, Weights
from latentdims.comparison.pair import Options, compare, compare_weights, fit
from latentdims.comparison.procrustes import lift, rotation, subspace_overlap
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.models import architecture, networks
from latentdims.results import scores
from latentdims.statistics import folds
from latentdims.statistics.spectra import weight_components
from latentdims.steps import alignment, covariance, training
from latentdims.storage import SPLITS

SEEDS = st.integers(0, 2**32)


def test_a_rotated_network_shares_every_eigenvector():
    """The partner is the network itself with its neurons rotated: every overlap is the identity."""
    random = np.random.default_rng(1)
    mean, root = random.standard_normal(4), random.standard_normal((4, 4))
    covariances, turn, below = root @ root.T, orthogonal(random, 4, 4), orthogonal(random, 3, 3)
    weight = random.standard_normal((4, 3, 2, 2))
    own = Measured(dict.fromkeys(SPLITS, mean), dict.fromkeys(SPLITS, covariances))
    partner = Measured(
        dict.fromkeys(SPLITS, turn @ mean),
        dict.fromkeys(SPLITS, turn @ covariances @ turn.T),
    )
    turned = np.einsum("ab,bcxy,dc->adxy", turn, weight, below)
    cross = dict.fromkeys(SPLITS, turn @ covariances)
    found = compare(partner, own, cross, options=Options(CENTRINGS, 4))
    found |= compare_weights(Weights(turned), Weights(weight), below=below, vectors=4)
    np.testing.assert_allclose(found["rotation"], turn, atol=1e-9)
    np.testing.assert_allclose(found["rotation_centred"], turn, atol=1e-9)
    np.testing.assert_allclose(found["similarity"], np.ones((2, 2)), atol=1e-12)
    for kind in ("activation", "weight"):
        np.testing.assert_allclose(found[f"{kind}_overlap"], np.eye(4), atol=1e-6)
        np.testing.assert_allclose(found[f"{kind}_subspace"], np.ones(4), atol=1e-12)


def moments_of(phi: np.ndarray, psi: np.ndarray) -> tuple[Measured, Measured, dict]:
    """What would be measured of two representations (2 splits, n, C), and their covariance."""
    measured = [
        Measured(
            {split: x[i].mean(0) for i, split in enumerate(SPLITS)},
            {split: np.cov(x[i].T, bias=True) for i, split in enumerate(SPLITS)},
        )
        for x in (phi, psi)
    ]
    crosses = {
        split: (phi[i] - phi[i].mean(0)).T @ (psi[i] - psi[i].mean(0)) / phi.shape[1]
        for i, split in enumerate(SPLITS)
    }
    return measured[0], measured[1], crosses


def scored(phi: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """Scores (splits, centrings) of two representations."""
    scores = fit(*moments_of(phi, psi))[1]
    return np.array([scores[split] for split in SPLITS])


def test_held_out_score_of_independent_representations_is_centred_on_zero():
    random = np.random.default_rng(0)
    scores = []
    for _ in range(400):
        phi, psi = random.standard_normal((2, 2, 60, 6)) + 1
        scores.append(scored(phi, psi))
    scores = np.array(scores)[:, :, CENTRINGS.index("centred")]
    train, test = scores[:, 0], scores[:, 1]
    assert train.mean() > 0.15  # in sample, the rotation fits the noise
    for held_out in (test, test * np.abs(test)):
        assert abs(held_out.mean()) < 3 * held_out.std(ddof=1) / np.sqrt(len(held_out))


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_scores_do_not_change_with_rotation_and_scale(seed, scale):
    random = np.random.default_rng(seed)
    phi, noise = random.standard_normal((2, 2, 40, 4)) + 1
    psi = phi + noise
    expected = scored(phi, psi)
    turned = scale * psi @ orthogonal(random, 4, 4)
    np.testing.assert_allclose(scored(phi, turned), expected, atol=1e-9)


@pytest.fixture(params=["mlp", "cnn"])
def pair(request, tmp_path, settings):
    """Arguments of `align` for two small networks."""
    images = write_images(tmp_path / "images.h5")
    networks = [tmp_path / f"network{seed}.h5" for seed in range(2)]
    moments = [tmp_path / f"covariance{seed}.h5" for seed in range(2)]
    for seed in range(2):
        made = settings(request.param, seed=seed)
        training.train(images=images, output=networks[seed], settings=made, device="cpu")
        covariance.covariance(
            images=images,
            network=networks[seed],
            partners={partner: networks[partner] for partner in range(seed)},
            output=moments[seed],
            settings=made,
            device="cpu",
        )
    return {
        "images": images,
        "network": networks[1],
        "networks": {0: networks[0]},
        "device": "cpu",
        "covariance": moments[1],
        "partners": {0: moments[0]},
        "output": tmp_path / "alignment.h5",
        "vectors": 3,
        "settings": settings(request.param, seed=1),
    }


def test_file_of_a_pair(pair):
    alignment.align(**pair)
    with h5py.File(pair["output"]) as file:
        assert list(file["seed0"]) == ["classifier", "layer1", "layer2"]
        for layer, group in file["seed0"].items():
            channels = file["spectra"][layer]["covariance"].shape[1]
            assert group["rotation"].shape == (2, channels, channels)
            scores = group["similarity"][()]
            assert scores.shape == (2, 2, 2)
            assert (np.abs(scores) <= 1).all()
            # Fitted on the training images, so best there.
            assert (scores[:, 0] > 0).all()
            assert group["activation_subspace"][:, -1] == pytest.approx(1)
            assert (np.diff(file["spectra"][layer]["weight"][()]) <= 0).all()


def met(images: int, pairing: int) -> tuple[np.ndarray, np.ndarray]:
    """The images that the partner and the network see, in their order."""
    order = torch.randperm(images, generator=torch.Generator().manual_seed(1)).numpy()
    parts = [order[folds.of(images)[order] == fold] for fold in range(folds.FOLDS)]
    return np.concatenate(parts), np.concatenate([np.roll(part, -pairing) for part in parts])


def moments_about(x: np.ndarray, y: np.ndarray, centring: str) -> np.ndarray:
    """(C, D) of representations (N, C, P)."""
    axes = {"uncentred": None, "centred": (0, 2), "position": 0}[centring]
    if axes is not None:
        x, y = (each - each.mean(axes, keepdims=True) for each in (x, y))
    return np.einsum("ncp,ndp->cd", x, y) / (len(x) * x.shape[2])


def test_scores_are_those_of_the_representations_themselves(pair):
    """Of every epoch, layer and centring: the same images, their folds, and a pairing."""
    centrings = ["uncentred", "centred", "position"]
    alignment.align(**pair, centrings=centrings, pairings=2)
    made = pair["settings"]
    shown = data.load(pair["images"], preprocessing=made["preprocessing"], device="cpu")
    both = [
        networks.load(path, settings={**made, "seed": seed}, sha256=shown.sha256)
        for seed, path in enumerate([pair["networks"][0], pair["network"]])
    ]
    splits = {split: getattr(shown, split).images for split in SPLITS}
    number = {split: len(images) for split, images in splits.items()}
    fold = np.flatnonzero(folds.of(number["test"]) == 5)
    with h5py.File(pair["output"]) as file:
        for epoch, place in ((0, 0), (1, -1)):
            seen = {}
            for split, images in splits.items():
                for which, network in enumerate(both):
                    levels = network.at(place, device="cpu").representations(images)
                    for layer, x in levels:
                        values = (
                            x.detach().double().flatten(2) if x.ndim > 2 else x.detach()[..., None]
                        )
                        seen[layer.name, split, which] = values.double().numpy()
            below = aligned = None
            for layer in both[0].architecture.sites:
                group = file[f"seed0/{layer.name}"]
                x, y = ({s: seen[layer.name, s, i] for s in SPLITS} for i in (0, 1))
                for at, centring in enumerate(centrings):

                    def score(x, y, turn, centring=centring):
                        powers = [np.trace(moments_about(z, z, centring)) for z in (x, y)]
                        shared = (moments_about(x, y, centring) * turn).sum()
                        return shared / np.sqrt(np.prod(powers))

                    turn = rotation(moments_about(x["train"], y["train"], centring))
                    expected = [score(x[split], y[split], turn) for split in SPLITS]
                    found = group["similarity"][epoch, :, at]
                    np.testing.assert_allclose(found, expected, atol=1e-4)
                    expected = score(x["test"][fold], y["test"][fold], turn)
                    assert group["similarity_folds"][5, epoch, at] == pytest.approx(
                        expected, abs=1e-4
                    )
                    pairs = {split: met(number[split], 2) for split in SPLITS}
                    theirs, ours = (
                        {s: z[s][pairs[s][i]] for s in SPLITS} for i, z in enumerate((x, y))
                    )
                    turn = rotation(moments_about(theirs["train"], ours["train"], centring))
                    expected = [score(theirs[split], ours[split], turn) for split in SPLITS]
                    found = group["similarity_null"][1, epoch, :, at]
                    np.testing.assert_allclose(found, expected, atol=2e-3)
                    if centring == "uncentred":
                        unrelated = turn
                if below is not None:
                    vectors = [weight_components(n.weights[layer.name][place])[1] for n in both]
                    spans = subspace_overlap(lift(below, vectors[0]).T @ vectors[1])
                    found = group["weight_subspace_null"][1, epoch]
                    np.testing.assert_allclose(found, spans, atol=2e-3)
                    spans = subspace_overlap(lift(aligned, vectors[0]).T @ vectors[1])
                    found = group["weight_subspace"][epoch]
                    np.testing.assert_allclose(found, spans, atol=2e-3)
                below, aligned = unrelated, group["rotation"][epoch]


def other_images(covariance):
    with h5py.File(covariance, "r+") as file:
        file.attrs["images_sha256"] = "0" * 64


def not_a_number(covariance):
    with h5py.File(covariance, "r+") as file:
        file["train/layer2/mean"][0, 0] = np.nan


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (other_images, r"covariance1\.h5 and .*covariance0\.h5 .* another order"),
        (not_a_number, r"covariance0\.h5: train/layer2/mean is not finite; it was moved"),
    ],
)
def test_a_partner_that_cannot_be_compared_is_named(harm, message, pair):
    harm(pair["partners"][0])
    with pytest.raises(InputError, match=message):
        alignment.align(**pair)
    assert not pair["output"].exists()


def test_networks_of_unequal_layers_are_both_named(pair):
    with h5py.File(pair["partners"][0], "r+") as file:
        settings = json.loads(file.attrs["settings"])
        found = architecture.read(file)
        fewer = [part[:1] + part[2:] for part in (found.sites, found.weights)]
        architecture.write(file, replace(found, sites=fewer[0], weights=fewer[1]))
    with (
        Measurements.open(pair["covariance"], pair["settings"]) as own,
        Measurements.open(pair["partners"][0], settings) as partner,
        pytest.raises(InputError, match=r"nce1\.h5 has .*layer2.*nce0\.h5 has layer1, classifier"),
    ):
        own.check_comparable(partner)


def test_a_single_network_has_no_pairs(pair):
    alignment.align(**pair)
    with pytest.raises(InputError, match=r"alignment\.h5: a single network .* seeds: 2"):
        scores.pairs([pair["output"]])
