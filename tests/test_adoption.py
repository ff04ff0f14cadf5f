"""Checkpoints of every kind, and what is said of those that cannot be adopted."""

import copy
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from conftest import CLASSES, NETWORKS, NORMS, SHAPE, random_network
from safetensors.torch import save_file
from torch.nn import functional

from latentdims import storage
from latentdims.configuration import adopted
from latentdims.configuration.config import resolve
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.sources import content
from latentdims.models import networks
from latentdims.models.brought import checkpoints
from latentdims.steps import adoption, clipping, generation, training

NORM = "norm"  # a convolutional network with batch norm: buffers, and whole numbers among them


def settings_of(network: str = NORM, *, seed: int = 2, **asked: Any) -> dict[str, Any]:
    """As the workflow hands them on."""
    place = {"key": asked.pop("key", None), "prefix": asked.pop("prefix", None)}
    nothing = {"classes": None, "epochs": None, "untrained": None}
    return {
        "network": {**NETWORKS, **NORMS}[network],
        "preprocessing": {"steps": ["normalize"], "mean": [0.4, 0.6], "std": [0.2, 0.3]},
        "seed": seed,
        "checkpoints": {**nothing, "trained": place, **asked},
    }


def adopt(images: Path, *files: Path, settings: dict[str, Any], contents=None) -> Path:
    output = images.with_name("network.h5")
    adoption.adopt(
        images=images,
        output=output,
        files=list(map(str, files)),
        contents=contents or [content.content(path) for path in files],
        settings=settings,
        device="cpu",
    )
    return output


def trained_module(name: str = NORM, *, seed: int = 3) -> torch.nn.Module:
    """One whose statistics are not those that it begins with."""
    torch.manual_seed(seed)
    module = copy.deepcopy(random_network(name, seed=seed).module).train()
    for _ in range(3):
        module(1 + 2 * torch.randn(20, *SHAPE))
    return module.eval()


def saved(state: Any, path: Path) -> Path:
    torch.save(state, path)
    return path


