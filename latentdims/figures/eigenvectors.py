"""Eigenvectors of representations: which of them networks share."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from latentdims import storage
from latentdims.alignment import pairs
from latentdims.figures import spectra, style
from latentdims.intervals import curve_over_pairs
from latentdims.procrustes import chance_cosine
from latentdims.storage import STAGES


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """A column per layer but the classifier."""
    return pair(files["alignment"], kind="activation", spectrum="second_moment", size="neurons")


def pair(paths: Sequence[str], *, kind: str, spectrum: str, size: str) -> Figure:
    """Spectra and |cosines| of leading eigenvectors of the first two seeds, and the overlap of the
    spans of all pairs, per layer.

    kind: of overlap in the file, `activation` or `weight`; spectrum: that goes with it; size: what
    the dimension of its vectors is, `neurons` or `fan_in`.
    """
    found = [spectra.read(path) for path in paths[:2]]
    subspaces = pairs(paths, score=f"{kind}_subspace")
    layers = [layer for layer in found[0] if kind == "weight" or layer != "classifier"]
    figure, axes = style.panels(rows=3, columns=len(layers), heights=[1, 1.2, 1])
    for (top, middle, bottom), layer in zip(axes.T, layers, strict=True):
        with storage.read(paths[1], needs=[f"seed0/{layer}"]) as file:
            overlap = file[f"seed0/{layer}/{kind}_overlap"][-1]
        _spectra(top, [seed[layer] for seed in found], spectrum, ranks=len(overlap))
        top.set(title=style.title(layer))
        image = _matrix(middle, overlap)
        _subspaces(bottom, subspaces[layer], dimension=int(found[0][layer][size]))
    axes[0, 0].set_ylabel("eigenvalue")
    axes[1, 0].set_ylabel("eigenvector, seed 0")
    axes[2, 0].set_ylabel("overlap of first k")
    bar = figure.colorbar(image, ax=list(axes[1]), label="|cosine|", shrink=0.8)
    for layer in layers:  # the largest of a row of random directions stays below, in 95 %
        rank = found[0][layer][spectrum].shape[1]
        chance = chance_cosine(int(found[0][layer][size]), comparisons=rank)
        bar.ax.axhline(chance, color="white", linewidth=1)
    style.legend(figure, *axes[0], axes[2, 0], seeds=len(paths))
    return figure


def _spectra(
    axis: Axes, seeds: Sequence[Mapping[str, np.ndarray]], spectrum: str, *, ranks: int
) -> None:
    """Leading eigenvalues; those too near to a neighbour to name an eigenvector are orange."""
    for seed, (layer, marker) in enumerate(zip(seeds, ("o", "x"), strict=True)):
        values = layer[spectrum][-1][:ranks]
        alone = layer.get(f"{spectrum}_identified", np.ones((1, ranks), dtype=bool))[-1][:ranks]
        for chosen, colour, label in (
            (alone, "trained", f"seed {seed}"),
            (~alone, "random", f"seed {seed}, not identified"),
        ):
            if chosen.any():
                places = 1 + np.flatnonzero(chosen)
                shade = style.COLOURS[colour]
                axis.plot(places, values[chosen], marker, color=shade, markersize=2, label=label)
    style.logarithmic(axis, y=True)
    style.whole_numbers(axis)
    axis.set(xlabel="rank")


def _matrix(axis: Axes, overlap: np.ndarray) -> AxesImage:
    edge = len(overlap) + 0.5
    axis.set(xlabel="eigenvector, seed 1")
    for part in (axis.xaxis, axis.yaxis):
        part.set_major_locator(MaxNLocator(5, integer=True))
    return axis.imshow(overlap, vmin=0, vmax=1, cmap="viridis", extent=(0.5, edge, edge, 0.5))


def _subspaces(
    axis: Axes, overlaps: Mapping[tuple[int, int], np.ndarray], *, dimension: int
) -> None:
    """Overlap of all pairs (stages, k) on average, with the interval over seeds."""
    ranks = np.arange(1, len(next(iter(overlaps.values()))[0]) + 1)
    for (stage, name), width in zip(enumerate(STAGES), (2.4, 1.2), strict=True):
        estimates = curve_over_pairs({pair: overlap[stage] for pair, overlap in overlaps.items()})
        colour, label = style.COLOURS[name], style.NAMES[name]
        means = [estimate.value for estimate in estimates]
        axis.plot(ranks, means, color=colour, linewidth=width, label=label)
        if estimates[0].low is not None:
            low, high = ([getattr(each, end) for each in estimates] for end in ("low", "high"))
            axis.fill_between(ranks, low, high, color=colour, alpha=0.25, linewidth=0)
    colour = style.COLOURS["reference"]
    axis.plot(ranks, ranks / dimension, ":", color=colour, linewidth=0.8, label="chance, k/d")
    style.logarithmic(axis, x=True)
    axis.set(xlabel="k", ylim=(0, 1.02))
