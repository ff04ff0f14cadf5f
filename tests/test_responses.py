"""Responses that are brought: their files, what is refused, and known overlaps recovered."""

import h5py
import numpy as np
import pytest
from conftest import write_images

from latentdims import storage
from latentdims.errors import InputError
from latentdims.images.sources import content
from latentdims.models import networks, responses
from latentdims.statistics import folds
from latentdims.steps import adoption, clipping, comparison, covariance, generation, training
from latentdims.storage import SPLITS

SAMPLES = {"train": 96, "test": 88}
UNITS = 7


def asked(path) -> dict:
    """As the configuration resolves it."""
    place = {"path": str(path), "key": None, "prefix": None}
    return {"seeds": 2, "classes": None, "epochs": None, "untrained": None, "trained": place}


def settings_of(path, *, seed: int, sites=None) -> dict:
    network = {"responses": str(path)} | ({"sites": sites} if sites else {})
    return {
        "network": network,
        "preprocessing": {"steps": ["normalize"], "mean": "dataset", "std": "dataset"},
        "checkpoints": asked(path),
        "seed": seed,
    }


def adopt(tmp_path, images, path, *, seed: int, sites=None):
    """The network.h5 of a subject, and its settings."""
    made = settings_of(path, seed=seed, sites=sites)
    file = str(path).format(seed=seed)
    output = tmp_path / f"network{seed}.h5"
    adoption.adopt(
        images=images,
        output=output,
        files=[file],
        contents=[content.content(file)],
        settings=made,
        device="cpu",
    )
    return output, made


def write(path, found: dict[str, np.ndarray]) -> None:
    with h5py.File(path, "w") as file:
        for name, values in found.items():
            file[name] = values


@pytest.fixture
def shown(tmp_path):
    return write_images(tmp_path / "images.h5", seed=4, **SAMPLES)


def test_known_overlap_with_a_layer_is_recovered(tmp_path, shown, settings):
    """Responses that are a rotation of a layer, with noise: s² is the share of the layer."""
    made = {**settings(seed=1, epochs=1), "network": {"architecture": "mlp", "widths": [UNITS, 5]}}
    trained = tmp_path / "trained.h5"
    training.train(images=shown, output=trained, settings=made, device="cpu")
    loaded = networks.load(trained, settings=made, sha256=None)
    random = np.random.default_rng(8)
    turn = np.linalg.qr(random.normal(size=(UNITS, UNITS)))[0]
    layer, noisy = {}, {}
    with storage.read(shown) as file:
        images = {split: file[f"{split}/images"][()] for split in SPLITS}
    for split in SPLITS:
        pixels = images[split].astype(np.float64)
        seen = np.einsum("oc,nchw->nohw", loaded.affine.matrix, pixels)
        seen += loaded.affine.offset[:, None, None]
        weights = loaded.weights["layer1"][-1].reshape(UNITS, -1).astype(np.float64)
        layer[split] = np.maximum(seen.reshape(len(seen), -1) @ weights.T, 0)
        scale = np.sqrt(layer["train"].var(0).sum() / UNITS)
        noisy[split] = layer[split] @ turn + random.normal(0, 0.5 * scale, layer[split].shape)
    write(tmp_path / "subject0.h5", {f"{split}/v1": noisy[split] for split in SPLITS})
    brought, of_responses = adopt(tmp_path, shown, tmp_path / "subject{seed}.h5", seed=0)
    of_member = {"epoch": None, "name": "a/x", "positions": "samples"}
    both = {"own": {**made, **of_member}, "cortex": {**of_responses, **of_member}}
    partner = {
        "place": "a/cortex/seed0",
        "settings": both["cortex"],
        "matches": {"layer1~v1": ["v1", "layer1"]},
    }
    common = {"images": shown, "device": "cpu"}
    alone = {"networks": [], "partners": [], **common}
    comparison.covariance(
        network=brought, settings=both["cortex"], output=tmp_path / "c.h5", **alone
    )
    given = {"network": trained, "networks": [brought], "partners": [partner], **common}
    comparison.covariance(settings=both["own"], output=tmp_path / "o.h5", **given)
    comparison.align(
        settings=both["own"],
        covariance=tmp_path / "o.h5",
        covariances=[tmp_path / "c.h5"],
        output=tmp_path / "alignment.h5",
        vectors=3,
        centrings=["uncentred", "centred"],
        pairings=2,
        neighbours=None,
        **given,
    )
    with h5py.File(tmp_path / "alignment.h5") as file:
        group = file["a/cortex/seed0/layer1~v1"]
        found = group["similarity"][-1, :, 1]
        assert group["similarity"].shape[0] == 2  # beside the untrained network, too
        null = group["similarity_null"][:, -1, 1, 1]
    x, y = ({s: each[s] - each[s].mean(0) for s in SPLITS} for each in (noisy, layer))
    left, _, right = np.linalg.svd(x["train"].T @ y["train"])
    for split, value in zip(SPLITS, found, strict=True):
        cosine = ((x[split] @ left @ right) * y[split]).sum()
        cosine /= np.sqrt((x[split] ** 2).sum() * (y[split] ** 2).sum())
        assert value == pytest.approx(cosine, abs=1e-5)
    # The share of the layer is 1 / (1 + 1/4); what is estimated of it varies with so many images.
    error = 3 * np.sqrt(2 / (UNITS * SAMPLES["test"])) + UNITS / SAMPLES["train"]
    assert found[1] ** 2 == pytest.approx(0.8, abs=error)
    assert (np.abs(null) < found[1] / 2).all()


