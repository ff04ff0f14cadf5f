"""Networks that others have written: what a forward pass finds, and what is refused."""

import re
import sys
from contextlib import nullcontext
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from recipes import CONSTANT
from torch import nn

from latentdims.errors import InputError
from latentdims.figures import weight_eigenvectors, weights
from latentdims.images import data
from latentdims.models import families, networks
from latentdims.models.architecture import IMAGES
from latentdims.models.brought import beside, makers, stem
from latentdims.steps import alignment, covariance, training
from latentdims.workflow import provenance

MODELS = Path(__file__).with_name("brought_models.py")
SHAPE, CLASSES = (2, 11, 11), 4  # as conftest's images


def brought(function, sites=("head",), **keys):
    return {"architecture": f"{MODELS}:{function}", "sites": list(sites), **keys}


GROUPED = brought("grouped", ["0.first", "0.second", "3"], width=8)
TOKENS = brought("Tokens", ["first", "second"])
NORMED = brought("Normed", ["relu", "second", "head"])
BROUGHT = pytest.mark.parametrize("settings_of", [GROUPED, TOKENS, NORMED], ids=str)


def described(settings, shape=SHAPE):
    return families.described(settings, image_shape=shape, classes=CLASSES)


def told(found):
    sites = [(site.name, site.shape, site.channels) for site in found.sites]
    return sites, [(weight.name, weight.shape, weight.reads) for weight in found.weights]


def test_what_a_forward_pass_finds():
    sites, weights = told(described(GROUPED))
    assert sites == [("0.first", (8, 11, 11), 8), ("0.second", (11, 5, 5), 11), ("3", (4,), 4)]
    assert weights == [
        *(("0.stem", (8, 2, 9), IMAGES), ("0.conv", (11, 8, 4), "0.first")),
        ("3", (4, 11, 25), "0.second"),
    ]
    sites, weights = told(described(TOKENS))
    assert sites == [("first", (4, 7), 7), ("second", (4, 6), 6)]
    assert weights == [("patches", (5, 2, 16), IMAGES), ("head", (4, 6, 1), "second")]
    sites, weights = told(described(NORMED))
    assert sites == [("relu", (5, 11, 11), 5), ("second", (7, 5, 5), 7), ("head", (4,), 4)]
    reads = [(name, read) for name, _, read in weights]
    assert reads == [("stem", IMAGES), ("second", "relu"), ("head", "second")]


def test_parts_may_be_called_by_the_names_of_what_they_take():
    _, weights = told(described(brought("Named", ["act"])))
    assert weights == [("stem", (5, 2, 9), IMAGES), ("head", (4, 5, 1), "act")]


def test_a_training_needs_no_sites():
    sites, weights = told(described({"architecture": f"{MODELS}:grouped"}))
    assert sites == []
    assert weights == [
        *(("0.stem", (6, 2, 9), IMAGES), ("0.conv", (9, 6, 4), None)),
        ("3", (4, 225, 1), None),
    ]


def test_names_and_the_output_are_in_order_of_execution():
    found = described(brought("grouped", ["3", "0.second", "0.first"]))
    assert found.names == ["0.stem", "0.first", "0.conv", "0.second", "3"]
    assert found.output == "3"
    assert described(TOKENS).output is None


def test_an_axis_of_channels_can_be_given():
    found = described({**TOKENS, "sites": {"first": 1, "second": -1}})
    assert [site.channels for site in found.sites] == [4, 6]


def test_names_may_be_numbers():
    numbered = {**GROUPED, "sites": {3: None}}
    assert list(families.of(numbered).sites) == ["3"]
    assert list(families.of({**GROUPED, "sites": [3]}).sites) == ["3"]


@pytest.mark.parametrize(
    ("how", "message"),
    [("elsewhere", r"last\.weight is another each time"), ("unstored", "neither a parameter nor")],
)
def test_a_seed_and_tensors_must_tell_all(how, message):
    family = families.of(brought("Odd", how=how))
    with pytest.raises(InputError, match=message):
        family.check_made(image_shape=SHAPE, classes=CLASSES)
    families.of(brought("Odd")).check_made(image_shape=SHAPE, classes=CLASSES)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("several", "returns a tuple while it is trained, expected"),
        ("frozen", r"stem\.weight is frozen"),
    ],
)
def test_what_cannot_be_trained_can_be_adopted(how, message):
    family = families.of(brought("Broken", ["stem"], how=how))
    with pytest.raises(InputError, match=message):
        family.check_made(image_shape=SHAPE, classes=CLASSES)
    family.parts(image_shape=SHAPE, classes=CLASSES)
    family.check_made(image_shape=SHAPE, classes=CLASSES, trained=False)


