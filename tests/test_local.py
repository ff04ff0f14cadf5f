"""Where the user's own files are, and whether a folder of them has changed."""

import os

import pytest

from latentdims import published
from latentdims.errors import InputError
from latentdims.sources import local


def test_no_path_no_files():
    assert local.files({"source": "embedded"}, key="datasets.mine.path") == []
    assert local.files({"source": "torchvision", "path": None}, key="datasets.mine.path") == []


def test_a_folder_of_a_published_data_set_must_hold_all_its_files(tmp_path):
    source = {"source": "torchvision", "name": "SVHN", "path": str(tmp_path)}
    (tmp_path / "train_32x32.mat").touch()
    with pytest.raises(InputError, match=r"datasets\.mine\.path: .*test_32x32\.mat"):
        local.files(source, key="datasets.mine.path")
    (tmp_path / "test_32x32.mat").touch()
    names = list(published.files("SVHN"))
    assert local.files(source, key="") == [str(tmp_path / name) for name in names]


def test_a_missing_path_names_its_key(tmp_path):
    source = {"source": "imagefolder", "path": str(tmp_path / "none")}
    with pytest.raises(InputError, match=r"datasets\.mine\.path: .*none"):
        local.files(source, key="datasets.mine.path")


def test_listing_changes_with_any_file_below(tmp_path):
    image = tmp_path / "train" / "a" / "0.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"one")
    before = local.listing([str(tmp_path)])
    assert local.listing([str(tmp_path)]) == before
    image.write_bytes(b"other")
    after = local.listing([str(tmp_path)])
    os.utime(image, ns=(0, 0))
    touched = local.listing([str(tmp_path)])
    (image.parent / "1.png").touch()
    assert len({before, after, touched, local.listing([str(tmp_path)])}) == 4


def test_an_archive_has_no_listing(tmp_path):
    (tmp_path / "photos.tar").touch()
    assert local.listing([str(tmp_path / "photos.tar")]) == ""
