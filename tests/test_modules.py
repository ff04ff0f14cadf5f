"""Clipping and drawing of modules: against files of a run, and modules that are really changed."""

import copy
from pathlib import Path
from typing import NamedTuple

import examples
import h5py
import numpy as np
import pytest
import torch
from conftest import CLASSES, NORMS, SHAPE
from torch import nn

import latentdims
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.data import Images
from latentdims.models import families, networks
from latentdims.models.keys import Keys
from latentdims.statistics.spectra import weight_components
from latentdims.steps import clipping, covariance, generation, training

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
BASES = ["activation", "activation_centred", "random", "weight"]
SEED = 3
OWN = """
from torch import nn

def make(image_shape, classes):
    return nn.Sequential(
        nn.Conv2d(image_shape[0], 10, 3, stride=2), nn.BatchNorm2d(10), nn.ReLU(inplace=True),
        nn.Conv2d(10, 9, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(81, classes),
    )
"""


class Run(NamedTuple):
    """A trained network, its module, and the files that a run makes of it."""

    module: nn.Module
    images: Images
    files: dict[str, Path]


@pytest.fixture
def made(images, settings, tmp_path):
    """Train a network, of a family or of a file, and clip it as a run does."""

    def make(name: str) -> Run:
        files = {kind: tmp_path / f"{kind}.h5" for kind in ("network", "covariance", "clipping")}
        chosen = settings("mlp" if name == "own" else name, seed=SEED)
        if name == "own":
            own = tmp_path / "own.py"
            own.write_text(OWN, encoding="utf-8")
            sites = {"2": None, "4": None}
            chosen["network"] = {"architecture": f"{own}:make", "sites": sites}
        given = {"images": images, "settings": chosen, "device": "cpu"}
        as_trained = {**chosen, "network": families.as_trained(chosen["network"])}
        training.train(output=files["network"], **{**given, "settings": as_trained})
        given["network"] = files["network"]
        covariance.covariance(partners={}, output=files["covariance"], **given)
        clipping.clip(
            covariance=files["covariance"],
            output=files["clipping"],
            bases=BASES,
            ranks="all",
            rerun_ranks=8,
            **given,
        )
        shown = data.load(images, preprocessing=chosen["preprocessing"], device="cpu")
        loaded = networks.load(files["network"], settings=chosen, sha256=shown.sha256)
        if name != "own":
            files["generation"] = tmp_path / "generation.h5"
            generation.generate(
                others={}, output=files["generation"], procedures=PROCEDURES, **given
            )
        return Run(loaded.at(-1, device="cpu").module, shown, files)

    return make


PROCEDURE = {"layers": "all", "width": 1.0, "covariances": "own", "rank": "all", "images": None}
PROCEDURES = {
    "published": {**PROCEDURE, "draws": 2, "classifiers": []},
    "white": {**PROCEDURE, "covariances": "white", "draws": 1, "classifiers": []},
    "second": {**PROCEDURE, "layers": ["layer2"], "rank": 2, "draws": 1, "classifiers": []},
}


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("name", ["mlp", "cnn", "norm", "own"])
def test_clipping_is_that_of_a_run(name, made):
    run = made(name)
    test, before = run.images.test, state(run.module)
    with h5py.File(run.files["clipping"]) as file:
        for basis in BASES:
            for layer, group in file[basis].items():
                if basis == "random" and layer == "4":
                    continue  # drawn as for the first layer that is named
                found = latentdims.clip(
                    run.module,
                    test.images,
                    test.labels.numpy(),
                    layer=layer,
                    basis=basis,
                    basis_images=run.images.train.images.numpy(),
                    seed=SEED,
                )
                assert list(found) == group["rank"][()].tolist()
                np.testing.assert_allclose([*found.values()], group["accuracy"][()], rtol=1e-12)
    assert_same(state(run.module), before)


def shown(images: int = 150) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(images, *SHAPE, generator=generator) + 0.3
    return x, torch.randint(0, 4, (images,), generator=generator)


