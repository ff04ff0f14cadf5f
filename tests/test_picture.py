"""Images of every depth and format are decoded as what they are, or refused with a line.

`FUZZ=600 python -m pytest -n 0 tests/test_picture.py -k damaged` damages files for 600 seconds.
"""

import io
import os
import struct
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from latentdims.errors import InputError
from latentdims.images.sources import layout, picture
from latentdims.images.sources.picture import decode

SECONDS = float(os.environ.get("FUZZ", 4))


def encode(image, format="PNG", **options):
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def gray(*values, dtype=np.uint8):
    """One row."""
    return np.array([values], dtype=dtype)


def decoded(content, **options):
    return decode(content, "a.png", **options).pixels


def refused(content, *words, **options):
    with pytest.raises(InputError) as error:
        decode(content, "photos/a.png", **options)
    message = str(error.value)
    assert "\n" not in message
    for word in ("photos/a.png", *words):
        assert word in message


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB"])
def test_eight_bits_are_read_as_they_are(mode):
    image = Image.new("RGB", (7, 5), "white")
    image.paste("black", (0, 0, 3, 5))
    content = encode(image.convert(mode), "TIFF")
    pixels = decoded(content)
    assert pixels.dtype == np.uint8 and pixels.shape == ((5, 7) if mode in "1L" else (5, 7, 3))
    rounding = 1 if mode == "LAB" else 0
    assert (pixels[:, :3] <= rounding).all() and (pixels[:, 3:] >= 255 - rounding).all()


@pytest.mark.parametrize(
    ("values", "format", "mode"),
    [
        (gray(0, 9, 4000, dtype=np.uint16), "PNG", "I;16"),  # of 12 bits
        (gray(0, 9, 65535, dtype=np.uint16), "PNG", "I;16"),
        (gray(-5, 9, 4000, dtype=np.int32), "TIFF", "I"),
        (gray(0, 9, 255, dtype=np.int32), "TIFF", "I"),  # of 8 bits
        (gray(0, 9, 4000, dtype=np.float32), "TIFF", "F"),
        (gray(0, 0.25, 1, dtype=np.float32), "TIFF", "F"),
        (gray(0, 9, 4000, dtype=np.uint16), "PPM", "I"),
        (gray(0, 9, 4000, dtype=np.uint16), "JPEG2000", "I;16"),
    ],
)
def test_other_depths_need_a_range_of_values(values, format, mode):
    content = encode(values, format, **({"irreversible": False} if format == "JPEG2000" else {}))
    low, high = values.min(), values.max()
    refused(content, f"mode {mode}, values from {low:g} to {high:g}", "datasets.<name>.range")
    limits = (float(low) - 100, float(high) + 1)
    expected = np.rint((values - limits[0]) / (limits[1] - limits[0]) * 255)
    assert np.array_equal(decoded(content, value_range=limits), expected)
    assert decode(content, "a.png", value_range=limits).deep
    refused(content, f"beyond datasets.<name>.range, [{low:g}, ", value_range=(low, high - 0.5))
    refused(content, "beyond datasets.<name>.range", value_range=(low + 0.1, high))


def test_a_range_scales_eight_bits_too():
    content = encode(gray(0, 5, 15))
    assert decoded(content, value_range=(0, 15)).tolist() == [[0, 85, 255]]
    refused(content, "mode L, values from 0 to 15", "[0, 7]", value_range=(0, 7))
    assert not decode(content, "a.png", value_range=(0, 15)).deep


def test_values_that_are_no_numbers_are_refused():
    content = encode(gray(0, np.nan, 1, dtype=np.float32), "TIFF")
    refused(content, "mode F", "not finite", value_range=(0, 1))


def test_signed_and_unsigned_values_are_told_apart():
    content = encode(gray(5, -2, dtype=np.int32), "TIFF")
    refused(content, "values from -2 to 5")
    signed, unsigned = (struct.pack("<HHLL", 339, 3, 1, kind) for kind in (2, 1))
    refused(content.replace(signed, unsigned), f"values from 5 to {2**32 - 2:g}")
    eight = encode(gray(5, 254), "TIFF")
    refused(with_tag(eight, 339, 2), "values from -2 to 5")


def test_white_as_zero_is_turned_around_or_refused():
    assert decoded(with_tag(encode(gray(5, 254), "TIFF"), 262, 0)).tolist() == [[250, 1]]
    deep = with_tag(encode(gray(5, 4000, dtype=np.uint16), "TIFF"), 262, 0)
    refused(deep, "white stored as 0", value_range=(0, 4095))


