import io
import logging
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from gathered import read as everything
from PIL import Image

from latentdims.errors import InputError
from latentdims.images.sources import imagefolder


def read(path, **options):
    return everything(imagefolder.read(path, **options))


def encode(pixels, *, format="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format, **options)
    return buffer.getvalue()


def picture(value, shape=(4, 6, 3)):
    return np.full(shape, value, dtype=np.uint8)


def tree(root, contents):
    for name, content in contents.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def small_tree(**extra):
    """Two classes; the value of every pixel tells the images apart."""
    values = {
        "train/cat/b.png": 2,
        "train/cat/a.png": 1,
        "train/dog/c.png": 3,
        "test/dog/d.png": 5,
        "test/cat/e.png": 4,
    }
    return {name: encode(picture(value)) for name, value in values.items()} | extra


def pack(path, contents, mode="w", prefix=""):
    with tarfile.open(path, mode) as archive:
        for name, content in reversed(contents.items()):  # an order that is not sorted
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def values(images):
    return [int(image.flat[0]) for image in images]


def check_small(arrays, classes):
    assert classes == ["cat", "dog"]
    assert arrays["train/images"].shape == (3, 3, 4, 6)
    assert arrays["train/images"].dtype == np.uint8
    assert values(arrays["train/images"]) == [1, 2, 3]
    assert values(arrays["test/images"]) == [4, 5]
    assert arrays["train/labels"].tolist() == [0, 0, 1]
    assert arrays["test/labels"].tolist() == [0, 1]
    assert arrays["test/labels"].dtype == np.int64


def test_folder(tmp_path):
    check_small(*read(tree(tmp_path, small_tree())))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("prefix", ["", "./", "deep/photos/"])
def test_archive_of_any_compression_below_any_prefix(tmp_path, mode, prefix):
    check_small(*read(pack(tmp_path / "a.bin", small_tree(), mode, prefix)))


def test_folder_below_a_prefix(tmp_path):
    tree(tmp_path / "photos", small_tree())
    check_small(*read(tmp_path))


def test_hidden_files_and_files_elsewhere_are_skipped(tmp_path):
    junk = {
        "train/cat/._a.png": b"fork",
        "train/.DS_Store": b"x",
        ".git/train/cat/x.png": b"x",
        "README.md": b"x",
        "train/index.csv": b"x",
    }
    check_small(*read(pack(tmp_path / "a.tar", small_tree(**junk))))


def two_classes(train, test, *, name="0.png"):
    """The same pair of images in each of two classes."""
    return {
        f"{split}/{label}/{name}": content
        for label in "ab"
        for split, content in (("train", train), ("test", test))
    }


def test_gray_images_have_one_channel_and_mixed_ones_three(tmp_path):
    gray = two_classes(encode(picture(7, (4, 6))), encode(np.ones((4, 6), dtype=bool)))
    arrays, _ = read(pack(tmp_path / "gray.tar", gray))
    assert arrays["train/images"].shape == (2, 1, 4, 6)
    assert values(arrays["train/images"]) == [7, 7]
    assert values(arrays["test/images"]) == [255, 255]
    mixed = gray | {"test/a/0.png": encode(picture(0) + np.array([10, 20, 30], dtype=np.uint8))}
    arrays, _ = read(pack(tmp_path / "mixed.tar", mixed))
    assert arrays["train/images"].shape == (2, 3, 4, 6)
    assert arrays["test/images"][0, :, 0, 0].tolist() == [10, 20, 30]
    assert (arrays["train/images"][1] == 7).all()


def test_channels_rows_and_columns_keep_their_places(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    contents = two_classes(encode(pixels), encode(pixels, format="BMP"))
    arrays, _ = read(tree(tmp_path, contents))
    for split in ("train", "test"):
        assert np.array_equal(arrays[f"{split}/images"][0], pixels.transpose(2, 0, 1))


def test_size_resizes_without_aliasing(tmp_path):
    stripes = np.tile(np.array([0, 255], dtype=np.uint8), (64, 32))  # the finest there are
    contents = two_classes(encode(stripes), encode(picture(9, (20, 30))))
    arrays, _ = read(tree(tmp_path, contents), size=[8, 16])
    assert arrays["train/images"].shape == (2, 1, 8, 16)
    # Every target pixel averages over whole periods: 127.5, but for the filter's ripple.
    assert np.abs(arrays["train/images"][0, 0, :, 2:-2].astype(float) - 127.5).max() < 4
    square, _ = read(tmp_path, size=8)
    assert square["test/images"].shape == (2, 1, 8, 8)
    assert (square["test/images"] == 9).all()


@pytest.mark.parametrize("size", [0, -3, True, [8], [8, 0], [8.5, 8], "big"])
def test_wrong_size_is_refused(tmp_path, size):
    with pytest.raises(InputError, match="size"):
        read(tree(tmp_path, small_tree()), size=size)


def refused(path, *words, **options):
    with pytest.raises(InputError) as error:
        read(path, **options)
    for word in (str(path), *words):
        assert word in str(error.value)


def test_missing_path(tmp_path):
    refused(tmp_path / "none.tar", "no such file or folder")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_archive_cut_short(tmp_path, mode, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    contents = {f"{split}/a/{i}.png": encode(noise) for split in ("train", "test") for i in "0123"}
    path = pack(tmp_path / "cut.tar", contents, mode)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "not a whole tar archive")


def test_archive_cut_between_members(tmp_path):
    path = pack(tmp_path / "cut.tar", small_tree())
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    path.write_bytes(path.read_bytes()[: last.offset])
    refused(path, "not a whole tar archive")


def test_damaged_bytes_in_an_archive(tmp_path):
    path = pack(tmp_path / "bad.tar.gz", small_tree(), "w:gz")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # the checksum that gzip keeps at the end
    path.write_bytes(content)
    refused(path, "not a whole tar archive")


def test_file_that_is_no_archive(tmp_path):
    path = tmp_path / "text.tar"
    path.write_text("hello " * 1000)
    refused(path, "not a whole tar archive")


def test_unreadable_image_is_named(tmp_path):
    half = encode(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    for content in (b"not an image", b"", half[: len(half) // 2]):
        bad = small_tree(**{"train/cat/z.png": content})
        refused(pack(tmp_path / "bad.tar", bad), "train/cat/z.png", "not a readable image")


def test_broken_link_is_named(tmp_path):
    tree(tmp_path, small_tree())
    (tmp_path / "train" / "cat" / "z.png").symlink_to(tmp_path / "gone.png")
    refused(tmp_path, "train/cat/z.png", "cannot be read")


def test_decompression_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    bomb = small_tree(**{"train/cat/z.png": encode(picture(0, (40, 40)))})
    refused(pack(tmp_path / "bomb.tar", bomb), "train/cat/z.png", "decompression bomb")


def test_several_sizes(tmp_path):
    odd = small_tree(**{"test/cat/z.png": encode(picture(0, (8, 9, 3)))})
    refused(tree(tmp_path, odd), "test/cat/z.png is 8 x 9", "is 4 x 6", "size", ".png")


def test_class_of_one_split(tmp_path):
    lone = small_tree(**{"test/owl/z.png": encode(picture(0))})
    refused(tree(tmp_path, lone), "class owl is in test/ but not in train/")


def test_no_splits(tmp_path):
    refused(tree(tmp_path, {"cat/a.png": encode(picture(0))}), "no train/ or test/")


def test_empty_split(tmp_path):
    (tmp_path / "test" / "a").mkdir(parents=True)
    refused(tree(tmp_path, {"train/a/a.png": encode(picture(0))}), "no images in test/")


def test_two_prefixes(tmp_path):
    both = {f"{name}/{key}": value for name in "xy" for key, value in small_tree().items()}
    refused(tree(tmp_path, both), "several places")


def test_torch_is_not_imported():
    command = (
        "import sys, latentdims.images.sources.imagefolder as _; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", command], check=True)


def test_a_zip_archive_of_classes_alone_is_split_by_a_seed(tmp_path):
    numbers = {f"photos/{label}/{i}.png": 40 * i + 5 for i in range(5) for label in ("cat", "dog")}
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name, number in numbers.items():
            archive.writestr(name, encode(picture(number)))
    refused(tmp_path / "photos.zip", "datasets.<name>.test_share")
    arrays, classes = read(tmp_path / "photos.zip", test_share=0.4, split_seed=3)
    assert classes == ["cat", "dog"]
    assert arrays["train/labels"].tolist() == [0] * 3 + [1] * 3
    assert arrays["test/labels"].tolist() == [0] * 2 + [1] * 2
    for first, last in ((0, 3), (3, 6)):
        drawn = values(arrays["train/images"][first:last])
        drawn += values(arrays["test/images"][2 * first // 3 : 2 * last // 3])
        assert sorted(drawn) == sorted({*numbers.values()})
    tree(tmp_path / "folder", {name: encode(picture(n)) for name, n in numbers.items()})
    same, _ = read(tmp_path / "folder", test_share=0.4, split_seed=3)
    assert all(np.array_equal(same[name], arrays[name]) for name in arrays)


def test_one_range_for_all_images_that_are_not_of_eight_bits(tmp_path):
    deep = two_classes(
        encode(np.full((4, 6), 4095, np.uint16)), encode(np.full((4, 6), 1365, np.uint16))
    )
    refused(tree(tmp_path, deep), "test/a/0.png: mode I;16, values from 1365 to 1365")
    arrays, _ = read(tmp_path, range=[0, 4095])
    assert values(arrays["train/images"]) == [255, 255]
    assert values(arrays["test/images"]) == [85, 85]
    tree(tmp_path, {"test/b/1.png": encode(picture(7, (4, 6)))})
    refused(tmp_path, "several depths", "test/b/1.png has 8", range=[0, 4095])
    for wrong in ([1, 1], [2, 1], [0], [0, float("nan")]):
        with pytest.raises(InputError, match="range: "):
            read(tmp_path, range=wrong)


def test_the_log_tells_what_was_passed_over_and_laid_over_white(tmp_path, caplog):
    glass = np.zeros((4, 6, 4), dtype=np.uint8)
    os.mkfifo(tree(tmp_path, small_tree(**{"train/cat/f.png": encode(glass)})) / "pipe")
    with caplog.at_level(logging.INFO):
        arrays, _ = read(tmp_path)
    assert values(arrays["train/images"]) == [1, 2, 255, 3]
    assert caplog.messages == [
        f"reading {tmp_path}",
        "1 images have transparent pixels, now laid over white",
        "passed over, not a regular file: 1 (pipe)",
    ]


def test_a_pipe_is_refused_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "neither a folder nor a file")


def test_names_that_are_not_utf8_are_read(tmp_path):
    contents = {name.replace("cat", "\udcff"): content for name, content in small_tree().items()}
    for path in (tree(tmp_path / "folder", contents), pack(tmp_path / "a.tar", contents)):
        arrays, classes = read(path)
        assert classes == [r"\xff", "dog"]
        assert values(arrays["train/images"]) == [1, 2, 3]
