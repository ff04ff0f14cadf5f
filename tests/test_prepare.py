import json
import logging
import subprocess
import sys
from contextlib import nullcontext

import h5py
import numpy as np
import pytest

from latentdims import storage
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.collection import Collection
from latentdims.images.data import ARRAYS
from latentdims.images.sources import embedded
from latentdims.images.sources.content import content
from latentdims.steps.prepare import prepare


def random_images(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def load(path, **preprocessing):
    return data.load(path, preprocessing=preprocessing, device="cpu")


def test_prepare_writes_the_contract_twice_the_same(tmp_path):
    source = {"source": "embedded", "train_samples": 20, "test_samples": 10, "seed": 1, "path": "x"}
    for name in ("a.h5", "b.h5"):
        prepare(output=tmp_path / name, source=source)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as file:
        arrays = [file[name][()] for name in ARRAYS]
        assert json.loads(file.attrs["source"]) == source == storage.settings(file)
        assert file.attrs["sha256"] == storage.sha256(*arrays)
        assert len(file["classes"]) == 10
    assert [array.dtype for array in arrays] == [np.uint8, np.int64] * 2
    assert [array.shape for array in arrays] == [(20, 3, 32, 32), (20,), (10, 3, 32, 32), (10,)]
    loaded = load(tmp_path / "a.h5", steps=[])
    assert loaded.classes[0] == "disk" and loaded.shape == (3, 32, 32)
    assert loaded.sha256 == storage.sha256(*arrays)


def test_some_images_of_a_source_that_has_more(tmp_path):
    from PIL import Image

    for place, count in {"train/owl": 13, "train/crow": 12, "test/owl": 11, "test/crow": 6}.items():
        (tmp_path / place).mkdir(parents=True)
        for number in range(count):
            shade = 10 * number + 3 * (place.endswith("owl"))
            Image.new("L", (2, 2), shade).save(tmp_path / place / f"{number:02}.png")
    whole = {"source": "imagefolder", "path": str(tmp_path)}
    found = {}
    for name, keys in (("all", {}), ("some", {"train_samples": 14, "test_samples": 10})):
        prepare(output=tmp_path / f"{name}.h5", source={**whole, **keys})
        with h5py.File(tmp_path / f"{name}.h5") as file:
            found[name] = [file[array][()] for array in ARRAYS]
            assert file.attrs["sha256"] == storage.sha256(*found[name])
    for images, labels, kept, kept_labels, number in zip(
        *(each[part::2] for each in (found["all"], found["some"]) for part in (0, 1)),
        (14, 10),
        strict=True,
    ):
        pairs = list(zip(images[:, 0, 0, 0], labels, strict=True))
        some = list(zip(kept[:, 0, 0, 0], kept_labels, strict=True))
        assert len(some) == number and len({*kept_labels}) == 2
        assert [pair for pair in pairs if pair in some] == some != pairs[:number]
    with pytest.raises(InputError, match="train_samples: asks for 26 images, but there are 25"):
        prepare(output=tmp_path / "none.h5", source={**whole, "train_samples": 26})


def test_prepare_reads_a_folder_and_says_what_it_found(tmp_path, caplog):
    from PIL import Image

    counts = {"train/owl": 3, "train/crow": 2, "test/owl": 1, "test/crow": 2}
    for place, count in counts.items():
        (tmp_path / place).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(random_images((9, 12, 3))).save(tmp_path / place / f"{number}.png")
    (tmp_path / "train" / "owl" / "notes.txt").write_text("of the owl")
    source = {"source": "imagefolder", "size": [6, 8], "content": content(tmp_path)}
    with caplog.at_level(logging.INFO):
        prepare(output=tmp_path / "i.h5", source=source, files=[str(tmp_path)])
    assert load(tmp_path / "i.h5", steps=["gray"]).shape == (1, 6, 8)
    assert caplog.messages == [
        f"reading {tmp_path}",
        "passed over, not an image by its extension: 1 (train/owl/notes.txt)",
        "train: 5 images of 2 classes: crow 2, owl 3",
        "test: 3 images of 2 classes: crow 2, owl 1",
    ]
    with pytest.raises(InputError, match="changed while they were read"):
        prepare(output=tmp_path / "i.h5", source={**source, "content": "0"}, files=[str(tmp_path)])


def test_preparing_embedded_images_does_not_import_torch(tmp_path):
    command = (
        "import sys; from latentdims.steps.prepare import prepare; prepare(output=sys.argv[1], "
        "source={'source': 'embedded', 'train_samples': 10, 'test_samples': 10}); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", command, str(tmp_path / "i.h5")], check=True)


def test_classes_of_any_number_and_name(tmp_path, monkeypatch):
    """HDF5 keeps at most 64 KiB of attributes: names are a dataset."""
    names = [f"{index} " + "ü$\\\xff" for index in range(100_000)]
    labels = dict.fromkeys(("train", "test"), np.arange(len(names)))
    black = Collection((1, 1, 1), labels, names, lambda wanted: iter(()))
    monkeypatch.setattr(embedded, "opened", lambda source, files, *, cores: nullcontext(black))
    prepare(output=tmp_path / "i.h5", source={"source": "embedded"})
    with data.opened(tmp_path / "i.h5", preprocessing={}, device="cpu") as file:
        assert file.classes == tuple(names)
