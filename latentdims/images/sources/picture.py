"""One image file, decoded to 8 bits."""

import io
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentdims.errors import InputError

Image.init()
# Not those that Pillow hands to another program, or can but recognise. The usual ones first.
FOREIGN = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
USUAL = ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"]
FORMATS = [
    *[name for name in USUAL if name in Image.OPEN],
    *[name for name in Image.OPEN if name not in FOREIGN and name not in USUAL],
]
TELLING = ("JPEG", "PNG", "TIFF", "BMP")  # whose header has the mode that is decoded
GRAY = ("1", "L", "LA", "La", "F")  # modes, besides those that begin with I
DEEP_COLOUR = re.compile(r"(?!BGR)[A-Za-z]+;16[BLN]?")  # as Pillow calls 16 bits of each colour
SAMPLE_FORMAT, PHOTOMETRIC, ORIENTATION = 339, 262, 274  # tags of TIFF, and of EXIF
SIGNED = 2
BC6H = 6  # compression of DDS: textures of decimal numbers
JPEG2000_SIZE = b"\xff\x4f\xff\x51"  # begins the code stream: sizes and depths follow
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Picture(NamedTuple):
    """Pixels uint8 (H, W) of a gray image, else (H, W, 3); whether it was stored in more than 8
    bits; whether some of it was transparent."""

    pixels: NDArray[np.uint8]
    deep: bool
    transparent: bool


def decode(
    content: bytes,
    name: str,
    *,
    size: tuple[int, int] | None = None,
    value_range: tuple[float, float] | None = None,
) -> Picture:
    """Decode an image file, turn it upright, and scale its values to 0 to 255.

    name: of the file, for messages. size: height and width to resize to. value_range: the values of
    black and white; None is [0, 255] for images of 8 bits, and all others need one. Transparent
    pixels are drawn over white.

    Raises InputError, naming the file, for any error of a decoder, for several frames, and for
    values outside the range, or without a range.
    """
    with _opened(content, name) as image:
        return _decoded(image, content, name, size, value_range)


def is_gray(content: bytes, name: str) -> bool:
    """Whether `decode` would make a gray image of a file. The file is decoded only if its header is
    ambiguous. Raises InputError like `decode`."""
    with _opened(content, name) as image:
        if image.format not in TELLING:
            image.load()
        return image.mode in GRAY or image.mode.startswith("I")


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                yield image
    except InputError:
        raise
    except Exception as error:  # decoders raise anything, of files that are damaged
        reason = str(error).split("<_io.BytesIO")[0].split() or [type(error).__name__]
        raise InputError(
            f"{name}: not a readable image ({' '.join(reason)}); repair or remove it"
        ) from None


def _decoded(
    image: Image.Image,
    content: bytes,
    name: str,
    size: tuple[int, int] | None,
    value_range: tuple[float, float] | None,
) -> Picture:
    frames = getattr(image, "n_frames", 1)
    if frames != 1 and image.format != "MPO":  # phones put a preview behind the photo, in a JPEG
        raise InputError(f"{name}: holds {frames} frames; keep one of them, or remove the file")
    deep_colour = _is_deep_colour(image, content)
    image.load()
    orientation = _orientation(image)
    values = _deep_values(image)
    transparent = False
    if values is not None:
        upright = _scaled(values, image, name, value_range)
    else:
        if deep_colour:
            _check_deep_colour(image, name, value_range)
        upright, transparent = _opaque(image)
        if value_range is not None and not deep_colour:
            upright = Image.fromarray(_to_bytes(np.asarray(upright), upright, name, value_range))
    if orientation in UPRIGHT:  # cameras store images on their side
        upright = upright.transpose(UPRIGHT[orientation])
    if size is not None:
        upright = upright.resize(size[::-1], Image.Resampling.LANCZOS)
    return Picture(np.array(upright), values is not None or deep_colour, transparent)


def _is_deep_colour(image: Image.Image, content: bytes) -> bool:
    """Whether Pillow makes 8 bits of deeper values, whose range it takes as it is stored.

    To be asked before they are decoded: it shows in how the bytes are packed.
    """
    if image.mode.startswith(("I", "F")):
        return False
    if image.format == "JPEG2000":
        return _jpeg2000_depth(content) > 8
    for codec, _, _, arguments in getattr(image, "tile", ()):
        raw, *more = arguments if isinstance(arguments, tuple) and arguments else (arguments,)
        if isinstance(raw, str) and DEEP_COLOUR.fullmatch(raw):
            return True
        if codec == "SGI16" or (codec == "bcn" and raw == BC6H):
            return True
        if codec in ("ppm", "ppm_plain") and more and more[0] > 255:  # the value of white
            return True
    return False


