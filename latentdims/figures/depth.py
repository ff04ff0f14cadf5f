"""Similarity of networks after alignment against depth, beside its nulls."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims.figures import marks, style
from latentdims.figures.alignment import View, end, over_layers, unrelated
from latentdims.figures.panels import legend
from latentdims.models import epochs
from latentdims.statistics.intervals import Estimate

VIEWS = [
    View("after alignment by a rotation", "variance explained s²", "variance_explained", "test"),
    View("without alignment", "CKA, debiased", "cka", "test"),
]

BESIDE = 0.05  # of a place, to which its interval reaches: one alone is seen, too


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Two measures on test images, centred, at every site in the order of the network."""
    figure, axes = over_layers(files["alignment"], VIEWS, _panel, place=0.25)
    legend(figure, *axes)
    return figure


def _panel(axis: style.Axes, paths: Sequence[str], view: View) -> None:
    found = list(view.of(paths).values())
    axis.set_xlabel("layer, in the order of the network")
    for null, at in epochs.of(paths[0]).items():
        label, colour = style.ENDS[null]
        means = [end(axis, each, null, at)[1] for each in found]
        _curve(axis, means, label=label, band=marks.INTERVAL, colour=colour)
    nulls = [unrelated(each, networks=len(paths)) for each in found]
    _curve(axis, nulls, label="unrelated images", band=marks.UNRELATED, colour="random")


def _curve(
    axis: style.Axes, estimates: Sequence[Estimate | None], *, label: str, band: str, colour: str
) -> None:
    """Means over places, with a gap where there is none, and the band of their intervals."""
    missing = Estimate(np.nan, None, None, 0)
    means = [estimate or missing for estimate in estimates]
    places = np.arange(len(means))
    values = [mean.value for mean in means]
    if not np.isfinite(values).any():
        return
    axis.plot(places, values, ".-", color=style.COLOURS[colour], markersize=4, label=label)
    if any(mean.low is not None for mean in means):
        ends = (places[:, None] + [-BESIDE, BESIDE]).ravel()
        twice = [_drawable(mean) for mean in means for _ in range(2)]
        marks.shaded(axis, ends, twice, label=band, colour=colour)


def _drawable(mean: Estimate) -> Estimate:
    return mean if mean.low is not None else mean._replace(low=np.nan, high=np.nan)
