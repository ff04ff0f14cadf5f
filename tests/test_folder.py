import os
import socket
import subprocess
import sys

import pytest

from latentdims.errors import InputError
from latentdims.images.sources.folder import Folder


def write(root, *places):
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(place)


def test_links_are_followed_but_not_in_circles(tmp_path):
    write(tmp_path / "store" / "train", "a/0.png", "b/1.png")
    write(tmp_path / "photos", "test/a/2.png")
    (tmp_path / "photos" / "train").symlink_to("../store/train")
    (tmp_path / "photos" / "test" / "b").symlink_to("../train/b")
    (tmp_path / "photos" / "test" / "a" / "up").symlink_to("../..")
    (tmp_path / "store" / "train" / "a" / "self").symlink_to(".")
    (tmp_path / "photos" / "once.txt").symlink_to("once.txt")
    folder = Folder.walk(tmp_path / "photos")
    assert list(folder.files) == ["test/a/2.png", "test/b/1.png", "train/a/0.png", "train/b/1.png"]
    assert folder.read("test/b/1.png") == b"b/1.png"
    circle = "a link to a folder that it lies in"
    assert folder.odd == {
        "once.txt": "a broken link",
        "test/a/up": circle,
        "train/a/self": circle,
    }


def test_what_is_no_regular_file_is_never_opened(tmp_path):
    write(tmp_path, "train/a/0.png")
    os.mkfifo(tmp_path / "train" / "a" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(tmp_path / "train" / "socket.png"))
        folder = Folder.walk(tmp_path)
    (tmp_path / "train" / "null.png").symlink_to("/dev/null")
    assert folder.odd == dict.fromkeys(
        ["train/socket.png", "train/a/pipe.png"], "not a regular file"
    )
    assert Folder.walk(tmp_path).odd["train/null.png"] == "not a regular file"


def test_hidden_folders_are_not_entered(tmp_path):
    write(tmp_path, "train/a/0.png", ".cache/x.png", "train/.x/0.png")
    (tmp_path / ".cache" / "gone.png").symlink_to("nowhere")
    folder = Folder.walk(tmp_path)
    assert list(folder.files) == ["train/a/0.png"]
    assert folder.odd == {".cache": "hidden", "train/.x": "hidden"}


def test_an_image_that_is_a_broken_link_is_named(tmp_path):
    write(tmp_path, "train/a/0.png")
    (tmp_path / "train" / "a" / "notes").mkdir()
    (tmp_path / "train" / "a" / "1.png").symlink_to("gone.png")
    with pytest.raises(InputError, match=r"train/a/1\.png: cannot be read \(No such file"):
        Folder.walk(tmp_path)


def test_a_file_or_folder_that_may_not_be_read_is_named(seen_by_all):
    tmp_path = seen_by_all
    write(tmp_path, "train/a/0.png", "train/b/1.png")
    (tmp_path / "train" / "a" / "0.png").chmod(0)
    (tmp_path / "train" / "b").chmod(0)
    code = (
        "import os, sys; sys.path.insert(0, '.'); from latentdims.images.sources.folder import *\n"
        "if os.getuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
        "try: {}\nexcept InputError as error: print(error)"
    )
    try:
        for call, name in (
            (f"File.at('{tmp_path}/train/a/0.png').read()", "train/a/0.png"),
            (f"Folder.walk('{tmp_path}')", "train/b"),
        ):
            done = subprocess.run(
                [sys.executable, "-c", code.format(call)],
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout.strip() == (
                f"{tmp_path}/{name}: cannot be read (Permission denied); allow reading it, or "
                "remove it"
            )
    finally:
        (tmp_path / "train" / "b").chmod(0o755)


@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "de_DE.ISO-8859-1"])
def test_names_are_the_same_in_every_locale(tmp_path, locale):
    """Bytes that are not UTF-8 are written as they are in Python."""
    folder = os.fsencode(tmp_path / "train" / "é")
    (tmp_path / "train" / "é").mkdir(parents=True)
    for name in (b"\xff\xfe.png", b"\xe4\xb8\xad.png", b"a b$\n.png"):
        with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(name)
    code = (
        "import sys; sys.path.insert(0, '.'); from latentdims.images.sources.folder import Folder\n"
        f"found = Folder.walk({str(tmp_path)!r})\n"
        "print(ascii([(place, found.read(place)) for place in found.files]))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env={**os.environ, "LC_ALL": locale},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ascii(
        [
            (r"train/é/a b$\x0a.png", b"a b$\n.png"),
            ("train/é/中.png", "中.png".encode()),
            (r"train/é/\xff\xfe.png", b"\xff\xfe.png"),
        ]
    )
