"""Alignment of arrays: against numpy by hand, and the files of a run."""

from dataclasses import replace
from pathlib import Path

import examples
import h5py
import numpy as np
import pytest
import torch

import latentdims
from latentdims import sizes
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.models import networks
from latentdims.statistics import folds
from latentdims.steps import alignment, covariance, training
from latentdims.storage import SPLITS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
IMAGES, HELD_OUT = 165, 83
SHAPES = {  # channels and positions of x and y
    "narrow": ((4,), (7,)),
    "wide": ((8,), (5,)),
    "space": ((3, 2, 5), (6, 2, 5)),
}


def rows(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) -> (N · positions, C)."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def related(kind: str, *, seed: int = 0, images: int = IMAGES) -> tuple[np.ndarray, np.ndarray]:
    """Representations of the same images that share some of it, with other means and scales."""
    theirs, ours = SHAPES[kind]
    hidden = np.random.default_rng([seed, 1]).standard_normal((images, 3, *theirs[1:]))
    found = []
    for number, shape in enumerate((theirs, ours)):
        always = np.random.default_rng([number, 2])  # what each network is does not change
        read = always.standard_normal((3, shape[0]))
        mean = always.uniform(0.5, 2, shape[0])
        own = np.random.default_rng([seed, number, 3]).standard_normal((images, *shape))
        shared = np.moveaxis(np.moveaxis(hidden, 1, -1) @ read + mean, -1, 1)
        found.append((1 + 2 * number) * (shared + own))
    return found[0], found[1]


def centring(x: np.ndarray, centred: bool) -> np.ndarray:
    return rows(x) - rows(x).mean(0) * centred


def fitted(x: np.ndarray, y: np.ndarray, centred: bool) -> np.ndarray:
    left, _, right = np.linalg.svd(
        centring(x, centred).T @ centring(y, centred), full_matrices=False
    )
    return left @ right


def cosine(x: np.ndarray, y: np.ndarray, turn: np.ndarray, centred: bool) -> float:
    """Between x after a rotation and y, both about their own means if centred."""
    turned, other = centring(x, centred) @ turn, centring(y, centred)
    norms = np.linalg.norm(centring(x, centred)) * np.linalg.norm(other)
    return float((turned * other).sum() / norms)


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("kind", SHAPES)
def test_rotation_similarity_and_score_by_hand(kind, centred):
    x, y = related(kind)
    found = latentdims.align(x, y, centred=centred)
    turn = fitted(x, y, centred)
    np.testing.assert_allclose(found.rotation, turn, atol=1e-10)
    assert found.similarity == pytest.approx(cosine(x, y, turn, centred), abs=1e-12)
    held_out = related(kind, seed=1, images=HELD_OUT)
    expected = cosine(*held_out, turn, centred)
    assert found.score(*held_out) == pytest.approx(expected, abs=1e-12)
    assert 0.3 < expected != pytest.approx(found.similarity, abs=1e-3)
    smaller = min(turn.shape)
    gram = turn @ turn.T if len(turn) == smaller else turn.T @ turn
    np.testing.assert_allclose(gram, np.eye(smaller), atol=1e-12)


def test_a_score_takes_the_means_of_its_own_images():
    found = latentdims.align(*related("wide"))
    x, y = related("wide", seed=1, images=HELD_OUT)
    moved = x + np.arange(8), y - np.arange(5)
    assert found.score(*moved) == pytest.approx(found.score(x, y), abs=1e-12)


@pytest.mark.parametrize("centred", [True, False])
def test_translations_matter_where_they_are_not_taken_away(centred):
    x, y = related("narrow")
    before, after = (latentdims.align(x, y + way, centred=centred) for way in (0, np.arange(7)))
    same = np.allclose(before.rotation, after.rotation, atol=1e-9)
    assert same == centred
    assert (before.similarity == pytest.approx(after.similarity, abs=1e-9)) == centred


@pytest.mark.parametrize("shape", [(4,), (4, 2, 3)])
def test_a_planted_rotation_is_found_and_takes_x_onto_y(shape):
    random = np.random.default_rng(3)
    x = random.standard_normal((70, *shape)) + 2
    turn = np.linalg.qr(random.standard_normal((9, 4)))[0].T  # (4, 9)
    y = np.moveaxis(np.moveaxis(x, 1, -1) @ turn + np.arange(9), -1, 1)
    found = latentdims.align(x, y)
    np.testing.assert_allclose(found.rotation, turn, atol=1e-12)
    assert found.similarity == pytest.approx(1)
    np.testing.assert_allclose(found.transform(x), y, atol=1e-12)
    # Of other images, one alone as well, by the means of the fit.
    other = random.standard_normal((1, *shape))
    expected = np.moveaxis(np.moveaxis(other, 1, -1) @ turn + np.arange(9), -1, 1)
    np.testing.assert_allclose(found.transform(other), expected, atol=1e-12)
    uncentred = latentdims.align(x, y, centred=False)
    plain = np.moveaxis(np.moveaxis(other, 1, -1) @ uncentred.rotation, -1, 1)
    np.testing.assert_allclose(uncentred.transform(other), plain, atol=1e-12)