def test_seeds_are_compared_and_positions_are_samples(tmp_path, shown):
    random = np.random.default_rng(3)
    stored = {}
    for seed in range(2):
        for split, number in SAMPLES.items():
            stored[seed, split] = random.normal(seed, 2, (number, 3, 2, 5))
        found = {f"{split}/it": stored[seed, split] for split in SPLITS}
        write(tmp_path / f"s{seed}.h5", {**found, "train/other": np.zeros((1, 1))})
    files = {}
    for seed in range(2):
        files[seed] = adopt(tmp_path, shown, tmp_path / "s{seed}.h5", seed=seed, sites=["it"])
    network, made = files[1]
    output = tmp_path / "covariance.h5"
    covariance.covariance(
        images=shown,
        network=network,
        partners={0: files[0][0]},
        output=output,
        settings=made,
        device="cpu",
    )
    with h5py.File(output) as file:
        assert file["epoch"][()].tolist() == [1.0]
        x, y = (
            stored[seed, "test"].transpose(0, 2, 3, 1).reshape(-1, 3).astype(np.float32)
            for seed in range(2)
        )
        expected = (x - x.mean(0)).T @ (y - y.mean(0)) / len(x)
        found = file["test/it/cross_covariance/seed0"][0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert file["test/it/folds/count"][0, 0] == 10 * (folds.of(SAMPLES["test"]) == 0).sum()


def test_what_needs_a_network_says_why_it_is_empty(tmp_path, shown):
    random = np.random.default_rng(5)
    found = {f"{split}/v1": random.normal(size=(number, 4)) for split, number in SAMPLES.items()}
    write(tmp_path / "s0.h5", found)
    network, made = adopt(tmp_path, shown, tmp_path / "s{seed}.h5", seed=0)
    common = {"images": shown, "network": network, "settings": made, "device": "cpu"}
    clipping.clip(
        covariance="", output=tmp_path / "clip.h5", bases=["activation"], ranks="all", **common
    )
    generation.generate(others={}, output=tmp_path / "drawn.h5", procedures={}, **common)
    for name in ("clip", "drawn"):
        with storage.read(tmp_path / f"{name}.h5") as file:
            assert file.attrs["undefined"] == responses.UNKNOWN
            assert np.isnan(file["reference_accuracy"][()])
    with storage.read(network) as file:
        assert np.isnan(file["history/test_accuracy"][()]).all()
        assert file["history/test_accuracy"].attrs["reason"] == responses.UNKNOWN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train/v1": np.zeros((95, 4))}, r"train/v1 is of 95 images, but the data set has 96;"),
        ({"test/v1": np.zeros((88, 5))}, r"test/v1 has shape \(88, 5\), and training images have"),
        ({"test/v1": np.full((88, 4), np.nan)}, r"test/v1 is not finite for image 0, unit 0;"),
        ({"test/v1": np.full((88, 4), b"x")}, r"test/v1 is of \|S1, expected numbers"),
        ({"train/v1": np.zeros((96, 4, 2))}, r"\(images, 4, 2\) in train/v1, expected"),
        ({"train/v1": np.zeros((96, 0))}, r"\(images, 0\) in train/v1, expected"),
    ],
)
def test_what_are_no_responses_is_refused(tmp_path, shown, change, words):
    found = {f"{split}/v1": np.ones((number, 4)) for split, number in SAMPLES.items()}
    write(tmp_path / "s0.h5", {**found, **change})
    with pytest.raises(InputError, match=words):
        adopt(tmp_path, shown, tmp_path / "s{seed}.h5", seed=0)
    assert not (tmp_path / "network0.h5").exists()