@pytest.mark.parametrize("function", ["seeded", "constant"])
def test_seeds_that_start_alike_are_refused(function):
    with pytest.raises(InputError, match=r"all seeds start .* leave torch\.manual_seed out"):
        families.of(brought(function)).check_made(image_shape=SHAPE, classes=CLASSES)


def test_what_a_file_draws_when_it_is_imported_changes_no_seed(tmp_path):
    path = tmp_path / "draws.py"
    path.write_text("import torch\nfrom brought_models import grouped\ntorch.manual_seed(5)\n")
    settings = {"architecture": f"{path}:grouped", "sites": ["0"]}

    def start(seed):
        torch.manual_seed(seed)
        return families.of(settings).build(image_shape=SHAPE, classes=CLASSES)

    first, other, again = (start(seed)[3].weight for seed in (1, 2, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


@BROUGHT
def test_a_rotation_at_a_site_and_in_the_weights_that_read_it_changes_nothing(settings_of):
    """So channels, taps and what is read are what they are said to be."""
    network = networks.initial(settings_of, image_shape=SHAPE, classes=CLASSES, seed=3)
    images = torch.randn(5, *SHAPE)
    before = network.logits(images)
    read = [weight for weight in network.architecture.weights if weight.reads != IMAGES]
    assert read
    for weight in read:
        site = network.architecture.site(weight.reads)
        turn = torch.linalg.qr(torch.randn(site.channels, site.channels))[0]
        values = network.weights[weight.name]
        columns = values.reshape(weight.shape).transpose(1, 2) @ turn
        turned = network.replaced({weight.name: columns.transpose(1, 2).reshape(values.shape)})

        def rotate(x, axis=site.axis, turn=turn):
            return (x.movedim(axis, -1) @ turn).movedim(-1, axis)

        with turned.visited({site.name: rotate}):
            after = turned.logits(images)
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(turned.logits(images), before, rtol=1e-2)


@BROUGHT
def test_representations_have_channels_second(settings_of):
    network = networks.initial(settings_of, image_shape=SHAPE, classes=CLASSES, seed=3)
    for site, found in network.representations(torch.randn(3, *SHAPE)):
        assert found.shape[:2] == (3, site.channels)


REFUSED = {
    "raises": (brought("Broken", how="raises"), r"raised RuntimeError for images .*no such size"),
    "nothing": (brought("Broken", how="nothing"), "returns nothing in evaluation mode"),
    "classes": (brought("Broken", how="classes"), r"returns \(6,\) .* expected 4 logits"),
    "random": (brought("Broken", how="random"), "something else of the same images each time"),
    "of its batch": (brought("Odd", how="batch"), "depends on the others of its batch"),
    "copied": (brought("Odd", how="old"), r"cannot be copied .* write .*parametrizations"),
    "bfloat16": (brought("Odd", how="short"), r"images\.weight is of torch.bfloat16, which"),
    "not finite": (brought("Odd", how="infinite"), "values of random images that are not finite"),
    "lazy": (brought("Odd", how="lazy"), r"last\.weight has no shape before images pass"),
    "named images": (brought("Odd", ["images"]), "'images' means the images that the network"),
    "no parts": (brought("Bare"), "has no submodule that runs"),
    "parallel": (brought("wrapped"), "0 is a DataParallel; return what it holds"),
    "exit": (brought("leaving"), r"raised SystemExit in line \d+ of .*: usage"),
    "key of ours": (brought("grouped", classes=3), "classes: leave it out .* from the data set"),
    "weights of others": (
        {"architecture": "torchvision:resnet18", "sites": ["fc"], "weights": "DEFAULT"},
        "weights: leave it out of the keys: networks start at random",
    ),
    "site runs twice": (brought("Broken", ["twice"]), r"sites\.twice: runs 2 times in a pass"),
    "site is a tuple": (brought("Broken", ["pool"]), r"sites\.pool: returns a tuple"),
    "unknown site": (brought("Broken", ["steem"]), "no part 'steem' runs; did you mean 'stem'"),
    "idle site": (brought("Broken", ["idle"]), "no part 'idle' runs"),
    "output alone": (brought("Broken", ["head"]), "sites: only the output"),
    "axis": ({**TOKENS, "sites": {"first": 3}}, r"sites\.first: no axis 3 of channels"),
    "no module": (brought("no_module"), "returned str, expected a torch.nn.Module"),
    "failing": (brought("failing"), r"raised ValueError in line \d+ of .*models\.py: too small"),
    "unlearned": (brought("unlearned", ["0"]), "nothing is learned"),
    "unknown key": (
        brought("grouped", widht=3),
        "widht: .* does not take it; did you mean 'width'",
    ),
    "missing key": (brought("needy"), "width: missing key of "),
    "same site": (brought("grouped", ["0", "0"]), "expected a list of names, each once"),
    "no file": ({"architecture": "no.py:make", "sites": ["0"]}, "there is no file no.py"),
    "no function": (brought("groupde"), "has no 'groupde'; did you mean 'grouped'"),
    "no kind": ({"architecture": "timm:vit", "sites": ["0"]}, "expected a family, torchvision:"),
    "no model": ({"architecture": "torchvision:resnet19", "sites": ["0"]}, "mean 'resnet1"),
    "key handed on": (
        {"architecture": "torchvision:vgg11", "sites": ["0"], "dropuot": 0.1},
        "dropuot: torchvision:vgg11 does not take it; did you mean 'dropout'",
    ),
    "key passed over": (
        {"architecture": "torchvision:mobilenet_v3_small", "sites": ["0"], "dropuot": 0.1},
        "dropuot: .* did you mean 'dropout'",
    ),
    "key of this package": (
        {"architecture": "torchvision:resnet18", "sites": ["0"], "small_imgs": True},
        "did you mean 'small_images'",
    ),
    "size": (
        {"architecture": "torchvision:vit_b_16", "sites": ["encoder"], "image_size": 48},
        r"takes images of 48 x 48, found 11 x 11; give the data set \(an imagefolder\) size: 48",
    ),
    "too small": (
        {"architecture": "torchvision:alexnet", "sites": ["features"]},
        "raised RuntimeError for images .*; if they are too small for it, enlarge them",
    ),
    "patches": (
        {"architecture": "torchvision:swin_t", "sites": ["norm"], "small_images": True},
        r"small_images: .* features\.0\.0, cuts images into patches of 4 x 4",
    ),
    "no word": (
        {"architecture": "torchvision:resnet18", "sites": ["0"], "small_images": 3},
        "true",
    ),
}


@pytest.mark.parametrize(("settings_of", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(settings_of, message):
    with pytest.raises(InputError, match=re.compile(message, re.DOTALL)) as error:
        described(settings_of)
    assert "\n" not in str(error.value)


PLANNED = """
import functools
from torch import nn
from elsewhere import imported

def plain(image_shape, classes, width=3, *, depth): ...
def anything(image_shape, classes, **keys): ...
@functools.cache
def decorated(image_shape): ...

class Net(nn.Module):
    def __init__(self, image_shape, classes, width=3): ...

class Inherits(Net):
    rate = 1

@functools.cache
class Wrapped:
    def __init__(self, image_shape): ...

def again(image_shape): ...
again = functools.partial(anything, width=3)
"""


@pytest.mark.parametrize(
    ("architecture", "keys", "message"),
    [
        ("plain", {"depth": 2, "width": 5}, None),
        (
            "plain",
            {"depth": 2, "widht": 5},
            "widht: .* does not take it; did you mean 'width'",
        ),
        ("plain", {"width": 5}, "depth: missing key of .*:plain; add it"),
        ("anything", {"widht": 5}, None),
        ("decorated", {"widht": 5}, None),
        ("imported", {"widht": 5}, None),
        ("Net", {"width": 5}, None),
        ("Net", {"self": 5}, "self: .*:Net does not take it"),
        ("Net", {"widht": 5}, "widht: .* did you mean 'width'"),
        ("Inherits", {"widht": 5}, None),
        ("Wrapped", {"widht": 5}, None),
        ("again", {"widht": 5}, None),
    ],
)
def test_keys_are_checked_while_a_run_is_planned(architecture, keys, message, tmp_path):
    """By the text of the file alone: before a job loses what an earlier one has made."""
    path = tmp_path / "models.py"
    path.write_text(PLANNED, encoding="utf-8")
    settings = {"architecture": f"{path}:{architecture}", "sites": ["0"], **keys}
    with nullcontext() if message is None else pytest.raises(InputError, match=message):
        families.of(settings)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile imports what is old
@pytest.mark.parametrize(
    ("how", "message"),
    [("compiled", r"the module is compiled \(torch.compile"), ("compiled in place", "0 is comp")],
)
def test_compiled_modules_are_refused(how, message):
    with pytest.raises(InputError, match=message):
        described(brought("wrapped", how=how))


def test_auxiliary_classifiers_are_left_out_by_a_key():
    """And no warning is raised of how weights are drawn."""
    settings = {"architecture": "torchvision:googlenet", "sites": ["conv1"]}
    message = (
        "returns a GoogLeNetOutputs while it is trained, .*; give it the key aux_logits: false"
    )
    with pytest.raises(InputError, match=message):
        families.of(settings).check_made(image_shape=(1, 32, 32), classes=CLASSES)
    assert described({**settings, "aux_logits": False}, (1, 32, 32)).site("conv1").channels == 64


def test_a_file_that_is_no_python(tmp_path):
    path = tmp_path / "wrong.py"
    for text, message in (("def make(:", "is not Python"), ("import nothing_there", "no 'make'")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            described({"architecture": f"{path}:make", "sites": ["0"]})
    path.write_text("make = 3")
    with pytest.raises(InputError, match="has no function 'make', when it is imported"):
        described({"architecture": f"{path}:make", "sites": ["0"]})
    path = tmp_path / "other.py"
    path.write_text("import nothing_there\nmake = 3")
    with pytest.raises(InputError, match="raised ModuleNotFoundError in line 1"):
        described({"architecture": f"{path}:make", "sites": ["0"]})


@pytest.fixture
def no_folders(monkeypatch):
    """Of users, so far."""
    monkeypatch.setattr(beside, "_KNOWN", {})
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.usefixtures("no_folders")
@pytest.mark.parametrize("late", [False, True])
def test_files_have_modules_of_the_same_name_beside_them(late, tmp_path):
    """Imported with the file, or when its function is called."""
    for number, name in enumerate(("one", "two", "one", "two", "alone")):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "pieces.py").write_text(f"width = {3 + len(name)}\n")
        lines = ["from torch import nn", "def make(image_shape, classes):"]
        lines.insert(2 if late else 0, " " * 4 * late + "import pieces")
        lines += ["    return nn.Linear(pieces.width, classes)"]
        (folder / "mine.py").write_text("\n".join(lines))
        if name == "alone":
            (folder / "pieces.py").rename(folder / "parts_of_one.py")
            text = (folder / "mine.py").read_text().replace("pieces", "parts_of_one")
            (folder / "mine.py").write_text(text)
        made = makers.made(f"{folder}/mine.py:make", {}, image_shape=(1, 4, 4), classes=2)
        assert made.in_features == 3 + len(name), number
        assert "pieces" not in sys.modules or number == 0


@pytest.mark.usefixtures("no_folders")
def test_what_is_imported_in_a_forward_pass_is_of_its_folder_or_an_error(tmp_path):
    text = (
        "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, x):\n"
        "        import pieces\n        return pieces.width\n\n"
        "def make(image_shape, classes):\n    return Net()\n"
    )
    nets = []
    for width, name in ((7, "first"), (9, "second")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "pieces.py").write_text(f"width = {width}\n")
        (folder / "net.py").write_text(text)
        call = makers.made(f"{folder}/net.py:make", {}, image_shape=(1, 4, 4), classes=2)
        nets.append(call)
        if name == "first":
            assert call(None) == 7
    for net in nets:
        with pytest.raises(ModuleNotFoundError, match="pieces"):
            net(None)


def test_a_relative_import_is_refused_unless_it_has_an_alternative(tmp_path):
    text = MODELS.with_name("brought_parts.py").read_text(encoding="utf-8")
    (tmp_path / "pieces.py").write_text(text)
    path = tmp_path / "relative.py"
    for line, instead in (
        ("from .pieces import Grouped", "write `from pieces import Grouped`, or a file beside"),
        ("from . import pieces", "write `import pieces`, or a file beside the package"),
        ("from ..pieces import Grouped", "fails; write a file beside the package"),
    ):
        path.write_text(f"import torch\n{line}\n\ndef make(image_shape, classes):\n    return 3\n")
        with pytest.raises(InputError, match=re.escape(instead)) as error:
            described({"architecture": f"{path}:make", "sites": ["0"]})
        assert f"`{line}` in line 2" in str(error.value)
    path.write_text(
        "try:\n    from .pieces import Grouped\nexcept ImportError:\n    import pieces\n"
        "from brought_models import grouped as make\n"
    )
    assert described({**GROUPED, "architecture": f"{path}:make"}).names


def test_a_function_may_be_imported_in_any_way(tmp_path):
    path = tmp_path / "any_way.py"
    for text in (
        "from brought_models import *",
        "if True:\n    from brought_models import grouped",
        "import brought_models\ngrouped: object = brought_models.grouped",
    ):
        path.write_text(text)
        sys.modules.pop(f"{path.stem} of {path.parent}", None)
        settings = {**GROUPED, "architecture": f"{path}:grouped"}
        assert described(settings).names == described(GROUPED).names
    path.write_text("from brought_models import *")
    sys.modules.pop(f"{path.stem} of {path.parent}", None)
    with pytest.raises(InputError, match="has no function 'grouqed'"):
        described({**GROUPED, "architecture": f"{path}:grouqed"})


def test_a_model_of_torchvision_for_small_images():
    settings = {"architecture": "torchvision:resnet18", "sites": ["layer1", "layer4", "fc"]}
    small = described({**settings, "small_images": True}, (1, 16, 16))
    assert [site.shape for site in small.sites] == [(64, 16, 16), (512, 2, 2), (4,)]
    assert small.weight("conv1").shape == (64, 1, 9)
    large = described(settings, (1, 64, 64))
    assert [site.shape for site in large.sites] == [(64, 16, 16), (512, 2, 2), (4,)]
    assert large.weight("conv1").shape == (64, 1, 49)
    assert {weight.reads for weight in large.weights} == {IMAGES, "layer1", "layer4"}
    assert large.weight("fc").reads == "layer4"  # the mean over its positions


def test_a_stem_that_is_fitted():
    module = nn.Sequential(nn.Conv2d(3, 5, 7, stride=2), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3))
    stem.fit(module, channels=1, small_images=True)
    assert module(torch.zeros(1, 1, 12, 12)).shape == (1, 4, 10, 10)
    with pytest.raises(InputError, match="the first convolution, 0, already has stride 1"):
        stem.fit(module, channels=1, small_images=True)
    with pytest.raises(InputError, match="has no convolution"):
        stem.fit(nn.Sequential(nn.Linear(2, 3)), channels=1, small_images=True)


def made(network, seed=2):
    return {
        "seed": seed,
        "network": network,
        "training": {**CONSTANT, "epochs": 2, "batch_size": 16, "learning_rate": 0.05},
        "preprocessing": {"steps": ["normalize"], "mean": "dataset", "std": "dataset"},
    }


def trained(images, folder, settings, name="network.h5"):
    settings = {**settings, "network": families.as_trained(settings["network"])}
    training.train(images=images, output=folder / name, settings=settings, device="cpu")
    with h5py.File(folder / name) as file:
        return {key: file[key][()] for key in ("history/train_loss", *_tensors(file))}


def _tensors(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return [name for name in found if name.startswith(("weights/", "state/"))]


def same(some, others):
    return all(np.array_equal(values, others[name]) for name, values in some.items())


def test_a_seed_names_a_network_and_its_dropout(images, tmp_path):
    settings = made(brought("grouped", ["0.first"], dropout=0.4))
    first = trained(images, tmp_path, settings)
    torch.rand(3)  # what else is drawn in the process
    assert same(first, trained(images, tmp_path, settings, "again.h5"))
    assert not same(first, trained(images, tmp_path, {**settings, "seed": 3}, "other.h5"))
    without = made(brought("grouped", ["0.first"], dropout=0.0))
    assert not same(first, trained(images, tmp_path, without, "without.h5"))


def test_activations_are_compared_where_no_weights_are(images, tmp_path):
    """None of them reads a site, or the images."""
    networks_of, moments = ([tmp_path / f"{name}{seed}.h5" for seed in (0, 1)] for name in "nm")
    for seed in (0, 1):
        settings = made(brought("Unread", ["act"]), seed)
        trained(images, tmp_path, settings, networks_of[seed].name)
        partners = {partner: networks_of[partner] for partner in range(seed)}
        covariance.covariance(
            images=images,
            network=networks_of[seed],
            partners=partners,
            output=moments[seed],
            settings=settings,
            device="cpu",
        )
    output = tmp_path / "alignment.h5"
    alignment.align(
        images=images,
        network=networks_of[1],
        networks={0: networks_of[0]},
        covariance=moments[1],
        partners={0: moments[0]},
        output=output,
        vectors=3,
        settings=settings,
        device="cpu",
        pairings=2,
    )
    with h5py.File(output) as file:
        assert list(file["seed0"]) == ["act"]
    for draw in (weights.draw, weight_eigenvectors.draw):
        (said,) = draw({"alignment": [output, output]}).texts
        assert said.get_text().startswith("No weights are compared")


def test_together_is_one_after_the_other(images, tmp_path):
    settings = made(NORMED)
    alone = trained(images, tmp_path, settings)
    outputs = {seed: tmp_path / f"seed{seed}.h5" for seed in (1, 2)}
    shared = {key: settings[key] for key in ("training", "preprocessing")}
    shared["network"] = families.as_trained(NORMED)
    training.train_together(images=images, outputs=outputs, settings=shared, device="cpu")
    with h5py.File(outputs[2]) as file:
        assert same(alone, {name: file[name][()] for name in alone})


def test_norms_of_an_untrained_network_have_statistics_of_the_images(images, tmp_path):
    found = trained(images, tmp_path, made(NORMED))
    loaded = networks.load(tmp_path / "network.h5", settings=made(NORMED), sha256=_sha256(images))
    network = loaded.at(0, device="cpu")
    split = data.load(images, preprocessing=made(NORMED)["preprocessing"], device="cpu").train
    stem_of = network.module.stem(split.images)
    np.testing.assert_allclose(
        found["state/norm.running_mean"][0], stem_of.mean((0, 2, 3)), rtol=1e-4, atol=1e-5
    )
    assert not np.allclose(*found["state/norm.running_mean"])


def _sha256(path):
    with h5py.File(path) as file:
        return file.attrs["sha256"]


def test_code_beside_a_file_counts(tmp_path):
    """Comments and docstrings do not."""
    for name in ("brought_models.py", "brought_parts.py"):
        (tmp_path / name).write_text(MODELS.with_name(name).read_text(encoding="utf-8"))
    script = Path(__file__).parents[1] / "scripts" / "train.py"
    models, parts = tmp_path / "brought_models.py", tmp_path / "brought_parts.py"

    def stamped():
        provenance._parse.cache_clear()
        return provenance.stamp(script, str(models))

    before = stamped()
    provenance.check_code(before, folder=script.parent)
    parts.write_text(parts.read_text().replace("twice.", "two times."))
    assert stamped() == before
    parts.write_text(parts.read_text().replace("width + 3", "width + 4"))
    assert stamped() != before
    with pytest.raises(InputError, match=r"brought_models\.py was edited during the run"):
        provenance.check_code(before, folder=script.parent)


def test_code_that_a_package_imports_by_dots_counts(tmp_path):
    """Of its own folder and the one above, and of files that have the same name."""
    models, package = tmp_path / "models.py", tmp_path / "package"
    (package / "deep").mkdir(parents=True)
    models.write_text("from package.deep import net\n")
    (package / "__init__.py").write_text("")
    (package / "deep" / "__init__.py").write_text("from . import parts\n")
    (package / "deep" / "net.py").write_text("from .parts import x\nfrom ..parts import y\n")
    (package / "parts.py").write_text("y = 1\n")
    (package / "deep" / "parts.py").write_text("x = 1\n")
    script = Path(__file__).parents[1] / "scripts" / "train.py"

    def stamped():
        provenance._parse.cache_clear()
        return provenance.fingerprint(script, str(models))

    seen = {stamped()}
    for path in (package / "deep" / "net.py", package / "parts.py", package / "deep" / "parts.py"):
        path.write_text(path.read_text() + "z = 2\n")
        seen.add(stamped())
        (package / "deep" / "__init__.py").write_text("from . import parts\nz = 3\n")
        seen.add(stamped())
    assert len(seen) == 5
    parts = {package / "parts.py", package / "deep" / "parts.py"}
    assert parts < {*provenance.reached(script, str(models))}