def with_tag(content, tag, value):
    """A TIFF file with a tag that is changed, or in the place of a later one that is of no use."""
    (start,) = struct.unpack_from("<L", content, 4)
    (number,) = struct.unpack_from("<H", content, start)
    entries = {
        struct.unpack_from("<H", content, place)[0]: content[place : place + 12]
        for place in range(start + 2, start + 2 + 12 * number, 12)
    }
    if tag not in entries:
        del entries[284]  # how planes are stored: as by default
    entries[tag] = struct.pack("<HHLL", tag, 3, 1, value)
    table = b"".join(entry for _, entry in sorted(entries.items()))
    return content[: start + 2] + table + content[start + 2 + 12 * number :]


def deep_colour_png(pixels):
    """A PNG of 16 bits of each colour, which Pillow does not write: (H, W, 3) uint16."""
    import zlib

    def chunk(name, data):
        checked = name + data
        return struct.pack(">L", len(data)) + checked + struct.pack(">L", zlib.crc32(checked))

    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">LLBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def test_sixteen_bits_of_each_colour_need_their_range():
    twelve = deep_colour_png(np.full((2, 3, 3), 4000, dtype=np.uint16))
    refused(
        twelve,
        "mode RGB of more than 8 bits, values from about 3840 to 4095",
        "datasets.<name>.range",
    )
    refused(twelve, "upper 8 bits", value_range=(0, 4095))
    full = decode(
        deep_colour_png(np.full((2, 3, 3), 40000, np.uint16)), "a.png", value_range=(0, 65535)
    )
    assert (full.pixels == 40000 >> 8).all() and full.deep


def deep_colour_files():
    """The same in other formats, none of which Pillow writes: values of 12 bits in red alone."""
    values = np.zeros((3, 2, 2), dtype=">u2")
    values[0] = 4000
    pixels = values.transpose(1, 2, 0)
    header = struct.pack(">hBBHHHH", 474, 0, 2, 3, 2, 2, 3).ljust(512, b"\0")
    jpeg = bytearray(encode(np.zeros((8, 8, 3), np.uint8), "JPEG2000", irreversible=False))
    start = jpeg.index(b"\xff\x4f\xff\x51") + 42
    jpeg[start : start + 9 : 3] = bytes([11, 11, 11])
    dds = struct.pack("<4s7L44xLL4s20x16x4x", b"DDS ", 124, 0x1007, 4, 4, 0, 0, 0, 32, 4, b"DX10")
    dds += struct.pack("<5L", 95, 3, 0, 1, 0) + bytes(16)
    return {
        "ppm": b"P6 2 2 65535\n" + pixels.tobytes(),
        "plain ppm": b"P3 2 2 65535\n" + " ".join(map(str, pixels.flat)).encode(),
        "sgi": header + values.tobytes(),
        "jpeg2000": bytes(jpeg),
        "dds": dds,
    }


@pytest.mark.parametrize("kind", deep_colour_files())
def test_deep_colour_is_seen_in_every_format(kind):
    content = deep_colour_files()[kind]
    refused(content, "mode RGB of more than 8 bits", "datasets.<name>.range")
    assert decode(content, kind, value_range=(0, 65535)).deep


def test_transparent_pixels_lie_over_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [100, 0, 0, 51]]], dtype=np.uint8)
    picture = decode(encode(rgba), "a.png")
    assert picture.pixels.tolist() == [[[10, 20, 30], [255, 255, 255], [224, 204, 204]]]
    assert picture.transparent
    opaque = decode(encode(rgba[:, :1]), "a.png")
    assert opaque.pixels.tolist() == [[[10, 20, 30]]] and not opaque.transparent
    covered = decode(encode(Image.fromarray(gray(10, 20)).convert("LA")), "a.png")
    assert covered.pixels.tolist() == [[10, 20]] and not covered.transparent
    image = Image.fromarray(gray(1, 0, 1)).convert("P")
    image.putpalette([9, 8, 7, 50, 60, 70])
    picture = decode(encode(image, transparency=0), "a.png")
    assert picture.pixels.tolist() == [[[50, 60, 70], [255, 255, 255], [50, 60, 70]]]
    keyed = decode(encode(gray(1, 0, 1), transparency=0), "a.png")
    assert keyed.pixels.tolist() == [[1, 255, 1]] and keyed.transparent


def test_several_frames_are_refused_with_their_number():
    frames = [Image.fromarray(gray(value, value)) for value in (0, 99, 200)]
    for format in ("GIF", "TIFF", "PNG", "WEBP", "AVIF"):
        content = encode(frames[0], format, save_all=True, append_images=frames[1:])
        refused(content, "holds 3 frames")