def family(path, **keys) -> responses.Family:
    return responses.Family.of({"responses": str(path), **keys})


def test_files_are_checked_before_anything_runs(tmp_path):
    write(tmp_path / "s0.h5", {"train/v1": np.ones((2, 3)), "test/v1": np.ones((2, 3))})
    write(tmp_path / "s1.h5", {"train/v1": np.ones((2, 4)), "test/v1": np.ones((2, 4))})
    write(tmp_path / "odd.h5", {"train/v1": np.ones((2, 4))})
    (tmp_path / "text.h5").write_text("no")
    many = family(tmp_path / "s{seed}.h5")
    many.check_files(1)
    with pytest.raises(InputError, match=r"s1\.h5 has v1 \(4\), and .*s0\.h5 has v1 \(3\); give"):
        many.check_files(2)
    for name, words in (
        ("none.h5", "there is no file"),
        ("text.h5", "is no HDF5 file"),
        ("odd.h5", "has no group 'test'"),
    ):
        with pytest.raises(InputError, match=words):
            family(tmp_path / name).outline()
    with pytest.raises(InputError, match=r"has no train/v2; .*v1"):
        family(tmp_path / "s0.h5", sites=["v2"]).outline()
    with pytest.raises(InputError, match=r"^sites: found \['v1', 'v1'\], expected .* each once"):
        family(tmp_path / "s0.h5", sites=["v1", "v1"])
    with pytest.raises(InputError, match=r"^width: responses have no such key"):
        family(tmp_path / "s0.h5", width=3)


def test_whole_numbers_are_read_and_sites_keep_the_order_that_is_given(tmp_path):
    samples, random = {"train": 5, "test": 3}, np.random.default_rng(2)
    stored = {
        f"{split}/{site}": random.integers(-9, 9, (number, 4))
        for split, number in samples.items()
        for site in ("v1", "it")
    }
    write(tmp_path / "s7.h5", stored)
    given = family(tmp_path / "s{seed}.h5", sites=["v1", "it"])
    found = given.read(7, samples)
    assert list(found) == list(stored)
    write(tmp_path / "s0.h5", stored)
    assert [site.name for site in given.outline().sites] == ["v1", "it"]
    for name, values in stored.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values)


class Slices:
    """A dataset in a file that notes how many values are read at a time."""

    def __init__(self, values):
        self.values, self.shape, self.sizes = values, values.shape, []

    def __len__(self):
        return len(self.values)

    def __getitem__(self, rows):
        self.sizes.append(self.values[rows].size)
        return self.values[rows]


@pytest.mark.parametrize(("shape", "at_once"), [((23, 5), 8), ((23, 2, 3, 9), 1)])
def test_values_are_checked_part_by_part(shape, at_once, monkeypatch):
    monkeypatch.setattr(responses, "CHUNK", 43)  # or the values of one image, which may be more
    stored = Slices(np.random.default_rng(1).normal(size=shape))
    found = responses._finite(stored, "it")
    np.testing.assert_array_equal(found, stored.values.astype(np.float32))
    assert max(stored.sizes) == at_once * stored.values[0].size
    assert sum(stored.sizes) == stored.values.size
    place = tuple(size - 1 for size in shape[1:])
    stored.values[13, *place] = np.inf
    stored.values[14] = np.nan
    words = f"it is not finite for image 13, unit {', '.join(map(str, place))}; leave"
    with pytest.raises(InputError, match=words):
        responses._finite(stored, "it")


def test_a_file_that_changes_while_the_run_goes_on_is_refused(tmp_path, shown):
    found = {f"{split}/v1": np.ones((number, 4)) for split, number in SAMPLES.items()}
    write(tmp_path / "s0.h5", found)
    made = settings_of(tmp_path / "s{seed}.h5", seed=0)
    with pytest.raises(InputError, match=r"s0\.h5: changed during the run"):
        adoption.adopt(
            images=shown,
            output=tmp_path / "network.h5",
            files=[str(tmp_path / "s0.h5")],
            contents=["another"],
            settings=made,
            device="cpu",
        )
