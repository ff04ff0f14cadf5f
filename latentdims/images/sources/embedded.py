"""Images that need no download: ten shapes in random pose and contrast, amid clutter, on coloured
backgrounds with the 1/f amplitude spectrum of natural images.

They are made hard enough that layers matter: a fully connected network gets about half of them
right after a few epochs, a small convolutional network clearly more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims.errors import InputError
from latentdims.images.collection import Collection, Part, Wanted

Field = NDArray[np.floating[Any]]

SIZE = 32  # pixels, height and width
BATCH = 500  # images drawn at a time, which bounds the memory
STROKES = 3  # distractors behind the shape; one more lies in front of it

# Ranges that set the difficulty; lengths in pixels, luminance in [0, 1].
RADIUS = (7.5, 12.5)
SHIFT = 3.0
ROTATION = np.pi / 5
CONTRAST = (0.2, 0.55)
TEXTURE = (0.06, 0.16)

# Rows: the red, green and blue of luminance and of two opponent colours of luminance zero.
OPPONENT = np.array([[1, 1, 1], [0.6, -0.35, 0.25], [0.25, 0.1, -1.15]], dtype=np.float32)
CHROMA = 0.45  # strength of opponent colours relative to luminance, in backgrounds


@contextmanager
def opened(
    source: Mapping[str, Any], files: Sequence[str], *, cores: int = 1
) -> Iterator[Collection]:
    """`draw` for a data set of the configuration; it reads no files.

    If `classes` are given, images of all classes are drawn, until these have as many as are asked
    for: they are the same images as without this key.
    """
    keys = ("train_samples", "test_samples", "seed")
    asked = {key: source[key] for key in keys if key in source}
    if classes := source.get("classes"):
        of_each = {key: -(-asked[key] // len(classes)) for key in keys[:2] if key in asked}
        asked |= {key: number * len(SHAPES) for key, number in of_each.items()}
    yield draw(**asked)


def draw(*, train_samples: int = 8000, test_samples: int = 2000, seed: int = 0) -> Collection:
    """Training and test images from independent random streams of one seed.

    Raises InputError where a number of samples is not a whole number, or below that of classes.
    """
    labels, batches = {}, {}
    for (split, samples), stream in zip(
        {"train": train_samples, "test": test_samples}.items(),
        np.random.SeedSequence(seed).spawn(2),
        strict=True,
    ):
        if not isinstance(samples, int) or samples < len(SHAPES):
            raise InputError(
                f"{split}_samples: {samples!r} is not a whole number of at least {len(SHAPES)}, "
                "one image per class; give a larger one"
            )
        labels[split], batches[split] = images(samples, seed=stream)

    def parts(wanted: Wanted) -> Iterator[Part]:
        for split, of_split in batches.items():
            start = 0
            for batch in of_split:
                yield Part(split, np.arange(start, start + len(batch)), batch)
                start += len(batch)

    return Collection((3, SIZE, SIZE), labels, list(SHAPES), parts)


def images(
    samples: int, *, seed: int | np.random.SeedSequence
) -> tuple[NDArray[np.int64], Iterator[NDArray[np.uint8]]]:
    """Labels int64 (N,), balanced and in random order, and batches of images uint8 (n, 3, 32, 32)
    to be taken once."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(samples, dtype=np.int64) % len(SHAPES))
    starts = range(0, samples, BATCH)
    return labels, (_draw(labels[start : start + BATCH], random) for start in starts)


def noise(samples: int, random: np.random.Generator) -> Field:
    """Periodic random fields (N, 32, 32) of mean 0, expected power 1, and power ∝ 1/frequency²."""
    white = random.standard_normal((samples, SIZE, SIZE), dtype=np.float32)
    vertical, horizontal = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)
    frequency = np.hypot(vertical, horizontal)
    frequency[0, 0] = np.inf  # no power at frequency zero: the mean colour is drawn apart
    both_halves = np.hypot(vertical, np.fft.fftfreq(SIZE))
    both_halves[0, 0] = np.inf
    gain = (1 / frequency / np.sqrt(np.mean(both_halves**-2.0))).astype(np.float32)
    field: Field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(SIZE, SIZE))
    return field


def background(samples: int, random: np.random.Generator) -> Field:
    """Clouds of colour (N, 3, 32, 32) around a mean colour, in [0, 1] but for rare excursions."""
    fields = noise(3 * samples, random).reshape(samples, 3, SIZE, SIZE)
    fields[:, 1:] *= CHROMA
    fields *= _uniform(random, TEXTURE, samples)[:, None, None, None]
    mean = random.normal(0, (0.1, 0.06, 0.06), (samples, 3)).astype(np.float32)
    mean[:, 0] += 0.5
    return _to_rgb(fields + mean[:, :, None, None])


def _draw(labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.uint8]:
    samples = len(labels)
    canvas = background(samples, random)
    ground = canvas.mean(axis=(2, 3))
    for _ in range(STROKES):
        _paint(canvas, _stroke(samples, random), _colour(ground, random))
    _paint(canvas, _shape(labels, random), _colour(ground, random))
    _paint(canvas, _stroke(samples, random), _colour(ground, random))
    pixels: NDArray[np.uint8] = np.rint(255 * canvas.clip(0, 1)).astype(np.uint8)
    return pixels


def _paint(canvas: Field, cover: Field, colour: Field) -> None:
    """Lay a colour (N, 3) over the canvas (N, 3, H, W) where cover (N, H, W), in [0, 1], says."""
    canvas += cover[:, None] * (colour[:, :, None, None] - canvas)


