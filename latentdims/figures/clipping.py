"""Accuracy against the rank of representations, under their spectra."""

from collections.abc import Mapping, Sequence

from latentdims import storage
from latentdims.figures import marks, spectra, style
from latentdims.figures.panels import (
    include,
    label_rows,
    legend,
    logarithmic,
    note,
    panels,
    ranks,
)
from latentdims.models import architecture
from latentdims.results import scores
from latentdims.results.quantities import within

BASES = {
    "activation": ("eigenvectors", "trained"),
    "activation_centred": ("eigenvectors, centred", "variant"),
    "random": ("random directions", "random"),
}


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """A column per layer: eigenvalues of the second moment, and accuracy, on log axes of rank."""
    found = [spectra.read(path) for path in files["alignment"]]
    network = architecture.of(files["alignment"][0])
    layers = [site.name for site in network.hidden]
    figure, axes = panels(rows=2, columns=len(layers))
    for (top, bottom), layer in zip(axes.T, layers, strict=True):
        top.set(title=style.title(layer))
        bottom.set(xlabel="rank kept")
        seeds = [seed[layer]["second_moment"][-1] for seed in found]
        marks.spectra(top, seeds, label="trained", colour="trained")
        logarithmic(top)
        for basis, (label, colour) in BASES.items():
            accuracy(bottom, files["clipping"], basis, layer, label=label, colour=colour)
        limits(bottom, files["clipping"], chance=100 / network.classes)
        for axis in (top, bottom):
            ranks(axis, len(seeds[0]), logarithmic=True)
    label_rows(axes, "eigenvalue", "test accuracy (%)")
    legend(figure, *axes[1])
    return figure


def accuracy(
    axis: style.Axes, paths: Sequence[str], basis: str, layer: str, *, label: str, colour: str
) -> None:
    """Accuracy against rank in a basis, over the seeds; nothing where it was not clipped in it."""
    with storage.read(paths[0]) as file:
        kept = file[f"{basis}/{layer}/rank"][()] if f"{basis}/{layer}" in file else []
    if len(kept):
        networks = scores.clipped(paths, basis, layer)
        limit = within(f"clipped_accuracy_{basis}")
        marks.curves(axis, kept, networks, label=label, colour=colour, within=limit)


def limits(axis: style.Axes, paths: Sequence[str], *, chance: float) -> None:
    """Lines at the accuracy of the networks as they are, and at chance; a note where that is
    undefined."""
    with storage.read(paths[0]) as file:
        if "undefined" in file.attrs:
            note(axis, "accuracy is undefined")
            return
    whole = storage.stacked(paths, "reference_accuracy").mean()
    marks.level(axis, whole, colour="reference", linestyle="--", label="whole network")
    marks.level(axis, chance, colour="initial", linestyle=":", label="chance")
    include(axis, y=[0])
