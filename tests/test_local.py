"""Where the user's own files are."""

import os

import pytest

from latentdims.errors import InputError
from latentdims.images import checksums
from latentdims.images.sources import local


def test_no_path_no_files():
    assert local.files({"source": "embedded"}, key="datasets.mine.path") == []
    assert local.files({"source": "torchvision", "path": None}, key="datasets.mine.path") == []


def test_a_folder_of_a_published_data_set_must_hold_all_its_files(tmp_path):
    source = {"source": "torchvision", "name": "SVHN", "path": str(tmp_path)}
    (tmp_path / "train_32x32.mat").touch()
    with pytest.raises(InputError, match=r"datasets\.mine\.path: .*test_32x32\.mat"):
        local.files(source, key="datasets.mine.path")
    (tmp_path / "test_32x32.mat").touch()
    names = list(checksums.files("SVHN"))
    assert local.files(source, key="") == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize("name", ["none", "n" * 300, "file/below", "nul\0"])
def test_a_missing_path_names_its_key(tmp_path, name):
    (tmp_path / "file").touch()
    source = {"source": "imagefolder", "path": str(tmp_path / name)}
    with pytest.raises(InputError, match=r"datasets\.mine\.path: no such file or folder"):
        local.files(source, key="datasets.mine.path")


def test_a_pipe_or_a_device_is_refused_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        source = {"source": "imagefolder", "path": str(path)}
        with pytest.raises(InputError, match="neither a folder nor a file"):
            local.files(source, key="datasets.mine.path")
