"""Along training: kept steps, the example of docs/along.md, and plain computations beside it."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from workflow import Workflow

from latentdims import storage
from latentdims.comparison import together
from latentdims.images import data
from latentdims.models import networks
from latentdims.recipes.descent import Descent
from latentdims.recipes.stack import Stack
from latentdims.steps import alignment, covariance, training

PAGE = (Path(__file__).parents[1] / "docs" / "along.md").read_text(encoding="utf-8")
(EXAMPLE,) = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
KEPT = [0, 1, 2, 4, 6, 8, 9]  # of nine steps, in three epochs of 46 images


@pytest.mark.parametrize("name", ["mlp", "norm"])
def test_kept_weights_are_those_after_as_many_steps(name, images_for, settings, tmp_path):
    """60 images are four steps an epoch, twelve in all."""
    images = images_for(name)
    made = settings(name, epochs=3, keep_epochs=[0.4, 1.25], keep_steps=[1, 4, 7])
    training.train(images=images, output=tmp_path / "network.h5", settings=made, device="cpu")
    loaded = data.load(images, preprocessing=made["preprocessing"], device="cpu")
    stack = Stack([training._initial(made["network"], loaded, seed=made["seed"])])
    after = []

    def keep():
        after.append({name: tensor.clone() for name, tensor in stack.tensors.items()})

    keep()
    for _ in Descent(stack, made["training"], seeds=[made["seed"]]).steps(loaded.train, pause=keep):
        pass
    trained = networks.load(tmp_path / "network.h5", settings=made, sha256=loaded.sha256)
    with storage.read(tmp_path / "network.h5") as file:
        steps = file["steps"][()].tolist()
        assert file["history/test_loss"].shape == (4,)
    assert steps == [0, 1, 2, 4, 5, 7, 12]  # 0.4 and 1.25 epochs are 1.6 and 5 steps
    assert trained.epochs.tolist() == [step / 4 for step in steps]
    for tensor, values in trained.tensors.items():
        for index, step in enumerate(steps):
            np.testing.assert_array_equal(values[index], after[step][tensor][0].numpy())


def test_a_step_beyond_the_last_is_refused_before_the_first(images, settings, tmp_path):
    made = settings(epochs=2, keep_steps=[3, 9])
    with pytest.raises(training.recipe.InputError, match="9 is beyond the last step, 8"):
        training.train(images=images, output=tmp_path / "network.h5", settings=made, device="cpu")
    assert not (tmp_path / "network.h5").exists()


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Two convolutional networks, measured whenever they were kept; their settings and folder."""
    from conftest import CLASSES, NETWORKS, write_images
    from recipes import CONSTANT

    folder = tmp_path_factory.mktemp("along")
    images = write_images(folder / "images.h5", train=46, test=29)
    recipe = {**CONSTANT, "epochs": 3, "batch_size": 16, "learning_rate": 0.08}
    made = {
        "network": {**NETWORKS["cnn"], "channels": [3, 5]},
        "preprocessing": {"steps": ["normalize"], "mean": "dataset", "std": "dataset"},
        "training": {**recipe, "keep_steps": "powers_of_two", "keep_epochs": [2.0]},
    }
    assert len(CLASSES) == 4  # unlike the channels, the epochs and the splits
    for seed in range(2):
        network, own = folder / f"network{seed}.h5", {**made, "seed": seed}
        training.train(images=images, output=network, settings=own, device="cpu")
        partners = {each: folder / f"network{each}.h5" for each in range(seed)}
        common = {"images": images, "network": network, "settings": own, "device": "cpu"}
        output = folder / f"covariance{seed}.h5"
        covariance.covariance(**common, partners=partners, output=output, epochs="kept")
        alignment.align(
            **common,
            networks=partners,
            covariance=output,
            partners={each: folder / f"covariance{each}.h5" for each in range(seed)},
            output=folder / f"alignment{seed}.h5",
            vectors=50,
            pairings=2,
        )
    return folder, made


def representations(network, images):
    """By layer, (rows, channels) in float64, by hooks of this test."""
    found, hooks = {}, []
    for site in network.architecture.sites:
        module = network.module.get_submodule(site.module)
        hooks.append(
            module.register_forward_hook(
                lambda _, __, x, name=site.name: found.update({name: x.movedim(1, -1)})
            )
        )
    with torch.no_grad():
        network.module(images)
    for hook in hooks:
        hook.remove()
    return {name: x.reshape(-1, x.shape[-1]).double().numpy() for name, x in found.items()}