def test_a_state_dict_in_half_precision(images):
    module = trained_module().half()
    path = saved(
        {"net": {f"m.{k}": v for k, v in module.state_dict().items()}}, images.with_suffix(".pt")
    )
    settings = settings_of(key="net", prefix="m.")
    output = adopt(images, path, settings=settings)
    loaded = data.load(images, preprocessing=settings["preprocessing"], device="cpu")
    found = networks.load(output, settings=settings, sha256=loaded.sha256)
    np.testing.assert_array_equal(found.affine.offset, loaded.affine.offset)
    module = module.float()
    for name, tensor in module.state_dict().items():
        assert found.tensors[name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(found.tensors[name][0], tensor.numpy())
    with h5py.File(output) as file, torch.no_grad():
        assert file["epochs"][()].tolist() == [1] and file["steps"][()].tolist() == [0]
        for split in ("train", "test"):
            labels = getattr(loaded, split).labels
            logits = module(getattr(loaded, split).images)
            accuracy = 100 * (logits.argmax(1) == labels).double().mean().item()
            assert file[f"history/{split}_accuracy"][()].tolist() == pytest.approx([accuracy])
            loss = functional.cross_entropy(logits, labels).item()
            assert file[f"history/{split}_loss"][()].tolist() == pytest.approx([loss], rel=1e-5)
        assert file["history/folds/test_accuracy"].shape == (8, 1)


def test_every_format_gives_the_same(images, settings):
    """Of a network.h5, the epochs that are asked for; and untrained, its epoch 0."""
    old = images.with_name("old.h5")
    made = {
        **settings(NORM, epochs=3, keep_epochs=[1]),
        "preprocessing": settings_of()["preprocessing"],
    }
    training.train(images=images, output=old, settings=made, device="cpu")
    with h5py.File(old) as file:
        found = storage.arrays(file, "weights")
        weights = {f"{name}.map.weight": each for name, each in found.items()}
        state = storage.arrays(file, "state")
        kept = {name: torch.from_numpy(each.copy()) for name, each in (weights | state).items()}
    folder = images.parent
    at = [{name: each[place].clone() for name, each in kept.items()} for place in (0, 1, 2)]
    start = saved(at[0], folder / "start.pt")
    torch.save(at[2], folder / "legacy.pt", _use_new_zipfile_serialization=False)
    save_file(at[2], folder / "last.safetensors")
    asked = {"untrained": {"key": None, "prefix": None}}
    last = [
        adopt(images, *paths, settings=settings_of(**asked)).read_bytes()
        for paths in (
            (old, old),
            (start, saved(OrderedDict(at[2]), folder / "last.pt")),
            (start, folder / "legacy.pt"),
            (start, folder / "last.safetensors"),
        )
    ]
    assert len(set(last)) == 1
    asked["epochs"] = [1, 3]
    output = adopt(images, old, old, old, settings=settings_of(**asked))
    with h5py.File(old) as file, h5py.File(output) as found:
        assert found["epochs"][()].tolist() == [0, 1, 3]
        for name in storage.arrays(file, "weights"):
            np.testing.assert_array_equal(file[f"weights/{name}"], found[f"weights/{name}"])
        for measure in ("train_loss", "test_accuracy"):
            np.testing.assert_array_equal(
                file[f"history/{measure}"][[0, 1, 3]], found[f"history/{measure}"]
            )
    with pytest.raises(InputError, match=r"old\.h5: has no weights of epoch 2; it has 0, 1, 3"):
        adopt(images, old, settings=settings_of(epochs=[2]))


def test_counters_of_older_files_may_be_missing(images):
    own = images.with_name("own_net.py")
    own.write_text(OWN, encoding="utf-8")
    settings = settings_of() | {"network": {"architecture": f"{own}:make"}}
    module = networks.build(settings["network"], image_shape=SHAPE, classes=len(CLASSES)).module
    state = module.state_dict()
    (counter,) = (name for name in state if name.endswith("num_batches_tracked"))
    for count in (0, 7):
        state[counter] = torch.tensor(count)
        kept = {name: state[name] for name in state if count or name != counter}
        output = adopt(images, saved(kept, images.with_suffix(".pt")), settings=settings)
        with h5py.File(output) as file:
            assert file[f"state/{counter}"][()].tolist() == [count]


OWN = """
from torch import nn


def make(image_shape, classes):
    parts = [nn.Flatten(), nn.Linear(242, 6), nn.BatchNorm1d(6), nn.Linear(6, classes)]
    return nn.Sequential(*parts)
"""


def changed(**tensors: Any) -> dict[str, Any]:
    """A state dict with other tensors in their places; None for none."""
    state = {**trained_module().state_dict(), **tensors}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


FIRST, LAST = "layer1.map.weight", "classifier.map.weight"


class Runs:
    def __reduce__(self):
        return (print, ("code that runs",))


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "missing": (changed(**{FIRST: None}), {}, rf"missing {FIRST}; is the architecture"),
    "unexpected": (changed(more=torch.ones(2)), {}, "unexpected more; is the arch"),
    "other names": (
        {name.replace("layer1", "layre1"): each for name, each in changed().items()},
        {},
        r"missing layer1\.map.*; unexpected layre1.*; for layer1\.map.*did you mean 'layre1",
    ),
    "a prefix": (
        {f"module.{name}": each for name, each in changed().items()},
        {},
        r"missing .*; unexpected module\..* and \d more; give prefix: module\.$",
    ),
    "shape": (
        changed(**{FIRST: torch.ones(3, 2, 4, 4)}),
        {},
        rf"{FIRST} is \(3, 2, 4, 4\), expected \(3, 2, 3, 3\); is the architecture",
    ),
    "outputs": (changed(**{LAST: torch.ones(9, 6)}), {}, r"\(9, 6\), expected .*; give classes: 9"),
    "key": (
        {"model": {"state": {}}},
        {"key": "model.stat"},
        "in 'model' there is no key 'stat'; did",
    ),
    "no key": (
        {"epoch": 3, "model": {"state": changed()}},
        {},
        r"holds epoch, model, expected only tensors; give the key .* such as model\.state$",
    ),
    "empty": ({}, {}, "holds nothing, expected only tensors"),
    "no names": ([torch.ones(3)], {}, "holds a list, expected tensors by name"),
    "no such prefix": (
        changed(),
        {"prefix": "module."},
        "no tensor has the prefix 'module.'; it has",
    ),
    "code": (Runs(), {}, r"is a pickle that would run code .*save only the weights: torch\.save"),
    "not finite": (
        changed(**{FIRST: torch.full((3, 2, 3, 3), torch.nan)}),
        {},
        f"{FIRST} holds 54 of 54 values that are not finite",
    ),
    "beyond float32": (
        changed(**{FIRST: torch.full((3, 2, 3, 3), 1e300, dtype=torch.float64)}),
        {},
        f"{FIRST} holds 54 of 54 values that are not finite",
    ),
    "whole": (
        changed(**{FIRST: torch.ones(3, 2, 3, 3).int()}),
        {},
        "is of int32, expected float32",
    ),
}


