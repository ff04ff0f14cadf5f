"""Eigenvectors of representations: which of them networks share."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims import storage
from latentdims.figures import marks, panels, spectra, style
from latentdims.figures.panels import label_rows, note, ticks
from latentdims.models import architecture, epochs
from latentdims.results import scores
from latentdims.results.quantities import within
from latentdims.statistics.intervals import curve_over_pairs
from latentdims.statistics.scales import Range

WITH_SPECTRA = 12  # layers at most: the matrices of more would be too small beside them


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """A column per layer but the classifier."""
    return pair(files["alignment"], kind="activation", spectrum="second_moment")


def pair(paths: Sequence[str], *, kind: str, spectrum: str) -> style.Figure:
    """Spectra and |cosines| of leading eigenvectors of the first two seeds, and the overlap of the
    spans of all pairs, per layer; of more than `WITH_SPECTRA` layers, without the spectra.

    kind: of overlap in the file, `activation` or `weight`; spectrum: that goes with it.
    """
    found = [spectra.read(path) for path in paths[:2]]
    subspaces = scores.pairs(paths, score=f"{kind}_subspace")
    network, ends = architecture.of(paths[0]), epochs.of(paths[0])
    layers = [layer for layer in subspaces if kind == "weight" or layer != network.output]
    nulls = scores.pairs(paths, score=f"{kind}_subspace_null")
    if not layers:
        return panels.empty(panels.NO_WEIGHTS)
    rows = {"eigenvalue": 1.0, "eigenvector, seed 0": 1.2, "overlap of first k": 1.0}
    if len(layers) > WITH_SPECTRA:
        del rows["eigenvalue"]
    limit = within(f"subspace_overlap_{kind}")
    figure, axes = panels.panels(rows=len(rows), columns=len(layers), heights=[*rows.values()])
    for (*top, matrix, bottom), layer in zip(axes.T, layers, strict=True):
        (*top, matrix)[0].set_title(style.title(layer))
        bottom.set(xlabel="k")
        overlap, null = _overlap(paths[1], f"seed0/{layer}/{kind}_overlap")
        for axis in top:
            axis.set(xlabel="rank")
            _spectra(axis, [seed[layer] for seed in found], spectrum, last=len(overlap))
        image = _matrix(matrix, overlap, null=null)
        rotated = kind == "activation" or network.weight(layer).reads != architecture.IMAGES
        _subspaces(bottom, subspaces[layer], nulls[layer] if rotated else {}, ends, limit)
        if not rotated:
            _chance(bottom, nulls[layer])
    label_rows(axes, *rows)
    shrink = max(0.3 / len(panels.side_by_side(axes[0])), 0.15)
    figure.colorbar(image, ax=list(axes.flat), label="|cosine|", shrink=shrink, aspect=15)
    panels.legend(figure, *axes[0], *axes[-1])
    return figure


def _overlap(path: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """|cosines| of the trained pair, and what those on unrelated images stay below in 95 % of the
    pairings; of the first layer's weights, those of random directions."""
    with storage.read(path, needs=[name, f"{name}_null"]) as file:
        return file[name][-1], file[f"{name}_null"][-1]


def _spectra(
    axis: style.Axes, seeds: Sequence[spectra.Spectra], spectrum: str, *, last: int
) -> None:
    """Leading eigenvalues; orange are those too close to a neighbour for their eigenvectors to be
    identified."""
    marks.undefined(axis, [layer[spectrum][-1][0] > 0 for layer in seeds], says="no variance")
    for seed, (layer, marker) in enumerate(zip(seeds, ("o", "x"), strict=True)):
        values = layer[spectrum][-1][:last]
        alone = layer.get(f"{spectrum}_identified", np.ones((1, last), dtype=bool))[-1][:last]
        for chosen, colour, label in (
            (alone, "trained", f"seed {seed}"),
            (~alone, "random", f"seed {seed}, not identified"),
        ):
            places = np.flatnonzero(chosen & (values > marks.ZERO * values[0]))
            if len(places):
                shade = style.COLOURS[colour]
                axis.plot(
                    1 + places, values[places], marker, color=shade, markersize=2, label=label
                )
    panels.logarithmic(axis)
    panels.ranks(axis, last)


def _matrix(axis: style.Axes, overlap: np.ndarray, *, null: np.ndarray) -> style.AxesImage:
    """|cosines|, ranks from the top left; pale where they are not above the null."""
    height, width = overlap.shape
    axis.set(xlabel="eigenvector, seed 1")
    axis.xaxis.set_major_locator(style.ticker.FixedLocator(ticks(width)))
    axis.yaxis.set_major_locator(style.ticker.FixedLocator(ticks(height)))
    if not np.isfinite(overlap).any():
        note(axis, "undefined")
    return axis.imshow(
        overlap,
        vmin=0,
        vmax=1,
        cmap="viridis",
        alpha=np.where(overlap > null, 1.0, 0.25),
        extent=(0.5, width + 0.5, height + 0.5, 0.5),
        origin="upper",
        aspect="equal",
        interpolation="none",
    )


Overlaps = Mapping[tuple[int, int], np.ndarray]  # by pair of seeds


def _chance(axis: style.Axes, nulls: Overlaps) -> None:
    """Where no rotation is fitted, every pairing has the overlap of random directions, k/d."""
    chance = next(iter(nulls.values()))[0, -1]
    if np.isfinite(chance).all():
        ranks = np.arange(1, len(chance) + 1)
        label = "random directions, k/d"
        marks.line(axis, ranks, chance, label=label, colour="random", linestyle="--")


def _subspaces(
    axis: style.Axes,
    overlaps: Overlaps,
    nulls: Overlaps,
    ends: Mapping[str, int],
    limit: Range,
) -> None:
    """Overlap of all pairs (epochs, k), above that on unrelated images (pairings, epochs, k)."""
    last = len(next(iter(overlaps.values()))[0])
    ranks = np.arange(1, last + 1)
    for null, epoch in sorted(ends.items(), reverse=True):
        (label, colour), width = style.ENDS[null], 2.4 if null else 1.2
        defined = {
            pair: overlap[epoch]
            for pair, overlap in overlaps.items()
            if np.isfinite(overlap[epoch]).all()
        }
        if len(defined) < len(overlaps):
            note(axis, f"{label}: undefined in {len(overlaps) - len(defined)} of {len(overlaps)}")
        if len({seed for pair in defined for seed in pair}) >= marks.MANY:
            means = curve_over_pairs(defined, within=limit)
            marks.mean(axis, ranks, means, label=label, colour=colour, linewidth=width)
        elif defined:
            each = list(defined.values())
            marks.several(axis, ranks, each, label=f"{label}, one pair", colour=colour)
    unrelated = [null[:, -1] for null in nulls.values() if np.isfinite(null[:, -1]).all()]
    if unrelated:
        band = scores.of_null(np.concatenate(unrelated), networks=len(unrelated))
        marks.shaded(axis, ranks, band, label=marks.UNRELATED, colour="random")
    panels.ranks(axis, last, logarithmic=True)
    panels.include(axis, y=[0, 1.02])
