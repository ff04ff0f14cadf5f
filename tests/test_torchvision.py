import gzip
import hashlib
import io
import pickle
import socket
import tarfile

import numpy as np
import pytest
import scipy.io
from gathered import gathered

from latentdims import torchvision
from latentdims.errors import InputError
from latentdims.images import checksums
from latentdims.images.sources import torchvision as source
from latentdims.steps import download


def read(*given):
    return gathered(source.read(*given))


datasets = torchvision.load("datasets")
SAMPLES = {"train": 4, "test": 3}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def md5(content):
    return hashlib.md5(content).hexdigest()


def pixels(split, shape):
    random = np.random.default_rng(SAMPLES[split])
    return random.integers(0, 256, (SAMPLES[split], *shape), dtype=np.uint8)


def labels(split):
    return np.arange(SAMPLES[split]) % 3


def cifar(monkeypatch, name, files, names_key, label_key):
    """An archive of pickles in the layout of CIFAR, with one file per split."""
    classes = getattr(datasets, name)
    contents = {
        files[split]: pickle.dumps(
            {"data": pixels(split, (3072,)), label_key: labels(split).tolist()}
        )
        for split in ("train", "test")
    }
    contents[classes.meta["filename"]] = pickle.dumps({names_key: ["a", "b", "c"]})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for file, content in contents.items():
            member = tarfile.TarInfo(f"{classes.base_folder}/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    for split in ("train", "test"):
        listed = [[files[split], md5(contents[files[split]])]]
        monkeypatch.setattr(classes, f"{split}_list", listed)
    meta = classes.meta | {"md5": md5(contents[classes.meta["filename"]])}
    monkeypatch.setattr(classes, "meta", meta)
    monkeypatch.setattr(classes, "tgz_md5", md5(buffer.getvalue()))
    return {classes.filename: buffer.getvalue()}


def mnist(monkeypatch, name):
    """Four compressed IDX files: a magic number, the sizes, the bytes."""
    contents = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        for kind, data in (
            ("images-idx3", pixels(split, (28, 28))),
            ("labels-idx1", labels(split).astype(np.uint8)),
        ):
            sizes = np.array(data.shape, dtype=">i4").tobytes()
            raw = bytes([0, 0, 8, data.ndim]) + sizes + data.tobytes()
            contents[f"{prefix}-{kind}-ubyte.gz"] = gzip.compress(raw, mtime=0)
    resources = [(file, md5(contents[file])) for file, _ in getattr(datasets, name).resources]
    monkeypatch.setattr(getattr(datasets, name), "resources", resources)
    return contents


def svhn(monkeypatch):
    """Two MATLAB files; the digit 0 bears the label 10."""
    contents, listed = {}, {}
    for split in ("train", "test"):
        buffer = io.BytesIO()
        images = pixels(split, (3, 32, 32)).transpose(2, 3, 1, 0)  # (N, C, H, W) -> (H, W, C, N)
        stored = np.where(labels(split) == 0, 10, labels(split))[:, None].astype(np.uint8)
        scipy.io.savemat(buffer, {"X": images, "y": stored})
        file = f"{split}_32x32.mat"
        contents[file] = buffer.getvalue()
        listed[split] = ["http://unreachable.invalid/" + file, file, md5(contents[file])]
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    return contents


def fabricate(monkeypatch, folder, name):
    """Tiny archives in a data set's own format, whose checksums both tables then hold."""
    if name == "CIFAR10":
        files = {"train": "data_batch_1", "test": "test_batch"}
        contents = cifar(monkeypatch, name, files, "label_names", "labels")
    elif name == "CIFAR100":
        files = {"train": "train", "test": "test"}
        contents = cifar(monkeypatch, name, files, "fine_label_names", "fine_labels")
    elif name == "SVHN":
        contents = svhn(monkeypatch)
    else:
        contents = mnist(monkeypatch, name)
    assert set(contents) == set(checksums.files(name))
    changed = {file: md5(content) for file, content in contents.items()}
    monkeypatch.setitem(checksums.MD5, name, changed)
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return [folder / file for file in contents]


SHAPES = {
    "CIFAR10": (3, 32, 32),
    "CIFAR100": (3, 32, 32),
    "MNIST": (1, 28, 28),
    "FashionMNIST": (1, 28, 28),
    "SVHN": (3, 32, 32),
}


@pytest.mark.parametrize("name", SHAPES)
def test_images_and_labels_of_every_format(monkeypatch, tmp_path, name):
    files = fabricate(monkeypatch, tmp_path, name)
    arrays, classes = read(name, list(reversed(files)))
    for split, samples in SAMPLES.items():
        flat = (3072,) if name.startswith("CIFAR") else SHAPES[name][-2:]
        stored = pixels(split, SHAPES[name] if name == "SVHN" else flat)
        images = arrays[f"{split}/images"]
        assert images.dtype == np.uint8 and images.flags.c_contiguous
        assert np.array_equal(images, stored.reshape(samples, *SHAPES[name]))
        assert arrays[f"{split}/labels"].dtype == np.int64
        assert arrays[f"{split}/labels"].tolist() == labels(split).tolist()
    assert len(classes) == (3 if name.startswith("CIFAR") else 10)
    assert all(isinstance(label, str) for label in classes)


def test_folder_of_files_and_archive_of_another_name(monkeypatch, tmp_path):
    fabricate(monkeypatch, tmp_path, "MNIST")
    assert len(read("MNIST", [tmp_path])[0]["train/images"]) == SAMPLES["train"]
    (archive,) = fabricate(monkeypatch, tmp_path, "CIFAR10")
    renamed = archive.rename(tmp_path / "mine.tgz")
    assert len(read("CIFAR10", [str(renamed)])[0]["test/images"]) == SAMPLES["test"]


def test_no_pickle_is_loaded_before_the_checksum(monkeypatch, tmp_path):
    (archive,) = fabricate(monkeypatch, tmp_path, "CIFAR10")
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])

    def refuse(*_, **__):
        raise AssertionError("a pickle was loaded")

    monkeypatch.setattr(pickle, "load", refuse)
    with pytest.raises(InputError) as error:
        read("CIFAR10", [archive])
    expected = (str(archive), md5(content), md5(content[: len(content) // 2]), "delete it")
    assert all(word in str(error.value) for word in expected)


def test_missing_files(monkeypatch, tmp_path):
    with pytest.raises(InputError, match=r"none\.tgz: no such file"):
        read("CIFAR10", [tmp_path / "none.tgz"])
    files = fabricate(monkeypatch, tmp_path, "MNIST")
    with pytest.raises(InputError, match=r"also needs t10k-labels-idx1-ubyte\.gz"):
        read("MNIST", files[:-1])


def test_facts_agree_with_torchvision():
    def originals(name):
        return [download.urls(name, file)[-1] for file in checksums.files(name)]

    for name in ("CIFAR10", "CIFAR100"):
        classes = getattr(datasets, name)
        assert checksums.files(name) == {classes.filename: classes.tgz_md5}
        assert originals(name) == [classes.url]
    for name in ("MNIST", "FashionMNIST"):
        classes = getattr(datasets, name)
        assert list(checksums.files(name).items()) == classes.resources
        for file in checksums.files(name):
            assert download.urls(name, file) == [mirror + file for mirror in classes.mirrors]
    expected = [datasets.SVHN.split_list[split] for split in ("train", "test")]
    assert originals("SVHN") == [url for url, _, _ in expected]
    assert checksums.files("SVHN") == {file: md5 for _, file, md5 in expected}