@pytest.mark.parametrize("seed", [0, 1])
def test_similarity_to_the_last_epoch_is_that_of_a_plain_computation(measured, seed):
    folder, made = measured
    preprocessing = made["preprocessing"]
    loaded = data.load(folder / "images.h5", preprocessing=preprocessing, device="cpu")
    path = folder / f"network{seed}.h5"
    trained = networks.load(path, settings={**made, "seed": seed}, sha256=loaded.sha256)
    shown = {"train": loaded.train.images, "test": loaded.test.images}

    def seen(index):
        network = trained.at(index, device="cpu")
        return {split: representations(network, images) for split, images in shown.items()}

    last = seen(len(KEPT) - 1)
    with storage.read(folder / f"alignment{seed}.h5") as file:
        assert file["epoch"][()].tolist() == [step / 3 for step in KEPT]
        for index, layer in [(i, name) for i in range(len(KEPT)) for name in last["train"]]:
            now = seen(index)
            stored = file[f"final/{layer}/similarity"][index]
            for number, centred in enumerate((False, True)):
                both = {
                    split: [each[split][layer] for each in (last, now)]
                    for split in ("train", "test")
                }
                if centred:
                    both = {key: [x - x.mean(0) for x in each] for key, each in both.items()}
                left, _, right = np.linalg.svd(both["train"][0].T @ both["train"][1])
                for place, (x, y) in enumerate(both.values()):
                    score = np.sum(x @ (left @ right) * y) / np.sqrt((x**2).sum() * (y**2).sum())
                    assert stored[place, number] == pytest.approx(score, abs=1e-5)
            if index == len(KEPT) - 1:  # CKA is of both as they are shown images anew
                np.testing.assert_allclose(stored, 1, rtol=0, atol=1e-6)
                np.testing.assert_allclose(file[f"final/{layer}/cka"][-1], 1, rtol=0, atol=1e-4)
            null = file[f"final/{layer}/similarity_null"]
            assert null.shape == (2, len(KEPT), 2, 2) and np.abs(null[()]).max() < 1


@pytest.mark.parametrize("seed", [0, 1])
def test_last_eigenvectors_of_weights_are_amplified_and_turned(measured, seed):
    folder, _ = measured
    with h5py.File(folder / f"network{seed}.h5") as network:
        weights = {
            layer: each.reshape(len(KEPT), each.shape[1], -1).astype(float)
            for layer, each in storage.arrays(network, "weights").items()
        }
    with storage.read(folder / f"alignment{seed}.h5") as file:
        for layer, by_epoch in weights.items():
            moments = [w.T @ w / len(w) for w in by_epoch]
            vectors = [np.linalg.eigh(moment)[1][:, ::-1] for moment in moments]
            rank = min(by_epoch.shape[1:])
            last = vectors[-1][:, :rank]
            group = file[f"final/{layer}"]
            for index, moment in enumerate(moments):
                variance = np.diagonal(last.T @ moment @ last)
                np.testing.assert_allclose(group["weight_variance"][index], variance, rtol=1e-6)
                cosines = np.abs(vectors[index][:, :rank].T @ last)
                found = group["weight_cosine"][index]
                np.testing.assert_allclose(found, np.diagonal(cosines), atol=1e-6)
                spans = [(cosines[:k, :k] ** 2).sum() / k for k in range(1, rank + 1)]
                np.testing.assert_allclose(group["weight_span"][index], spans, atol=1e-6)