def _jpeg2000_depth(content: bytes) -> int:
    """The most bits of a component, from the header of the code stream."""
    start = content.find(JPEG2000_SIZE) + 42
    (components,) = struct.unpack_from(">H", content, start - 2)
    return max((each & 0x7F) + 1 for each in content[start : start + 3 * components : 3])


def _orientation(image: Image.Image) -> int:
    """The orientation in EXIF, which may be malformed."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:
        return 1


def _deep_values(image: Image.Image) -> NDArray[np.generic] | None:
    """Values (H, W) of a gray image that is not of 8 bits from black to white."""
    tags = getattr(image, "tag_v2", {})
    signed = SIGNED in tags.get(SAMPLE_FORMAT, ())
    if image.mode == "L" and signed:
        return np.asarray(image).view(np.int8)
    if image.mode != "F" and not image.mode.startswith("I"):
        return None
    values = np.asarray(image)
    unsigned = image.mode == "I" and tags and not signed
    return values.view(np.uint32) if unsigned else values


def _scaled(
    values: NDArray[np.generic],
    image: Image.Image,
    name: str,
    value_range: tuple[float, float] | None,
) -> Image.Image:
    """A gray image of 8 bits."""
    if image.has_transparency_data:
        raise InputError(
            f"{name}: mode {image.mode} with transparency; store it without transparency"
        )
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0:
        raise InputError(f"{name}: mode {image.mode} with white stored as 0; invert it")
    if not np.isfinite(values).all():
        raise InputError(f"{name}: mode {image.mode}, holds values that are not finite numbers")
    if value_range is None:
        raise _range_unknown(name, _found(values, image))
    return Image.fromarray(_to_bytes(values, image, name, value_range))


def _to_bytes(
    values: NDArray[np.generic],
    image: Image.Image,
    name: str,
    value_range: tuple[float, float],
) -> NDArray[np.uint8]:
    """Values as fractions of a range, from 0 to 255."""
    low, high = value_range
    if values.min() < low or values.max() > high:
        raise InputError(
            f"{name}: {_found(values, image)}, beyond datasets.<name>.range, [{low:g}, {high:g}]; "
            "give a range that holds all values"
        )
    scaled = (values.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(scaled).astype(np.uint8)


def _found(values: NDArray[np.generic], image: Image.Image) -> str:
    return f"mode {image.mode}, values from {values.min():g} to {values.max():g}"


def _check_deep_colour(
    image: Image.Image, name: str, value_range: tuple[float, float] | None
) -> None:
    """Raise unless deeper values are known to span all that can be stored."""
    if value_range is None or value_range != (0, 65535):
        pixels = np.asarray(image)
        low, high = 256 * int(pixels.min()), 256 * int(pixels.max()) + 255
        found = f"mode {image.mode} of more than 8 bits, values from about {low} to {high}"
        if value_range is None:
            raise _range_unknown(name, found)
        raise InputError(
            f"{name}: {found}, of which Pillow reads the upper 8 bits: give [0, 65535] as "
            "datasets.<name>.range, or store it in 8 bits"
        )


def _range_unknown(name: str, found: str) -> InputError:
    return InputError(
        f"{name}: {found}; give the values of black and white as datasets.<name>.range, such as "
        "[0, 4095] for 12 bits or [0, 65535] for 16"
    )


def _opaque(image: Image.Image) -> tuple[Image.Image, bool]:
    """An image of mode L or RGB, and whether any of it was transparent: it then lies over white."""
    mode = "L" if image.mode in GRAY else "RGB"
    if not image.has_transparency_data:
        return (image if image.mode == mode else image.convert(mode)), False
    plain = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)  # not multiplied by their transparency
    covered = (image.convert(plain) if plain else image).convert("RGBA")
    transparent = covered.getchannel("A").getextrema() != (255, 255)
    if transparent:
        covered = Image.alpha_composite(Image.new("RGBA", covered.size, "white"), covered)
    return covered.convert(mode), transparent
