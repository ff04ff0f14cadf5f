import io
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

from latentdims.errors import InputError
from latentdims.images.sources.archive import Archive

CONTENTS = {"train/b/1.png": b"one" * 400, "test/a/2.png": b"two", "train/a/0.png": b""}
MODES = ["w", "w:gz", "w:bz2", "w:xz"]


def tar(path, contents=CONTENTS, mode="w", links=()):
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, kind, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


def zipped(path, contents=CONTENTS):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def contents(path):
    with Archive(path) as archive:
        return {place: archive.read(place) for place in archive.files}


def refused(path, *words):
    with pytest.raises(InputError) as error:
        contents(path)
    assert "\n" not in str(error.value)
    for word in (str(path), *words):
        assert word in str(error.value)


@pytest.mark.parametrize("mode", MODES)
def test_tar_archives_of_any_compression(tmp_path, mode):
    found = contents(tar(tmp_path / "a.bin", mode=mode))
    assert list(found.items()) == list(CONTENTS.items())  # in the order of the archive


def test_zip_archives(tmp_path):
    assert list(contents(zipped(tmp_path / "a.bin")).items()) == list(CONTENTS.items())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [0, 1, 7])
def test_archives_that_are_put_together_are_all_read(tmp_path, mode, padding):
    several = [{f"train/a/{i}.png": bytes([i]) * 600} for i in range(3)]
    parts = [tar(tmp_path / f"{i}", part, mode).read_bytes() for i, part in enumerate(several)]
    if mode == "w":  # blocks of zeros between them
        parts = [part + bytes(512 * padding) for part in parts]
    (tmp_path / "all.tar").write_bytes(b"".join(parts))
    assert contents(tmp_path / "all.tar") == several[0] | several[1] | several[2]


def test_an_image_that_is_there_twice_is_refused(tmp_path):
    one = tar(tmp_path / "one.tar").read_bytes()
    other = tar(tmp_path / "other.tar", {"x.png": b"2", "train/b/1.png": b"x"}).read_bytes()
    (tmp_path / "all.tar").write_bytes(one + other)
    with Archive(tmp_path / "all.tar") as archive:
        assert archive.read("train/a/0.png") == b""
    refused(tmp_path / "all.tar", "holds train/b/1.png twice")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a/0.png", b"0")
        archive.writestr("./a/0.png", b"1")
    refused(tmp_path / "a.zip", "holds a/0.png twice")


def test_what_follows_an_archive_and_is_none_is_refused(tmp_path):
    path = tar(tmp_path / "a.tar")
    path.write_bytes(path.read_bytes() + bytes(512) + b"something else" * 100)
    refused(path, "not a whole tar archive", "damaged or cut short")
    path.write_bytes(b"7z something else" * 1000)
    refused(path, "not a whole tar archive (file could not be opened successfully); pack it again")


def test_zip_archives_that_are_put_together_are_refused(tmp_path):
    whole = zipped(tmp_path / "one.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(whole + zipped(tmp_path / "other.zip").read_bytes())
    refused(tmp_path / "all.zip", "not a whole zip archive", f"{len(whole)} bytes lie before")


def test_links_within_an_archive_are_followed(tmp_path):
    links = [
        ("test/b/hard.png", tarfile.LNKTYPE, "train/b/1.png"),
        ("test/b/soft.png", tarfile.SYMTYPE, "../../train/b/1.png"),
        ("test/b/again.png", tarfile.SYMTYPE, "soft.png"),
        ("test/b/out.png", tarfile.SYMTYPE, "/etc/passwd"),
        ("test/b/round.png", tarfile.SYMTYPE, "round.png"),
        ("test/c", tarfile.SYMTYPE, "../train/b"),
        ("test/b/pipe.png", tarfile.FIFOTYPE, ""),
        ("test/b/device.png", tarfile.CHRTYPE, ""),
    ]
    path = tar(tmp_path / "a.tar.gz", mode="w:gz", links=links)
    linked = dict.fromkeys(["test/b/hard.png", "test/b/soft.png", "test/b/again.png"], b"one" * 400)
    assert contents(path) == CONTENTS | linked
    with Archive(path) as archive:
        none = dict.fromkeys(
            ["test/b/out.png", "test/b/round.png", "test/c"], "a link to no file of the archive"
        )
        odd = dict.fromkeys(["test/b/pipe.png", "test/b/device.png"], "not a regular file")
        assert archive.odd == none | odd


def test_links_and_folders_of_a_zip_archive_are_passed_over(tmp_path):
    path = zipped(tmp_path / "a.zip", {**CONTENTS, "empty/": b""})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("test/b/soft.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "../../train/b/1.png")
    assert contents(path) == CONTENTS
    with Archive(path) as archive:
        assert archive.odd == {"test/b/soft.png": "not a regular file"}


def test_an_encrypted_zip_archive_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    for magic, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # in both headers of the first file
        content[content.index(magic) + place] |= 1
    path.write_bytes(content)
    refused(path, "train/b/1.png is encrypted")


def test_names_are_text_on_one_line(tmp_path):
    names = {
        b"train/\xff/\xe4\xb8\xad.png": r"train/\xff/中.png",
        b"train/a\nb/0.png": r"train/a\x0ab/0.png",
    }
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name.decode("utf-8", "surrogateescape")))
    assert list(contents(tmp_path / "a.tar")) == list(names.values())


def test_a_zip_archive_within_a_tar_archive_is_one_of_its_files(tmp_path):
    inner = zipped(tmp_path / "inner.zip").read_bytes()
    assert contents(tar(tmp_path / "a.tar", {"train/a/x.zip": inner})) == {"train/a/x.zip": inner}


@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_damaged_archive_ends_in_a_line(tmp_path, pack):
    whole = pack(tmp_path / "whole", {**CONTENTS, "train/a/3.png": bytes(range(256)) * 9})
    random = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole.read_bytes())
        if random.random() < 0.4:
            del content[random.integers(1, len(content)) :]
        for place in random.integers(0, len(content), random.integers(1, 9)):
            content[place] = random.integers(256)
        (tmp_path / "damaged").write_bytes(content)
        try:
            contents(tmp_path / "damaged")
        except InputError as error:
            assert str(tmp_path / "damaged") in str(error) and "\n" not in str(error)
