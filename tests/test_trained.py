"""Networks trained by every recipe, beside torch.optim on the same images; resumed to the byte."""

import h5py
import numpy as np
import pytest
import torch
from recipes import CONSTANT
from torch.nn import functional

from latentdims import storage
from latentdims.images import data
from latentdims.models import networks
from latentdims.models.blocks import set_statistics
from latentdims.recipes import augmentation
from latentdims.recipes.optimiser import losses
from latentdims.recipes.recipe import learning_rate
from latentdims.steps import training

RECIPES = {
    "sgd": {"nesterov": True, "weight_decay": 0.01, "schedule": "one_cycle"},
    "adamw": {"optimiser": "adamw", "learning_rate": 0.01, "schedule": "cosine", "warm_up": 0.5},
    "steps": {"schedule": "steps", "milestones": [1], "factor": 0.1, "label_smoothing": 0.1},
    "clipped": {"gradient_clipping": 0.5, "augmentation": ["flip", "crop"]},
}


def optimiser(module, options):
    shared = {"lr": 1.0, "weight_decay": options["weight_decay"]}
    if options["optimiser"] == "adamw":
        return torch.optim.AdamW(module.parameters(), **shared)
    own = {key: options[key] for key in ("momentum", "nesterov")}
    return torch.optim.SGD(module.parameters(), fused=True, **shared, **own)


def by_hand(network, split, options, seed):
    """The trained module: order from stream 1, changes of images from stream 2."""
    module = network.module.requires_grad_().train()
    steps = optimiser(module, options)
    order, changes = (networks.torch_generator(seed, stream=stream) for stream in (1, 2))
    size, samples, taken = options["batch_size"], len(split.labels), 0
    per_epoch = -(-samples // size)
    for _ in range(options["epochs"]):
        shuffled = torch.randperm(samples, generator=order)
        drawn = augmentation.draw(samples, options["augmentation"], changes)
        for start in range(0, samples, size):
            chosen = shuffled[start : start + size]
            seen = augmentation.moved(split.images[chosen], drawn[:, start : start + size])
            smoothing = options["label_smoothing"]
            loss = functional.cross_entropy(
                module(seen), split.labels[chosen], label_smoothing=smoothing
            )
            steps.zero_grad()
            loss.backward()
            if options["gradient_clipping"]:
                torch.nn.utils.clip_grad_norm_(module.parameters(), options["gradient_clipping"])
            rate = learning_rate(options, step=taken, steps_per_epoch=per_epoch)
            steps.param_groups[0]["lr"] = rate
            steps.step()
            taken += 1
    module.eval()
    return network


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["mlp", "cnn", "norm", "affine", "scattering"])
def test_a_training_is_that_of_torch_optim(recipe, name, images_for, tmp_path, settings):
    images, made = images_for(name), settings(name, seed=4, **RECIPES[recipe])
    training.train(images=images, output=tmp_path / "n.h5", settings=made, device="cpu")
    loaded = data.load(images, preprocessing=made["preprocessing"], device="cpu")
    start = networks.initial(made["network"], image_shape=loaded.shape, classes=4, seed=4)
    set_statistics(start.module, [loaded.train.images])
    expected = by_hand(start, loaded.train, made["training"], seed=4)
    with h5py.File(tmp_path / "n.h5") as file:
        for layer, weight in expected.weights.items():
            assert not np.array_equal(file[f"weights/{layer}"][0], file[f"weights/{layer}"][-1])
            np.testing.assert_array_equal(file[f"weights/{layer}"][-1], weight.numpy())
        tensors = expected.module.state_dict()
        state = {name: tensors[name] for name in tensors if not name.endswith("map.weight")}
        stored = file.get("state", {})
        assert {name for name in stored if not storage.is_axis(stored[name])} == set(state)
        for name, tensor in state.items():
            np.testing.assert_array_equal(file[f"state/{name}"][-1], tensor.detach().numpy())


class Stopped(Exception):
    pass


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("seeds", [(0,), (0, 5)])
@pytest.mark.parametrize("name", ["cnn", "norm", "scattering"])
def test_a_stopped_training_resumes_to_the_byte(
    recipe, seeds, name, images_for, tmp_path, settings, monkeypatch
):
    images, made = images_for(name), settings(name, **RECIPES[recipe])
    shared = {key: value for key, value in made.items() if key != "seed"}

    def run(place):
        outputs = {seed: tmp_path / place / f"{seed}.h5" for seed in seeds}
        training.train_together(images=images, outputs=outputs, settings=shared, device="cpu")
        return [path.read_bytes() for path in outputs.values()]

    whole = run("whole")
    monkeypatch.setattr("latentdims.workflow.checkpoint.SECONDS", 0)
    step, taken = losses, 0

    def stopping(*arguments):
        nonlocal taken
        taken += 1
        if taken in (3, 6, 7):  # four steps an epoch
            raise Stopped
        return step(*arguments)

    monkeypatch.setattr("latentdims.recipes.stack.losses", stopping)
    for _ in range(3):
        with pytest.raises(Stopped):
            run("resumed")
    assert run("resumed") == whole


def test_each_seed_has_changes_of_its_own_together_as_alone(images, tmp_path, settings):
    made = settings("mlp", augmentation=["flip", "crop"])
    shared = {key: value for key, value in made.items() if key != "seed"}
    outputs = {seed: tmp_path / f"{seed}.h5" for seed in (0, 3)}
    training.train_together(images=images, outputs=outputs, settings=shared, device="cpu")
    training.train(
        images=images, output=tmp_path / "alone", settings={**made, "seed": 3}, device="cpu"
    )
    with h5py.File(outputs[3]) as one, h5py.File(tmp_path / "alone") as other:
        found, expected = (file["weights/layer1"][-1] for file in (one, other))
        moved = np.abs(expected - other["weights/layer1"][0]).max()
        np.testing.assert_allclose(found, expected, atol=1e-4 * moved)  # float32, eight steps


def test_constants_are_those_of_the_configuration():
    from latentdims.configuration.config import resolve

    config = {
        "datasets": {"shapes": {"source": "embedded"}},
        "networks": {"mlp": {"architecture": "mlp", "widths": [8]}},
        "seeds": 1,
    }
    found = resolve(config)["recipes"]["mlp"]
    assert {key: found[key] for key in CONSTANT} == CONSTANT