@pytest.mark.parametrize(("state", "asked", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(images, state, asked, message):
    path = saved(state, images.with_suffix(".pt"))
    with pytest.raises(
        InputError, match=re.compile(f"{re.escape(str(path))}: .*{message}")
    ) as error:
        adopt(images, path, settings=settings_of(**asked))
    assert "\n" not in str(error.value)
    assert not images.with_name("network.h5").exists()


FILES = {
    "text": (
        b"weights: none\n" * 9,
        "is no checkpoint: expected a state dict written by torch.save",
    ),
    "cut zip": (b"PK\x03\x04" + b"\0" * 90, "cannot be read as a checkpoint of PyTorch"),
    "cut pickle": (b"\x80\x02", "cannot be read as a checkpoint of PyTorch|would run code"),
    "cut safetensors": (b"\x99\0\0\0\0\0\0\0{}", "is damaged safetensors"),
    "cut HDF5": (b"\x89HDF\r\n\x1a\n", r"is HDF5, but no network\.h5 of this package"),
}


@pytest.mark.parametrize(("prefix", "left_out"), [("net.", 3), ("n", 0), (None, 0)])
def test_tensors_without_the_prefix_are_left_out_and_counted(prefix, left_out, tmp_path, caplog):
    state = {"net.a": torch.ones(3), "net.net.b": torch.zeros(2)}
    state |= {"norm": torch.ones(1), "n.net.c": torch.ones(4), "nets": torch.ones(5)}
    path = saved(state, tmp_path / "a.pt")
    with caplog.at_level("INFO"):
        found = checkpoints.read(path, key=None, prefix=prefix, epoch=None)
    begun = {name: each for name, each in state.items() if name.startswith(prefix or "")}
    assert {name: each.tolist() for name, each in found.items()} == {
        name[len(prefix or "") :]: each.tolist() for name, each in begun.items()
    }
    told = [f"{path}: left out {left_out} tensors without {prefix}"] if left_out else []
    assert caplog.messages == told


@pytest.mark.parametrize(("raw", "message"), FILES.values(), ids=FILES)
def test_what_is_no_checkpoint(images, raw, message):
    path = images.with_name("odd")
    path.write_bytes(raw)
    with pytest.raises(InputError, match=message) as error:
        adopt(images, path, settings=settings_of())
    assert "\n" not in str(error.value) and path.read_bytes() == raw


def test_a_file_that_is_not_ours_stays_as_it_is(images):
    before = images.read_bytes()
    with pytest.raises(InputError, match=r"is HDF5, but no network\.h5 of this package"):
        adopt(images, images, settings=settings_of())
    with pytest.raises(InputError, match="is HDF5, which needs no key 'model'; remove the key"):
        adopt(images, images, settings=settings_of(key="model"))
    assert images.read_bytes() == before


def test_a_file_that_changed_while_the_run_went_on(images):
    path = saved(changed(), images.with_suffix(".pt"))
    with pytest.raises(InputError, match="changed during the run; run the same command again"):
        adopt(images, path, settings=settings_of(), contents=["planned"])


@pytest.mark.parametrize("network", ["cnn", "resnet"])  # a chain, and none
def test_outputs_of_other_classes(images, network):
    settings = settings_of(network, classes=9)
    module = networks.initial(settings["network"], image_shape=SHAPE, classes=9, seed=3).module
    path = saved(module.state_dict(), images.with_suffix(".pt"))
    files = {"images": images, "network": adopt(images, path, settings=settings)}
    reason = f"its 9 outputs are not the {len(CLASSES)} classes of the data set"
    outputs = [images.with_name(name) for name in ("clipping.h5", "generation.h5")]
    common = {**files, "settings": settings, "device": "cpu"}
    clipping.clip(covariance="none", output=outputs[0], bases=["weight"], ranks="all", **common)
    generation.generate(others={}, output=outputs[1], procedures={}, **common)
    for output in outputs:
        with h5py.File(output) as file:
            assert file.attrs["undefined"] == reason
            assert np.isnan(file["reference_accuracy"][()])


PATH = {"checkpoints": "runs/{seed}.pt"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "training": ({**PATH, "training": {"epochs": 2}}, "training: the network is adopted, not"),
    "classes alone": ({"classes": 9}, "classes: is for a network with `checkpoints`; add these"),
    "untrained alone": ({"untrained": "a{seed}.pt"}, "untrained: is for a network with `checkp"),
    "one file": (
        {"checkpoints": "runs/a.pt"},
        "runs/a.pt is the same file for each of the 3 seeds",
    ),
    "one untrained": ({**PATH, "untrained": "a.pt"}, "untrained: a.pt is the same file for each"),
    "a field": ({"checkpoints": "{sed}.pt"}, "{sed}.pt has {sed}; did you mean 'seed'"),
    "braces": ({"checkpoints": "{seed.pt"}, "has other braces than {seed}"),
    "an epoch": (
        {"checkpoints": "{seed}_{epoch}.pt"},
        "has {epoch}; list them as checkpoints.epochs",
    ),
    "no path": ({"checkpoints": {"key": "model"}}, "missing key 'path'; add it"),
    "a key": (
        {"checkpoints": {"path": "a", "keys": "b"}},
        "checkpoints.keys: unknown key; did you",
    ),
    "epoch 0": ({"checkpoints": {"path": "{seed}", "epochs": [0, 1]}}, "found [0, 1], expected"),
    "untrained epochs": ({**PATH, "untrained": {"path": "{seed}", "epochs": [0]}}, "unknown key"),
    "mean": ({"preprocessing": {"mean": [0.1, 0.2]}}, "preprocessing.mean: found 2 number(s), exp"),
    "step": ({"preprocessing": {"steps": ["grey"]}}, "unknown value 'grey'; did you mean 'gray'"),
}


def configured(network: dict[str, Any]) -> dict[str, Any]:
    return {
        "datasets": {"shapes": {"source": "embedded"}},
        "networks": {"net": {"architecture": "mlp", "widths": [4], **network}},
        "seeds": 3,
    }


@pytest.mark.parametrize(("network", "message"), WRONG.values(), ids=WRONG)
def test_wrong_keys(network, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        resolve(configured(network))
    assert str(error.value).startswith("networks.net") and "\n" not in str(error.value)


def test_what_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNS", str(tmp_path))
    place = {"path": "$RUNS/{seed}_{epoch:03d}.pt", "epochs": ["1", 5.0, 90]}
    found = resolve(configured({"checkpoints": place, "untrained": "start{seed}", "classes": "9"}))
    asked = found["adopted"]["net"]
    assert found["kept"]["net"] == [0, 1, 5, 90]
    names = ["001.pt", "005.pt", "090.pt"]
    assert adopted.files(asked, 7) == ["start7", *(f"{tmp_path}/7_{name}" for name in names)]
    assert adopted.settings(asked) == {
        "classes": 9,
        "epochs": [1, 5, 90],
        "trained": {"key": None, "prefix": None},
        "untrained": {"key": None, "prefix": None},
    }


def test_files_are_looked_for(tmp_path, images):
    def check(**network: Any) -> None:
        asked = resolve(configured({**network, "seeds": 3}))["adopted"]["net"]
        adopted.check_files("net", asked)

    for seed in range(3):
        (tmp_path / f"{seed}.pt").write_bytes(b"PK")
        (tmp_path / f"{seed}.h5").write_bytes(images.read_bytes())
    path = str(tmp_path / "{seed}.pt")
    check(checkpoints=path, untrained=path)
    check(checkpoints={"path": str(tmp_path / "{seed}.h5"), "epochs": [1, 2]})
    with pytest.raises(
        InputError, match=r"net\.checkpoints: .*0\.pt is the same file for each of t"
    ):
        check(checkpoints={"path": path, "epochs": [1, 2]})
    (tmp_path / "1.pt").unlink()
    with pytest.raises(
        InputError, match=r"net\.checkpoints: there is no file, .*1\.pt, for seed 1"
    ):
        check(checkpoints=path)
    (tmp_path / "folder0").mkdir()
    with pytest.raises(InputError, match=r"net\.untrained: is no file, .*folder0, for seed 0"):
        check(checkpoints=str(tmp_path / "{seed}.h5"), untrained=str(tmp_path / "folder{seed}"))
