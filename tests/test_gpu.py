"""What a GPU makes, beside what the CPU makes of the same files: `make test-gpu`."""

import h5py
import numpy as np
import pytest
import torch
from conftest import write_images

from latentdims import decompositions, storage
from latentdims.device import deterministic
from latentdims.images import data
from latentdims.models import networks
from latentdims.recipes.descent import Descent
from latentdims.recipes.recorded import Recorded
from latentdims.recipes.stack import Stack
from latentdims.statistics import folds
from latentdims.steps import alignment, clipping, covariance, generation, training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

TRAIN, TEST = 700, 301
NETWORKS = {
    "mlp": {"architecture": "mlp", "widths": [96, 80]},
    "cnn": {"architecture": "cnn", "channels": [12, 20], "kernel_size": 3, "stride": 2},
}
PUBLISHED = {"layers": "all", "width": 1.0, "covariances": "own", "rank": "all", "images": None}
STEPS = ("network", "covariance", "alignment", "clipping", "generation")
SINGLE = float(np.finfo(np.float32).eps)
# Relative to the largest of an array: sums of some hundred products in float32 err by 1e-6, those
# of unrelated images by more of what they are; from covariances on all is in float64.
BOUNDS = {
    "network": 100 * SINGLE,
    "covariance": 100 * SINGLE,
    "alignment": 1e-9,
    "clipping": 0,
    "generation": 100 * SINGLE,
    "null": 2000 * SINGLE,
    "folds": 1000 * SINGLE,  # of few images
}
IMAGES = ("accuracy", "calibration")  # in percent, where an image may change its class


def made(step, folder, given, *, settings, images, device):
    """The file of a rule, from files of the CPU; given: by seed and kind."""
    seed, output = settings["seed"], folder / f"{device}-{settings['seed']}-{step}.h5"
    shared = {"settings": settings, "images": images, "device": deterministic(device)}
    shared["output"] = output
    own, other = (given.get(number, {}) for number in (seed, 0))
    if step == "network":
        training.train(**shared)
    elif step == "covariance":
        partners = {0: other["network"]} if seed else {}
        covariance.covariance(network=own["network"], partners=partners, **shared)
    elif step == "alignment":
        alignment.align(
            network=own["network"], networks={0: other["network"]}, covariance=own["covariance"],
            partners={0: other["covariance"]}, vectors=5, centrings=["uncentred", "centred"],
            pairings=4, neighbours=3, **shared,
        )  # fmt: skip
    elif step == "clipping":
        clipping.clip(
            network=own["network"], covariance=own["covariance"], ranks="all", rerun_ranks=3,
            rerun_images=17, bases=["activation", "weight", "random"], **shared,
        )  # fmt: skip
    else:
        procedures = {"published": {**PUBLISHED, "draws": 2, "classifiers": ["flattened"]}}
        generation.generate(network=own["network"], others={}, procedures=procedures, **shared)
    return output


def arrays(path):
    with h5py.File(path) as file:
        return storage.arrays(file)


def bound(step, name, values):
    if any(word in name for word in IMAGES):
        of_each = TEST // folds.FOLDS if "folds" in name else TEST
        return 100 / of_each * (1 + 1e-9) if step != "clipping" else 0
    kind = next((kind for kind in ("null", "folds") if kind in name), step)
    return max(BOUNDS[kind], BOUNDS[step]) * max(np.nanmax(np.abs(values), initial=0), 1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_file_is_that_of_the_cpu_and_the_same_each_time(
    name, tmp_path, settings, monkeypatch
):
    monkeypatch.setattr(decompositions, "LEAST", 8)
    images = write_images(tmp_path / "i.h5", seed=4, train=TRAIN, test=TEST, shape=(3, 12, 12))
    of_cpu, wrong = {0: {}, 1: {}}, []
    for seed in of_cpu:
        made_with = settings(seed=seed, epochs=2) | {"network": NETWORKS[name]}
        for step in STEPS[: None if seed else 2]:
            here = {"settings": made_with, "images": images}
            of_cpu[seed][step] = made(step, tmp_path, of_cpu, device="cpu", **here)
            expected = arrays(of_cpu[seed][step])
            found, again = (
                arrays(made(step, tmp_path, of_cpu, device="cuda", **here)) for _ in range(2)
            )
            assert expected.keys() == found.keys()
            for key, values in expected.items():
                assert np.array_equal(found[key], again[key], equal_nan=values.dtype.kind == "f")
                if values.dtype.kind == "f":
                    error = np.nanmax(np.abs(values - found[key]), initial=0)
                    if not error <= bound(step, key, values):
                        wrong.append(f"{step} {key}: {error} of {np.nanmax(np.abs(values))}")
    assert wrong == []


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("number", [1, 3])
def test_recorded_steps_are_the_steps_themselves(name, optimiser, number, tmp_path, settings):
    deterministic("cuda")
    options = {"optimiser": optimiser, "schedule": "cosine", "augmentation": ["flip", "crop"]}
    options |= {"gradient_clipping": 1.0, "label_smoothing": 0.1}
    made_with = settings(epochs=3, **options) | {"network": NETWORKS[name]}
    images = write_images(tmp_path / "i.h5", train=75, test=30, shape=(3, 12, 12))
    shown = data.load(images, preprocessing=made_with["preprocessing"], device="cuda")
    initial = [
        networks.initial(
            made_with["network"], image_shape=(3, 12, 12), classes=len(shown.classes), seed=seed,
            device="cuda",
        )
        for seed in range(number)
    ]  # fmt: skip

    def trained(*, by_itself):
        descent = Descent(Stack(initial), made_with["training"], seeds=range(number))
        assert isinstance(descent._take, Recorded)
        if by_itself:
            descent._take = descent._taken
        for _ in descent.steps(shown.train):
            pass
        if not by_itself:
            assert len(descent._take._recordings) == 2  # of whole batches, and of the last
        return descent.state()

    recorded, plain = trained(by_itself=False), trained(by_itself=True)
    assert recorded.keys() == plain.keys()
    for key, values in plain.items():
        assert np.array_equal(recorded[key], values), key
