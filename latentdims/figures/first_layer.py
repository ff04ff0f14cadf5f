"""What the first layer looks for: leading eigenvectors of its weights, drawn as pictures."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.comparison.procrustes import chance_cosine
from latentdims.figures import panels, style
from latentdims.figures.pictures import Row, shade, table
from latentdims.models import architecture, epochs
from latentdims.models.architecture import IMAGES, Architecture
from latentdims.models.epochs import UNTRAINED
from latentdims.statistics.leading import leading

Array = NDArray[np.float64]

SHOWN = 10  # eigenvectors, at most
NO_WEIGHTS = "No weights are known to read the images."
NO_PIXELS = (
    "{layer} does not read pixels, but what fixed steps make of the images: its eigenvectors are "
    "no pictures."
)


class Seed(NamedTuple):
    """Of the weights of one network at one epoch: eigenvalues (R,), and leading eigenvectors
    (d, K), in columns."""

    values: Array
    vectors: Array

    @property
    def shares(self) -> Array:
        """Of the sum of all eigenvalues, (K,); NaN where all are zero."""
        total = self.values.sum() or np.nan
        return self.values[: self.vectors.shape[1]] / total


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """A column per rank, and rows for seeds 0 and 1, trained and untrained."""
    paths = files["network"][:2]
    with storage.read(paths[0], needs=["weights"]) as file:
        network = architecture.read(file)
        found = [weight.name for weight in network.weights if weight.reads == IMAGES]
        shapes = {name: _shape(network, file[f"weights/{name}"].shape[2:]) for name in found}
    shown = {name: shape for name, shape in shapes.items() if shape}
    if not found:
        return panels.empty(NO_WEIGHTS)
    if not shown:
        return panels.empty(NO_PIXELS.format(layer=style.title(found[0])))
    layer, shape = next(iter(shown.items()))
    seeds = _read(paths, layer)
    title = [f"leading eigenvectors of WᵀW / n, {style.title(layer)}"]
    if len(found) > 1:
        title.append(f"the first of {len(found)} layers that read the images")
    if shape[0] not in (1, 3):
        title.append(f"{shape[0]} channels, side by side")
    without = [str(number) for number, each in enumerate(seeds[""]) if np.isnan(each.shares[0])]
    if without:
        title.append(f"no variance: seed {' and '.join(without)}")
    whose = "a pair" if len(paths) > 1 else "each"
    rows = [row for null in seeds for row in _rows(seeds, null, shape)]
    return table(rows, title, unit=f"relative to the largest entry of {whose}")


def _shape(network: Architecture, inputs: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(C, H, W) of the pixels that a neuron reads; None where it reads something else.

    inputs: shape of the weights of a neuron, of a convolution (channels, rows, columns).
    """
    if len(inputs) == 3:
        return (inputs[0], inputs[1], inputs[2])
    return network.image_shape if inputs == (math.prod(network.image_shape),) else None


def _read(paths: Sequence[str], layer: str) -> dict[str, list[Seed]]:
    """By the null that an epoch is (`style.ENDS`): trained, and untrained where that is known."""
    found: dict[str, list[Seed]] = {null: [] for null in epochs.of(paths[0])}
    for path in paths:
        ends = epochs.of(path)
        with storage.read(path, needs=[f"weights/{layer}"]) as file:
            for null, seeds in found.items():
                seeds.append(Seed(*leading(file[f"weights/{layer}"], ends[null], count=SHOWN)))
    return found


def _rows(found: Mapping[str, Sequence[Seed]], null: str, shape: tuple[int, int, int]) -> list[Row]:
    """Rows of one epoch: ranks, pictures with their shares of variance, cosines of each pair."""
    seeds = found[null]
    name, colour = style.ENDS[null]
    vectors = _turned([seed.vectors for seed in seeds])
    scales = np.abs(np.stack(vectors)).max(axis=(0, 1), initial=0, where=np.isfinite(vectors))
    ranks = range(vectors[0].shape[1])
    rows = [Row(f"{name}, rank", [str(rank + 1) for rank in ranks], begins=bool(null))]
    for number, (seed, columns) in enumerate(zip(seeds, vectors, strict=True)):
        pictures = [
            shade(columns[:, rank].reshape(shape), scale=scales[rank] or 1) for rank in ranks
        ]
        rows.append(Row(f"seed {number}", pictures, colour=colour))
        known = found.get(UNTRAINED)
        limit = known[number].values[0] if known else 0.0
        texts = [_text(share, "{:.1%}") for share in seed.shares]
        above = [bool(value > limit) for value in seed.values[: len(texts)]]
        rows.append(Row("share of variance", texts, above))
    if len(vectors) > 1:
        cosines = (vectors[0] * vectors[1]).sum(axis=0)
        chance = chance_cosine(math.prod(shape), comparisons=1)
        texts = [_text(cosine, "{:.2f}") for cosine in cosines]
        rows.append(Row("|cosine|", texts, [bool(cosine > chance) for cosine in cosines]))
    return rows


def _turned(vectors: list[Array]) -> list[Array]:
    """Columns of the second seed (d, K) with the sign that brings each nearest to that of the
    first: signs of eigenvectors are arbitrary."""
    first, *others = vectors
    return [first, *(each * np.where((first * each).sum(axis=0) < 0, -1, 1) for each in others)]


def _text(number: float, form: str) -> str:
    return form.format(number).replace("%", " %") if np.isfinite(number) else "–"