def _colour(ground: Field, random: np.random.Generator) -> Field:
    """A colour (N, 3) lighter or darker than the ground (N, 3), at random."""
    samples = len(ground)
    offset = random.normal(0, 0.15, (samples, 3)).astype(np.float32)
    sign = random.integers(0, 2, samples) * 2 - 1
    offset[:, 0] = sign * _uniform(random, CONTRAST, samples)
    return ground + _to_rgb(offset)


def _shape(labels: NDArray[np.int64], random: np.random.Generator) -> Field:
    """How much of each pixel the shape of each label covers (N, H, W), in a random pose."""
    samples = len(labels)
    radius = _uniform(random, RADIUS, samples)[:, None, None]
    x, y = _place(
        _uniform(random, (-SHIFT, SHIFT), (2, samples)),
        _uniform(random, (-ROTATION, ROTATION), samples),
    )
    x /= radius
    y /= radius
    distance = np.empty_like(x)
    for label, signed_distance in enumerate(SHAPES.values()):
        of_class = labels == label
        distance[of_class] = signed_distance(x[of_class], y[of_class])
    return _cover(distance * radius)


def _stroke(samples: int, random: np.random.Generator) -> Field:
    """Cover (N, H, W) of a round-ended stroke anywhere, from a blob to a long line."""
    x, y = _place(
        _uniform(random, (-SIZE / 2, SIZE / 2), (2, samples)),
        _uniform(random, (0, np.pi), samples),
    )
    half_length = _uniform(random, (0, 8), samples)[:, None, None]
    half_width = _uniform(random, (0.5, 1.5), samples)[:, None, None]
    return _cover(np.hypot(np.maximum(np.abs(x) - half_length, 0), y) - half_width)


def _place(centre: Field, angle: Field) -> tuple[Field, Field]:
    """Coordinates x, y (N, H, W), in pixels, about a centre (2, N) and turned by an angle (N,)."""
    axis = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    x = axis - centre[0][:, None, None]  # (N, 1, W)
    y = axis[:, None] - centre[1][:, None, None]  # (N, H, 1)
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    return cosine * x + sine * y, cosine * y - sine * x


def _cover(distance: Field) -> Field:
    """Share of a pixel inside an edge at a signed distance in pixels, soft over one pixel."""
    return (0.5 - distance).clip(0, 1)


def _to_rgb(opponent: Field) -> Field:
    """Luminance and opponent colours (N, 3, ...) to red, green and blue."""
    rgb: Field = np.einsum("nk...,kc->nc...", opponent, OPPONENT)
    return rgb


def _uniform(
    random: np.random.Generator, bounds: tuple[float, float], shape: int | tuple[int, ...]
) -> Field:
    return random.uniform(*bounds, shape).astype(np.float32)


# Signed distances, negative inside, to shapes of about unit radius; y points down.


def _disk(x: Field, y: Field, radius: float = 0.85) -> Field:
    return np.hypot(x, y) - radius


def _box(x: Field, y: Field, half_width: float = 0.75, half_height: float = 0.75) -> Field:
    horizontal, vertical = np.abs(x) - half_width, np.abs(y) - half_height
    outside = np.hypot(np.maximum(horizontal, 0), np.maximum(vertical, 0))
    return outside + np.minimum(np.maximum(horizontal, vertical), 0)


def _polygon(x: Field, y: Field, points: int, inner: float) -> Field:
    """Regular star with a point upwards, or a polygon where inner is cos(π / points)."""
    sector = np.pi / points
    angle = np.arctan2(x, -y)
    angle = np.abs((angle + sector) % (2 * sector) - sector)  # folded onto half a point
    radius = np.hypot(x, y)
    edge = np.array([inner * np.cos(sector) - 1, inner * np.sin(sector)], dtype=np.float32)
    edge /= np.hypot(*edge)
    distance: Field = edge[1] * (radius * np.cos(angle) - 1) - edge[0] * radius * np.sin(angle)
    return distance


def _heart(x: Field, y: Field) -> Field:
    x, y = np.abs(x) / 1.6, 0.55 - y / 1.6  # tip at the origin, y upwards, about unit height
    lobe = np.hypot(x - 0.25, y - 0.75) - np.sqrt(0.125)
    along = np.maximum(x + y, 0) / 2
    tip = np.minimum(np.hypot(x, y - 1), np.hypot(x - along, y - along)) * np.sign(x - y)
    return 1.6 * np.where(x + y > 1, lobe, tip)


SHAPES: dict[str, Callable[[Field, Field], Field]] = {
    "disk": _disk,
    "ring": lambda x, y: np.abs(_disk(x, y, 0.72)) - 0.18,
    "square": _box,
    "frame": lambda x, y: np.abs(_box(x, y, 0.7, 0.7)) - 0.16,
    "triangle": lambda x, y: _polygon(x, y + 0.15, points=3, inner=0.5),
    "star": lambda x, y: _polygon(x, y, points=5, inner=0.42),
    "cross": lambda x, y: np.minimum(_box(x, y, 0.95, 0.26), _box(x, y, 0.26, 0.95)),
    "crescent": lambda x, y: np.maximum(_disk(x, y, 0.95), -_disk(x - 0.5, y, 0.75)),
    "bars": lambda x, y: _box(x, np.abs(y) - 0.5, 0.9, 0.25),
    "heart": _heart,
}
