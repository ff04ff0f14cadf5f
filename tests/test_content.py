"""Whether what is read of a folder or an archive has changed."""

import os
import shutil

import pytest

from latentdims.errors import InputError
from latentdims.images.sources.content import check_layout, content
from latentdims.images.sources.folder import File


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
    before = content(photos)
    (photos / "test" / "a" / ".DS_Store").touch()
    (photos / "test" / "a" / "notes.txt").touch()
    (photos / "README").touch()
    os.utime(photos / "test" / "a" / "2.png", ns=(0, 0))
    shutil.copytree(photos, tmp_path / "copy")  # without the link
    assert content(photos) == content(tmp_path / "copy") == before
    image = photos.parent / "store" / "a" / "0.png"
    image.write_text("store/a/X.png")
    edited = content(photos)
    image.rename(image.with_name("9.png"))
    renamed = content(photos)
    shutil.copy(image.with_name("9.png"), image)
    assert len({before, edited, renamed, content(photos)}) == 4


def test_files_are_read_again_only_where_something_moved(photos, tmp_path, digests):
    notes = tmp_path / "notes"
    before = content(photos, notes=notes)
    assert not notes.exists()  # a dry run writes nothing
    assert len(digests) == 4
    content(photos, notes=notes, keep=True)
    assert content(photos, notes=notes) == before and len(digests) == 8
    (photos / "README").touch()
    assert content(photos, notes=notes) == before and len(digests) == 8
    # Neither size nor time tells of this edit.
    image = photos / "test" / "a" / "2.png"
    times = image.stat()
    image.write_text("photos/test/a/X.png")
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert content(photos, notes=notes) != before and len(digests) == 12


@pytest.mark.parametrize("damaged", ["", "{}", "[]", '{"listing": 1'])
def test_a_note_that_cannot_be_read_is_made_again(photos, tmp_path, damaged):
    notes = tmp_path / "notes"
    before = content(photos, notes=notes, keep=True)
    (note,) = notes.iterdir()
    whole = note.read_text()
    note.write_text(damaged)
    assert content(photos, notes=notes, keep=True) == before
    assert note.read_text() == whole


def test_an_archive_counts_by_its_content(tmp_path, digests):
    archive, notes = tmp_path / "photos.tar", tmp_path / "notes"
    archive.write_bytes(b"one")
    before = content(archive, notes=notes, keep=True)
    assert content(archive, notes=notes) == before and len(digests) == 1
    os.utime(archive, ns=(0, 0))
    assert content(archive, notes=notes) == before and len(digests) == 2
    shutil.copy(archive, tmp_path / "copy.tar")
    assert content(tmp_path / "copy.tar") == before
    archive.write_bytes(b"two")
    assert content(archive, notes=notes) != before


def test_a_layout_that_is_refused_is_refused_while_planning(photos):
    source = {"source": "imagefolder", "path": str(photos), "test_share": None}
    check_layout(source)
    (photos / "test" / "b" / "3.png").unlink()
    with pytest.raises(InputError, match="class b is in train/ but not in test/"):
        check_layout(source)