def pairings(x: np.ndarray, y: np.ndarray, *, number: int, seed: int):
    """x and y in the orders in which they meet: fold by fold, so many places further on."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1 + seed)).numpy()
    parts = [order[folds.of(len(x))[order] == fold] for fold in range(folds.FOLDS)]
    for place in range(1, number + 1):
        theirs = np.concatenate(parts)
        ours = np.concatenate([np.roll(part, -place) for part in parts])
        assert not (theirs == ours).any()
        yield x[theirs], y[ours]


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("kind", SHAPES)
def test_the_null_by_hand(kind, centred):
    x, y = related(kind)
    found = latentdims.align(x, y, centred=centred)
    for seed in (0, 4):
        expected = [
            cosine(*both, fitted(*both, centred), centred)
            for both in pairings(x, y, number=6, seed=seed)
        ]
        null = found.null(pairings=6, seed=seed)
        np.testing.assert_allclose(null, expected, rtol=2e-5)
    assert not np.allclose(found.null(6), null)
    assert null.max() < found.similarity


def test_the_null_is_what_unrelated_data_have():
    """Of the same x against other images of y, and of nothing that x and y share."""
    x, y = related("narrow")
    null = latentdims.align(x, y).null(pairings=19)
    assert len(null) == 19
    unrelated = [
        latentdims.align(x, related("narrow", seed=seed)[1]).similarity for seed in range(2, 42)
    ]
    error = np.hypot(null.std() / np.sqrt(len(null)), np.std(unrelated) / np.sqrt(40))
    assert abs(null.mean() - np.mean(unrelated)) < 3 * error
    assert error < 0.02


def test_there_are_as_many_pairings_as_images_allow():
    x, y = related("narrow")
    assert len(latentdims.align(x, y).null(100)) == IMAGES // 8 - 1
    assert len(latentdims.align(x[:2], y[:2]).null()) == 1
    with pytest.raises(InputError, match="pairings: found 0; give 1 or more"):
        latentdims.align(x, y).null(0)


@pytest.mark.parametrize("kind", SHAPES)
def test_tensors_are_aligned_as_arrays_are(kind):
    x, y = related(kind)
    expected = latentdims.align(x, y)
    tensors = [torch.from_numpy(each).requires_grad_() for each in (x, y)]
    found = latentdims.align(*tensors)
    np.testing.assert_array_equal(found.rotation, expected.rotation)
    assert found.similarity == expected.similarity
    np.testing.assert_array_equal(found.null(3), expected.null(3))
    turned = found.transform(tensors[0])
    assert isinstance(turned, torch.Tensor)
    np.testing.assert_array_equal(turned.numpy(), expected.transform(x))
    single = latentdims.align(x.astype(np.float32), tensors[1].float())
    np.testing.assert_allclose(single.rotation, expected.rotation, atol=1e-4)
    assert single.similarity == pytest.approx(expected.similarity, abs=1e-6)


def test_positions_are_further_samples():
    x, y = related("space")
    found, flat = latentdims.align(x, y), latentdims.align(rows(x), rows(y))
    np.testing.assert_allclose(found.rotation, flat.rotation, atol=1e-12)
    assert found.similarity == pytest.approx(flat.similarity, abs=1e-12)


@pytest.mark.parametrize("kind", SHAPES)
def test_batches_change_nothing(kind, monkeypatch):
    x, y = related(kind)
    expected, whole = latentdims.align(x, y), latentdims.covariance(x)
    monkeypatch.setattr(sizes, "CPU", replace(sizes.CPU, measured=200))
    np.testing.assert_allclose(latentdims.align(x, y).rotation, expected.rotation, atol=1e-12)
    np.testing.assert_allclose(latentdims.covariance(x).scatter, whole.scatter, rtol=1e-10)


def test_what_arrays_may_be():
    x, y = related("narrow")
    counts = np.round(10 * x).astype(np.int16)
    expected = latentdims.align(counts.astype(float), y).similarity
    frozen = y[::-1][::-1]  # a view
    frozen.flags.writeable = False
    for given in (counts, torch.from_numpy(counts), counts.tolist(), counts.astype(np.float16)):
        assert latentdims.align(given, frozen).similarity == pytest.approx(expected, abs=1e-6)
    half = torch.from_numpy(x).bfloat16()
    assert latentdims.align(half, half).similarity == pytest.approx(1)


def test_what_is_silent_has_no_similarity():
    x, y = related("narrow")
    constant = np.ones_like(y) * np.arange(1, 8)
    assert np.isnan(latentdims.align(x, constant).similarity)
    assert np.isnan(latentdims.align(x, constant).null(2)).all()
    assert latentdims.align(x, constant, centred=False).similarity > 0
    dead = latentdims.align(x, 0 * y, centred=False)
    assert np.isnan(dead.similarity)
    np.testing.assert_array_equal(dead.rotation, np.eye(4, 7))


def broken(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[[5, 9], 1] = np.nan, np.inf
    return x


WRONG = {
    "one axis": (
        lambda x, y: (x[:, 0], y),
        r"x: found the shape \(165,\); give \(images, channels",
    ),
    "none": (lambda x, y: (x, y[:, :0]), r"y: found the shape \(165, 0\)"),
    "one image": (lambda x, y: (x[:1], y[:1]), "x: found 1 image; give 2 or more"),
    "numbers": (lambda x, y: (x, y[:-3]), "x has 165 images and y has 162; give what the same"),
    "not finite": (lambda x, y: (x, broken(y)), "y: 2 of 1155 values are not finite, .* image 5;"),
    "text": (lambda x, y: (x.astype(str), y), "x: found values of type <U32; give real numbers"),
    "complex": (lambda x, y: (x + 1j, y), "x: found values of type complex128; give real"),
    "complex tensors": (lambda x, y: (torch.from_numpy(x + 1j), y), r"type torch\.complex128"),
    "space": (
        lambda x, y: (x[:, :, None, None].repeat(2, 2), y),
        "x has 2 x 1 positions and y has",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_aligned(wrong):
    change, message = WRONG[wrong]
    with pytest.raises(InputError, match=message):
        latentdims.align(*change(*related("narrow")))


def test_what_an_alignment_cannot_be_asked():
    found = latentdims.align(*related("narrow"))
    x, y = related("wide")
    with pytest.raises(InputError, match="x: found 8 channels, but 4 in the fit; give the same"):
        found.transform(x)
    with pytest.raises(InputError, match="y: found 5 channels, but 7 in the fit"):
        found.score(x[:, :4], y)


@pytest.mark.parametrize("kind", SHAPES)
def test_covariance_by_hand(kind):
    x = related(kind)[1]
    found = latentdims.covariance(x)
    flat = rows(x)
    assert found.count == len(flat)
    np.testing.assert_allclose(found.mean, flat.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(flat.T, bias=True), rtol=1e-9)
    np.testing.assert_allclose(found.second_moment, flat.T @ flat / len(flat), rtol=1e-9)
    parts = [latentdims.covariance(torch.from_numpy(part)) for part in (x[:40], x[40:])]
    total = latentdims.Moments.total(parts)
    assert total.count == found.count
    np.testing.assert_allclose(total.covariance, found.covariance, rtol=1e-9)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_files_of_a_run_have_the_same_numbers(name, images, settings, tmp_path):
    trained, moments = (
        [tmp_path / f"{kind}{seed}.h5" for seed in (0, 1)] for kind in ("network", "covariance")
    )
    loaded = []
    for seed in (0, 1):
        made = settings(name, seed=seed)
        given = {"images": images, "settings": made, "device": "cpu"}
        training.train(output=trained[seed], **given)
        partners = {0: trained[0]} if seed else {}
        given["network"] = trained[seed]
        covariance.covariance(partners=partners, output=moments[seed], **given)
        loaded.append(networks.load(trained[seed], settings=made, sha256=None))
    output = tmp_path / "alignment.h5"
    alignment.align(
        networks={0: trained[0]},
        covariance=moments[1],
        partners={0: moments[0]},
        output=output,
        vectors=3,
        pairings=2,
        **given,
    )
    shown = data.load(images, preprocessing=made["preprocessing"], device="cpu")
    seen = {
        (split, seed, site.name): values
        for split in SPLITS
        for seed in (0, 1)
        for site, values in loaded[seed]
        .at(-1, device="cpu")
        .representations(getattr(shown, split).images)
    }
    with h5py.File(output) as file, h5py.File(moments[1]) as stored:
        for layer, group in file["seed0"].items():
            train, test = ([seen[split, seed, layer] for seed in (0, 1)] for split in SPLITS)
            own = latentdims.covariance(train[1])
            expected = stored[f"train/{layer}/covariance"][-1]
            np.testing.assert_allclose(own.covariance, expected, rtol=1e-4, atol=1e-6)
            for place, ending in enumerate(("", "_centred")):
                found = latentdims.align(*train, centred=bool(ending))
                turn = group[f"rotation{ending}"][-1]
                np.testing.assert_allclose(found.rotation, turn, atol=2e-3)
                scores = group["similarity"][-1, :, place]
                assert found.similarity == pytest.approx(scores[0], abs=1e-5)
                assert found.score(*test) == pytest.approx(scores[1], abs=1e-4)
                null = group["similarity_null"][:, -1, 0, place]
                np.testing.assert_allclose(found.null(2), null, atol=1e-5)


@pytest.mark.parametrize(("heading", "lines"), [("Arrays", 5), ("Covariances", 2)])
def test_the_examples_of_the_page(heading, lines):
    assert examples.run(PAGE, heading) == lines