def test_of_a_photo_with_a_preview_the_photo_is_read():
    photo, preview = (Image.new("RGB", (16, 16), colour) for colour in ((200, 10, 10), (0, 0, 90)))
    content = encode(photo, "MPO", save_all=True, append_images=[preview])
    assert np.abs(decoded(content).astype(int) - [200, 10, 10]).max() < 5


def jpeg_with_exif(orientation, resolution):
    """XResolution as SRATIONAL, of any sign and denominator."""
    entries = struct.pack("<HHLL", 274, 3, 1, orientation) + struct.pack("<HHLL", 282, 10, 1, 38)
    tiff = b"II*\0" + struct.pack("<LH", 8, 2) + entries + struct.pack("<L", 0)
    exif = b"Exif\0\0" + tiff + struct.pack("<ll", *resolution)
    return encode(gray(*[0] * 20, *[255] * 20), "JPEG", exif=exif)


@pytest.mark.parametrize("resolution", [(-1, 0), (72, 1), (0, 0)])
def test_orientation_is_read_alone(resolution):
    upright = decoded(jpeg_with_exif(6, resolution))  # the camera was turned by 90 degrees
    assert upright.shape == (40, 1)
    assert upright[0, 0] < 30 and upright[-1, 0] > 220
    assert decoded(jpeg_with_exif(1, resolution)).shape == (1, 40)
    assert decoded(jpeg_with_exif(77, resolution)).shape == (1, 40)


@pytest.mark.parametrize("exif", [struct.pack("<HHL4s", 274, 2, 2, b"x"), b"\xff" * 12, b"\0"])
def test_an_orientation_that_is_none_turns_nothing(exif):
    header = b"Exif\0\0II*\0" + struct.pack("<LH", 8, 1)
    content = encode(gray(*[0] * 20, *[255] * 20), "JPEG", exif=header + exif)
    assert decoded(content).shape == (1, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_does(orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[274] = orientation
    content = encode(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), exif=exif)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(decoded(content), expected)


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    refused(encode(np.zeros((12, 12), np.uint8)), "decompression bomb")
    refused(encode(np.zeros((40, 40), np.uint8)), "decompression bomb")


def raising(error):
    def load(self):
        raise error

    return load


@pytest.mark.parametrize(
    "error",
    [
        struct.error("unpack requires 4 bytes"),
        IndexError("out of range"),
        MemoryError(),
        RecursionError("maximum recursion depth"),
        ZeroDivisionError("division by zero"),
        UserWarning("odd"),
        OSError("two\nlines"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_decoder_raises_names_the_file(monkeypatch, error):
    content = encode(gray(1, 2))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", raising(error))
    refused(content, "not a readable image (")


def test_every_extension_that_pillow_reads_is_known():
    read = {name for name, format in Image.registered_extensions().items() if format in FORMATS}
    assert read - layout.KNOWN == {".mpeg"} & read
    assert layout.KNOWN - read <= {"", ".mpo"}  # those of JPEG that hold several


FORMATS = picture.FORMATS
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I;16")


def samples():
    """A small file of every format that Pillow writes, in every mode."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    images = {mode: Image.fromarray(pixels).convert("L").convert(mode) for mode in MODES}
    images["RGB"] = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274], exif[282] = 6, 72.5
    for format in sorted(Image.SAVE):
        for image in images.values():
            for options in ({}, {"exif": exif}):
                try:
                    with warnings.catch_warnings(
                        action="ignore"
                    ):  # some formats are on their way out
                        content = encode(image, format, **options)
                except (OSError, ValueError, KeyError, struct.error):
                    continue
                if len(content) < 100_000:  # those of one format are of a megabyte
                    yield content


def damaged(content, random):
    """Cut short, or with some bytes changed, or both."""
    changed = bytearray(content)
    if random.random() < 0.4:
        del changed[random.integers(1, len(changed)) :]
    for _ in range(random.integers(0, 8)):
        # Half of them near the beginning, where sizes and offsets are.
        last = min(64, len(changed)) if random.random() < 0.5 else len(changed)
        changed[random.integers(last)] = random.choice([0, 1, 127, 128, 255, random.integers(256)])
    return bytes(changed)


def test_damaged_files_of_every_format_end_in_a_line():
    random = np.random.default_rng(0)
    contents = list(samples())
    assert len(contents) > 100
    end, read, slowest = time.monotonic() + SECONDS, 0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while time.monotonic() < end:
            for content in contents:
                broken, start = damaged(content, random), time.process_time()
                limits = (0, 65535) if random.random() < 0.3 else None
                try:
                    read += decode(broken, "photos/a.png", value_range=limits).pixels.ndim > 0
                except InputError as error:
                    assert str(error).startswith("photos/a.png: ") and "\n" not in str(error)
                slowest = max(slowest, time.process_time() - start)
    assert read > 10
    assert slowest < 30  # seconds
