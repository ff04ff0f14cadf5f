"""Marks: curves, spectra, and means with their bars, of what is defined; the rest is named."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentdims.figures import style
from latentdims.figures.panels import note
from latentdims.figures.style import Axes
from latentdims.statistics.intervals import Estimate, curve_over_networks
from latentdims.statistics.scales import Range

INTERVAL = "95 % interval"
BAND = "95 % band"
UNRELATED = "unrelated images, 95 % of pairings"
MANY = 6  # networks, from which on a band stands for them
ZERO = 1e-12  # of weights in float32, relative to the largest eigenvalue
FEW = 3  # points, up to which a curve shows them


def curves(
    axis: Axes,
    x: ArrayLike,
    networks: ArrayLike,
    *,
    label: str,
    colour: str,
    linestyle: str = "-",
    within: Range = None,
) -> None:
    """One curve per network, (networks, points) or, by fold of the test images, (networks, folds,
    points): each of them, or, from `MANY` on, their mean with its 95 % band.

    A curve with a number that is undefined is left out, and its network named above the panel.
    """
    values = np.asarray(networks, dtype=np.float64)
    values = values[:, None] if values.ndim == 2 else values
    defined = np.isfinite(values).all(axis=(1, 2))
    undefined(axis, defined)
    values = values[defined]
    if len(values) >= MANY:
        estimates = curve_over_networks(values, within=within)
        mean(axis, x, estimates, label=label, colour=colour, linestyle=linestyle)
    else:
        several(axis, x, values.mean(1), label=label, colour=colour, linestyle=linestyle)


def several(
    axis: Axes, x: ArrayLike, each: ArrayLike, *, label: str, colour: str, linestyle: str = "-"
) -> None:
    """A thin curve for each, (curves, points)."""
    for curve in np.asarray(each):
        line(
            axis,
            x,
            curve,
            label=label,
            colour=colour,
            linestyle=linestyle,
            linewidth=0.8,
            alpha=0.8,
        )


def mean(
    axis: Axes,
    x: ArrayLike,
    estimates: Sequence[Estimate],
    *,
    label: str,
    colour: str,
    linestyle: str = "-",
    linewidth: float = 1.2,
) -> None:
    """A curve of means with a band for their intervals, where there are any."""
    means = [estimate.value for estimate in estimates]
    line(axis, x, means, label=label, colour=colour, linestyle=linestyle, linewidth=linewidth)
    if estimates[0].low is not None:
        shaded(axis, x, estimates, label=BAND, colour=colour)


def shaded(
    axis: Axes, x: ArrayLike, estimates: Sequence[Estimate], *, label: str, colour: str
) -> None:
    """A band of their intervals, where they have some."""
    ends = np.array([[each.low, each.high] for each in estimates], dtype=np.float64)  # None: NaN
    if not np.isfinite(ends).any():
        return
    low, high = ends.T
    shade = style.COLOURS[colour]
    axis.fill_between(x, low, high, color=shade, alpha=0.25, linewidth=0, label=label)


def spectra(
    axis: Axes,
    seeds: Sequence[NDArray],
    *,
    label: str,
    colour: str,
    linestyle: str = "-",
) -> None:
    """Eigenvalues against rank, one thin line per seed, without those that are zero.

    Those of representations are zero below what float32 resolves (`spectra.resolved`).
    """
    found = [values[values > ZERO * values[0]] for values in seeds]  # none where the first is zero
    undefined(axis, [len(kept) > 0 for kept in found], says="no variance")
    for kept in filter(len, found):
        line(
            axis,
            np.arange(1, len(kept) + 1),
            kept,
            label=label,
            colour=colour,
            linestyle=linestyle,
            linewidth=0.8,
            alpha=0.8,
        )


def line(
    axis: Axes,
    x: ArrayLike,
    y: ArrayLike,
    *,
    label: str,
    colour: str,
    linestyle: str = "-",
    linewidth: float = 1.2,
    alpha: float = 1,
) -> None:
    """One curve, with its points where they are few: a single one would be invisible."""
    axis.plot(
        x,
        y,
        linestyle,
        marker="." if np.size(x) <= FEW else "",
        markersize=3,
        color=style.COLOURS[colour],
        linewidth=linewidth,
        alpha=alpha,
        label=label,
    )


def level(axis: Axes, height: float, *, colour: str, linestyle: str, label: str) -> None:
    """A thin line all across a panel, where the height is defined."""
    if np.isfinite(height):
        shade = style.COLOURS[colour]
        axis.axhline(height, color=shade, linewidth=0.8, linestyle=linestyle, label=label)


def dots(axis: Axes, x: float, values: ArrayLike, *, colour: str) -> None:
    """Small dots above one place, of the values that are defined."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    shade = style.COLOURS[colour]
    axis.plot([x] * len(finite), finite, ".", color=shade, alpha=0.4, markersize=3)


def bar(
    axis: Axes,
    place: float,
    value: float,
    *,
    low: float | None,
    high: float | None,
    colour: str,
    label: str | None = None,
    marker: str = "o",
    horizontal: bool = False,
) -> None:
    """A value with a bar from low to high, where there is one."""
    error = None if low is None or high is None else [[value - low], [high - value]]
    x, y = (value, place) if horizontal else (place, value)
    axis.errorbar(
        x,
        y,
        xerr=error if horizontal else None,
        yerr=None if horizontal else error,
        fmt=marker,
        color=style.COLOURS[colour],
        markersize=4,
        capsize=2,
        label=label,
    )


def explain(axis: Axes, marker: str, label: str) -> None:
    """An entry of the legend for what bars or dots of every colour are."""
    shade = style.COLOURS["reference"]
    axis.plot([], [], marker, color=shade, markersize=8 if marker == "|" else 3, label=label)


def undefined(axis: Axes, defined: ArrayLike, *, says: str = "undefined") -> None:
    """Name the networks, by seed, of which something is not defined (networks,)."""
    seeds = np.flatnonzero(~np.asarray(defined, dtype=bool)).tolist()
    if not seeds:
        return
    of = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    every = len(seeds) == np.size(defined)
    count = "all networks" if every else f"{len(seeds)} of {np.size(defined)} networks"
    note(axis, f"{says}: {of if len(seeds) <= 3 and not every else count}")
