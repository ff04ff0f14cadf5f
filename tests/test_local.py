"""Where the user's own files are, and whether what is read of them has changed."""

import os
import shutil

import pytest

from latentdims import published
from latentdims.errors import InputError
from latentdims.sources import local
from latentdims.sources.folder import File


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


@pytest.fixture
def photos(tmp_path):
    """Images in a store that `train` is a link to, and files that are not read."""
    for place in ("store/a/0.png", "store/b/1.png", "photos/test/a/2.png", "photos/test/b/3.png"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place)
    (tmp_path / "photos" / "train").symlink_to("../store")
    return tmp_path / "photos"


@pytest.fixture
def digests(monkeypatch):
    """How many files were read."""
    read = []
    whole = File.digest
    monkeypatch.setattr(File, "digest", lambda file: read.append(file.path) or whole(file))
    return read


def test_content_changes_with_what_is_read_alone(photos, tmp_path):
    before = local.content(photos)
    (photos / "test" / "a" / ".DS_Store").touch()
    (photos / "test" / "a" / "notes.txt").touch()
    (photos / "README").touch()
    os.utime(photos / "test" / "a" / "2.png", ns=(0, 0))
    shutil.copytree(photos, tmp_path / "copy")  # without the link
    assert local.content(photos) == local.content(tmp_path / "copy") == before
    image = photos.parent / "store" / "a" / "0.png"
    image.write_text("store/a/X.png")
    edited = local.content(photos)
    image.rename(image.with_name("9.png"))
    renamed = local.content(photos)
    shutil.copy(image.with_name("9.png"), image)
    assert len({before, edited, renamed, local.content(photos)}) == 4


def test_files_are_read_again_only_where_something_moved(photos, tmp_path, digests):
    notes = tmp_path / "notes"
    before = local.content(photos, notes=notes)
    assert not notes.exists()  # a dry run writes nothing
    assert len(digests) == 4
    local.content(photos, notes=notes, keep=True)
    assert local.content(photos, notes=notes) == before and len(digests) == 8
    (photos / "README").touch()
    assert local.content(photos, notes=notes) == before and len(digests) == 8
    # Neither size nor time tells of this edit.
    image = photos / "test" / "a" / "2.png"
    times = image.stat()
    image.write_text("photos/test/a/X.png")
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert local.content(photos, notes=notes) != before and len(digests) == 12


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"listing": 1'])
def test_a_note_that_cannot_be_read_is_made_again(photos, tmp_path, damaged):
    notes = tmp_path / "notes"
    before = local.content(photos, notes=notes, keep=True)
    (note,) = notes.iterdir()
    whole = note.read_text()
    note.write_text(damaged)
    assert local.content(photos, notes=notes, keep=True) == before
    assert note.read_text() == whole


def test_an_archive_counts_by_its_content(tmp_path, digests):
    archive, notes = tmp_path / "photos.tar", tmp_path / "notes"
    archive.write_bytes(b"one")
    before = local.content(archive, notes=notes, keep=True)
    assert local.content(archive, notes=notes) == before and len(digests) == 1
    os.utime(archive, ns=(0, 0))
    assert local.content(archive, notes=notes) == before and len(digests) == 2
    shutil.copy(archive, tmp_path / "copy.tar")
    assert local.content(tmp_path / "copy.tar") == before
    archive.write_bytes(b"two")
    assert local.content(archive, notes=notes) != before


def test_a_layout_that_is_refused_is_refused_while_planning(photos):
    source = {"source": "imagefolder", "path": str(photos), "test_share": None}
    local.check_layout(source)
    (photos / "test" / "b" / "3.png").unlink()
    with pytest.raises(InputError, match="class b is in train/ but not in test/"):
        local.check_layout(source)