def plain(*, seed: int = 0, bias: bool = False) -> nn.Sequential:
    """A module of others, as it is trained: in training mode, with gradients."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = nn.Sequential(
            *[nn.Conv2d(2, 11, 3, stride=2, bias=bias), nn.ReLU(inplace=True), nn.Dropout(0.3)],
            *[nn.Conv2d(11, 13, 3, padding=1, bias=bias), nn.GELU(), nn.MaxPool2d(2), nn.Flatten()],
            *[nn.Linear(52, 9, bias=bias), nn.Tanh(), nn.Linear(9, 4)],
        )
    for weight in module.parameters():  # so that images are told apart
        weight.data *= 1 + 2 * (weight.ndim > 1)
    return module


@pytest.mark.parametrize("centred", [True, False])
def test_clipping_by_hand(centred):
    """Accuracy of the images whose own output is projected, in the basis of the same images."""
    module, (x, labels) = plain(), shown()
    basis = "activation_centred" if centred else "activation"
    found = latentdims.clip(module, x, labels, layer="4", basis=basis, ranks=[9, 2, 5])
    assert list(found) == [2, 5, 9]
    assert module.training
    evaluated = copy.deepcopy(module).eval()
    seen = evaluated[:5](x).detach().double()
    rows = seen.movedim(1, -1).flatten(0, 2).numpy()
    mean = rows.mean(0) * centred
    vectors = np.linalg.svd((rows - mean).T @ (rows - mean))[0]
    for rank, accuracy in found.items():
        kept = (rows - mean) @ vectors[:, :rank] @ vectors[:, :rank].T + mean
        clipped = torch.from_numpy(kept).view(seen.movedim(1, -1).shape).movedim(-1, 1)
        right = evaluated[5:](clipped.float()).argmax(1) == labels
        assert accuracy == pytest.approx(100 * right.double().mean().item(), abs=1e-9)
    assert len(set(found.values())) > 1


def test_clipping_of_weights_by_hand():
    module, (x, labels) = plain(bias=True).eval(), shown()
    found = latentdims.clip(module, x, labels, layer="3", basis="weight", ranks=range(1, 14))
    vectors = weight_components(module[3].weight.detach().numpy())[1]
    for rank, accuracy in found.items():
        changed = copy.deepcopy(module).requires_grad_(False)
        kept = torch.from_numpy(vectors[:, :rank] @ vectors[:, :rank].T).float()
        changed[3].weight.copy_((module[3].weight.flatten(1) @ kept).view(13, 11, 3, 3))
        right = changed(x).argmax(1) == labels
        assert accuracy == pytest.approx(100 * right.double().mean().item(), abs=1e-9)


def test_without_ranks_a_module_runs_again_for_a_few():
    module, (x, labels) = plain(), shown()
    found = latentdims.clip(module, x, labels, layer="3")
    assert list(found) == [1, 2, 3, 4, 6, 9, 13]
    whole = (module.eval()(x).argmax(1) == labels).double().mean().item()
    assert found[13] == pytest.approx(100 * whole)


@pytest.mark.parametrize("name", ["mlp", "cnn", "norm"])
def test_draws_are_those_of_a_run(name, made):
    run = made(name)
    before, train = state(run.module), run.images.train.images
    with h5py.File(run.files["generation"]) as file:
        for place, options, number in (
            ("accuracy", {}, 0),
            ("accuracy", {}, 1),
            ("variants/white/accuracy", {"covariances": "white"}, 0),
            ("variants/second/accuracy", {"layers": ["layer2"], "rank": 2}, 0),
        ):
            drawn = latentdims.draw(run.module, train, seed=SEED, number=number, **options)
            assert type(drawn) is type(run.module)
            correct = drawn(run.images.test.images).argmax(1) == run.images.test.labels
            accuracy = 100 * correct.double().mean().item()
            assert accuracy == pytest.approx(file[place][number], abs=1e-9)
            loss = cross_entropy(drawn, run.images)
            place = place.replace("accuracy", "loss")
            assert loss == pytest.approx(file[place][number], rel=1e-5)
    assert_same(state(run.module), before)


def cross_entropy(module: nn.Module, images: Images) -> float:
    logits = module(images.test.images).double()
    return float(nn.functional.cross_entropy(logits, images.test.labels))


def of_torch() -> nn.Sequential:
    """The same as the family `norm` of the tests, of layers of torch."""
    return nn.Sequential(
        *[nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(3, affine=False)],
        *[nn.ReLU(inplace=True), nn.AvgPool2d(2), nn.Dropout(0.4)],
        *[nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(6, affine=False)],
        *[nn.ReLU(), nn.AvgPool2d(2), nn.Identity(), nn.Flatten(), nn.Dropout(0.4)],
        nn.Linear(6, 4, bias=False),
    )


@pytest.mark.parametrize("layers", [None, "first", "second"])
def test_a_module_of_torch_is_drawn_as_the_network_that_it_is(layers):
    network = networks.initial(NORMS["norm"], image_shape=SHAPE, classes=4, seed=2)
    generator = torch.Generator().manual_seed(0)
    for buffer in network.module.buffers():
        buffer.copy_(0.3 * torch.rand(buffer.shape, generator=generator))
    module = of_torch()
    module.load_state_dict(
        {
            **{f"{at}.num_batches_tracked": torch.tensor(7) for at in (1, 6)},
            **dict(zip(RENAMED, network.module.state_dict().values(), strict=True)),
        }
    )
    before, (x, _) = state(module), shown()
    names = {None: (None, None), "first": (["layer1"], ["0"]), "second": (["layer2"], ["5"])}
    theirs, ours = names[layers]
    expected = latentdims.draw(network.module, x, seed=4, layers=theirs)
    drawn = latentdims.draw(module, x.numpy(), seed=4, layers=ours)
    for name, tensor in zip(RENAMED, expected.state_dict().values(), strict=True):
        assert torch.allclose(drawn.state_dict()[name], tensor, rtol=1e-4, atol=1e-5), name
    assert torch.allclose(drawn(x), expected(x), atol=1e-5)
    assert not drawn.training
    assert all(each.requires_grad for each in drawn.parameters())
    assert_same(state(module), before)
    assert module.training
    changed = {name for name in before if not torch.equal(before[name], drawn.state_dict()[name])}
    assert changed == set(RENAMED[3 * (layers == "second") :])


RENAMED = ["0.weight", "1.running_mean", "1.running_var"]
RENAMED += ["5.weight", "6.running_mean", "6.running_var", "12.weight"]


def test_nothing_drawn_is_the_module_itself():
    module, (x, _) = of_torch(), shown()
    assert_same(state(latentdims.draw(module, x, layers=[])), state(module))


def test_draws_differ_by_seed_and_number_alone():
    module, (x, _) = plain(), shown()
    drawn = [
        latentdims.draw(module, x, seed=seed, number=number)[3].weight
        for seed, number in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[3])


def test_classifiers_may_have_a_bias_and_modules_any_precision():
    module, (x, _) = plain().double(), shown()
    drawn = latentdims.draw(module, x.double())
    assert drawn[9].weight.dtype == torch.float64
    assert torch.equal(drawn[9].bias, module[9].bias)
    assert not torch.equal(drawn[9].weight, module[9].weight)
    with torch.no_grad():
        assert drawn(x.double()).shape == (150, 4)


class Custom(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = plain()

    def forward(self, x):
        return self.layers(x)


def last(features: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(features, 4)]


def hooked() -> nn.Sequential:
    module = plain()
    module[0].register_forward_hook(lambda part, read, made: 2 * made)
    return module


CHAIN = "it is not a chain of blocks"
UNDRAWN = {
    "a class": (Custom, CHAIN),
    "a hook": (hooked, CHAIN),
    "a block within": (lambda: nn.Sequential(plain()[:7], *plain()[7:]), CHAIN),
    "biases": (lambda: plain(bias=True), Keys(bias=True).undrawn),
    "scales": (
        lambda: nn.Sequential(*plain()[:7], nn.BatchNorm1d(52), *plain()[7:]),
        Keys(norm="batch", affine=True).undrawn,
    ),
    "groups": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), *last(324)), CHAIN),
    "dilation": (lambda: nn.Sequential(nn.Conv2d(2, 4, 2, dilation=2), *last(324)), CHAIN),
    "oblong": (lambda: nn.Sequential(nn.Conv2d(2, 4, (3, 3), padding=(1, 0)), *last(396)), CHAIN),
    "padding": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding="same"), *last(484)), CHAIN),
    "norm of images": (lambda: nn.Sequential(nn.BatchNorm2d(2), *plain()), CHAIN),
    "another eps": (lambda: nn.Sequential(*plain()[:2], EPS, *plain()[2:]), CHAIN),
    "the last axis": (lambda: nn.Sequential(nn.Linear(11, 5, bias=False), *last(110)), CHAIN),
    "one layer": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(242, 4)), "it has no hidden layer"),
    "a transposed map": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 4, 3), *last(484)),
        CHAIN,
    ),
}
EPS = nn.BatchNorm2d(11, affine=False, eps=1.1e-5)


@pytest.mark.parametrize("kind", UNDRAWN)
def test_what_cannot_be_drawn(kind):
    make, reason = UNDRAWN[kind]
    (x, _), module = shown(), make()
    assert module.eval()(x).shape == (150, 4)
    with pytest.raises(InputError, match=f"module: {reason}.*; a draw needs a torch"):
        latentdims.draw(module, x)


@pytest.mark.parametrize("name", ["affine", "resnet"])
def test_networks_of_families_that_cannot_be_drawn(name):
    network = networks.initial(NORMS[name], image_shape=SHAPE, classes=len(CLASSES), seed=0)
    reason = network.architecture.undrawn if name == "affine" else CHAIN
    with pytest.raises(InputError, match=reason):
        latentdims.draw(network.module, shown()[0])


def test_what_a_draw_cannot_be_asked():
    module, (x, _) = plain(), shown()
    for options, message in (
        ({"covariances": "averaged"}, "covariances: unknown 'averaged'; known: own, white"),
        ({"layers": ["9"]}, "draw.layers: no hidden layer '9'; known: 0, 3, 7"),
        ({"rank": 30}, "draw.rank: 30 is beyond the dimension of every layer, at most 13"),
        ({"rank": 0}, "draw.rank: found 0; give a whole number from 1 on"),
        ({"rank": 2.5}, "draw.rank: found 2.5; give a whole number from 1 on"),
        ({"layers": "03"}, "layers: found '03'; give a list of names"),
        ({"seed": -1}, "seed: found -1; give 0 or more"),
        ({"number": -2}, "number: found -2; give 0 or more"),
    ):
        with pytest.raises(InputError, match=message):
            latentdims.draw(module, x, **options)
    with pytest.raises(InputError, match="module: found a OrderedDict; give a torch"):
        latentdims.draw(module.state_dict(), x)
    with pytest.raises(InputError, match="module: the module raised RuntimeError for images of"):
        latentdims.draw(module, x[:, :1])


def test_an_activation_may_be_used_twice_but_no_map():
    x = torch.randn(90, 6, generator=torch.Generator().manual_seed(0))
    relu, square = nn.ReLU(), nn.Linear(7, 7, bias=False)
    first, last = nn.Linear(6, 7, bias=False), nn.Linear(7, 3)
    module = nn.Sequential(first, relu, square, relu, last)
    apart = nn.Sequential(first, nn.ReLU(), square, nn.ReLU(), last)
    assert torch.equal(latentdims.draw(module, x)(x), latentdims.draw(apart, x)(x))
    with pytest.raises(InputError, match=CHAIN):
        latentdims.draw(nn.Sequential(first, square, relu, square, last), x)


def test_parts_within_a_class_are_clipped():
    x, labels = shown()
    module = Custom()
    found = latentdims.clip(module, x, labels, layer="layers.4")
    assert found == latentdims.clip(module.layers, x, labels, layer="4")
    assert len(set(found.values())) > 1


def test_what_modules_read_need_not_be_images():
    x = torch.randn(90, 20, generator=torch.Generator().manual_seed(0))
    module = nn.Sequential(nn.Linear(20, 7, bias=False), nn.ReLU(), nn.Linear(7, 3))
    labels = module(x).argmax(1)
    accuracy = latentdims.clip(module, x, labels, layer="1")
    assert list(accuracy) == list(range(1, 8))
    assert accuracy[7] == 100 > accuracy[1]
    drawn = latentdims.draw(module, x)
    assert drawn(x).shape == (90, 3)
    assert latentdims.align(module[:2](x), drawn[:2](x)).similarity < 1


CLIPPED = {
    "a basis": ({"basis": "weights"}, "basis: unknown 'weights'; did you mean 'weight'"),
    "a layer": ({"layer": "11"}, "module: no part '11' runs; did you mean '1'"),
    "the output": ({"layer": "9"}, "module: only the output of the network; name a hidden part"),
    "an axis": ({"axis": 7}, "module: 3: no axis 7 of channels"),
    "weights": ({"layer": "4", "basis": "weight"}, "module: no layer '4' is clipped in this basis"),
    "ranks": ({"ranks": [3, 14]}, "ranks: found 14; give whole numbers from 1 to 13"),
    "a part of a rank": ({"ranks": [1.7]}, "ranks: found 1.7; give whole numbers"),
    "no ranks": ({"ranks": []}, "ranks: found none; give whole numbers"),
    "fewer labels": ({"labels": np.zeros(9, int)}, r"labels: found the shape \(9,\), expected"),
    "logits": ({"labels": np.zeros(150)}, "labels: found values of type float64; give whole"),
    "other classes": (
        {"labels": np.arange(150) % 5 + 1},
        "labels: found classes from 1 to 5, but the module has 4 outputs; count classes from 0",
    ),
}


@pytest.mark.parametrize("wrong", CLIPPED)
def test_what_cannot_be_clipped(wrong):
    options, message = CLIPPED[wrong]
    x, labels = shown()
    with pytest.raises(InputError, match=message):
        latentdims.clip(plain(), x, **{"labels": labels, "layer": "3", **options})


def test_layers_of_a_chain_of_blocks_are_named():
    network = networks.initial(NORMS["norm"], image_shape=SHAPE, classes=4, seed=2)
    with pytest.raises(InputError, match=r"no layer 'layer3' is clipped .*; did you mean 'layer"):
        latentdims.clip(network.module, *shown(), layer="layer3")


@pytest.mark.parametrize(("heading", "lines"), [("Clipping", 2), ("Drawing", 2)])
def test_the_examples_of_the_page(heading, lines):
    assert examples.run(PAGE, heading) == lines