def test_other_seeds_are_compared_at_the_same_epoch(measured):
    folder, _ = measured
    with storage.read(folder / "covariance1.h5") as file:
        for split, layer in (("train", "layer1"), ("test", "layer2")):
            group = file[f"{split}/{layer}"]
            shared = group["cross_covariance/final"][()]
            assert shared.shape == group["cross_covariance/seed0"].shape
            assert not np.allclose(shared, group["cross_covariance/seed0"])
            np.testing.assert_allclose(shared[-1], group["covariance"][-1], rtol=1e-5, atol=1e-8)
            assert not np.allclose(shared[0], group["covariance"][0], rtol=1e-2)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The example of the page with few images, run: the rows of its table."""
    shapes = {"source": "embedded", "train_samples": 300, "test_samples": 150}
    recipe = {**EXAMPLE["training"], "epochs": 2, "batch_size": 64, "keep_epochs": [0.5, 1.0]}
    workflow = Workflow(
        tmp_path_factory.mktemp("example") / "code",
        {
            **EXAMPLE,
            "datasets": {"shapes": shapes},
            "networks": {"mlp": {"architecture": "mlp", "widths": [14, 9]}},
            "training": recipe,
            "generation": {"draws": 1, "white_draws": 0},
            "clipping": {"bases": ["activation"], "ranks": [1, 3]},
        },
    )
    workflow.complete("--quiet")
    return workflow.folder / "results" / "along"


@pytest.mark.slow
def test_curves_end_with_the_numbers(done):
    """Five steps an epoch: 0, 1, 2 (half an epoch, too), 4, 5, 8 and 10."""
    with (done / "summary.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = ("layer", "split", "centring", "null")
    single, curves = {}, defaultdict(dict)
    for row in rows:
        key = row["quantity"], *(row[column] for column in columns)
        if row["at"] and row["quantity"].endswith("_by_epoch"):
            curves[key][float(row["at"])] = row
        elif not row["seed"] and not row["at"] and row["null"] != "unrelated":
            single[key] = row
    compared = 0
    for (quantity, *place), points in curves.items():
        if quantity.startswith(("accuracy", "loss")):
            continue
        assert list(points) == [0, 0.2, 0.4, 0.8, 1, 1.6, 2], quantity
        last = float(points[2]["value"])
        number = single.get((quantity.removesuffix("_by_epoch"), *place))
        if number:
            compared += 1
            assert last == pytest.approx(float(number["value"]), rel=1e-12), quantity
            assert number["n"] == points[2]["n"] == "3"
        if quantity.startswith(("similarity_to_final", "weight_cosine", "weight_span")):
            assert place[-1] == "unrelated" or last == pytest.approx(1, abs=1e-6), quantity
        if quantity.startswith("weight_amplification"):
            assert float(points[0]["value"]) == 1
    assert compared == 3 * (2 * 2 + 2 + 4)  # layers; similarities, participation, components
    names = {quantity for quantity, *_ in curves}
    assert {"similarity_to_final_by_epoch", "weight_span_5_by_epoch"} <= names
    untrained = single["similarity", "layer2", "test", "centred", "untrained"]
    point = curves["similarity_by_epoch", "layer2", "test", "centred", ""][0]
    assert float(point["value"]) == pytest.approx(float(untrained["value"]), rel=1e-12)


@pytest.mark.slow
def test_the_figure_is_drawn_where_all_kept_epochs_are_measured(done):
    drawn = done / "figures/shapes/mlp/along_training.svg"
    text = drawn.read_text(encoding="utf-8")
    for words in ("amplification", "unrelated images", "classifier", "the network itself"):
        assert words in text


@pytest.mark.parametrize("held", [1, 10**9])
def test_partners_are_the_same_alone_and_together(held, measured, tmp_path, monkeypatch):
    """Of a network with two partners: another seed, and itself at its last epoch."""
    folder, made = measured
    groups = []
    compare = together.compare

    def noted(pairs, **options):
        groups.append([pair.place for pair in pairs])
        return compare(pairs, **options)

    monkeypatch.setattr(together, "TOGETHER", held)
    monkeypatch.setattr(together, "compare", noted)
    alignment.align(
        images=folder / "images.h5",
        network=folder / "network1.h5",
        networks={0: folder / "network0.h5"},
        covariance=folder / "covariance1.h5",
        partners={0: folder / "covariance0.h5"},
        output=tmp_path / "alignment.h5",
        settings={**made, "seed": 1},
        device="cpu",
        vectors=50,
        pairings=2,
    )
    assert groups == ([["seed0"], ["final"]] if held == 1 else [["seed0", "final"]])
    with (
        storage.read(folder / "alignment1.h5") as before,
        storage.read(tmp_path / "alignment.h5") as after,
    ):
        names = []
        before.visititems(lambda name, item: names.append(name) if is_data(item) else None)
        assert any(name.startswith("final/") for name in names)
        for name in names:
            np.testing.assert_array_equal(after[name][()], before[name][()], err_msg=name)


def is_data(item):
    return isinstance(item, h5py.Dataset)
