"""Weight spectra, trained and untrained, above accuracy against the rank of weights."""

from collections.abc import Mapping, Sequence

from latentdims.figures import clipping, marks, spectra, style
from latentdims.figures.panels import (
    NO_WEIGHTS,
    empty,
    label_rows,
    legend,
    logarithmic,
    panels,
    ranks,
)
from latentdims.models import architecture, epochs
from latentdims.statistics.spectra import initial_variance, marchenko_pastur_edges


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """A column per layer: eigenvalues of WᵀW / n on a log axis, and accuracy, against rank."""
    found = [spectra.read(path) for path in files["alignment"]]
    layers = [layer for layer, kinds in found[0].items() if "weight" in kinds]
    if not layers:
        return empty(NO_WEIGHTS)
    figure, axes = panels(rows=2, columns=len(layers))
    ends = epochs.of(files["alignment"][0])
    chance = 100 / architecture.of(files["alignment"][0]).classes
    label = "weight eigenvectors"
    for (top, bottom), layer in zip(axes.T, layers, strict=True):
        top.set(title=style.title(layer))
        bottom.set(xlabel="rank kept")
        _spectra(top, [seed[layer] for seed in found], ends)
        clipping.accuracy(bottom, files["clipping"], "weight", layer, label=label, colour="trained")
        clipping.limits(bottom, files["clipping"], chance=chance)
        for axis in (top, bottom):
            ranks(axis, len(found[0][layer]["weight"][0]))
    label_rows(axes, "eigenvalue of WᵀW / n", "test accuracy (%)")
    legend(figure, *axes.flat)
    return figure


def _spectra(axis: style.Axes, seeds: Sequence[spectra.Spectra], ends: Mapping[str, int]) -> None:
    for null, epoch in ends.items():
        name, colour = style.ENDS[null]
        values = [seed["weight"][epoch] for seed in seeds]
        marks.spectra(axis, values, label=name, colour=colour)
    fan_in, neurons = int(seeds[0]["fan_in"]), int(seeds[0]["neurons"])
    variance = initial_variance(fan_in)
    edge = marchenko_pastur_edges(variance=variance, dimension=fan_in, neurons=neurons)[1]
    label = "Marchenko-Pastur edge"
    marks.level(axis, edge, colour="reference", linestyle="-.", label=label)
    logarithmic(axis)
