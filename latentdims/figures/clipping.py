"""Accuracy against the rank of representations, under their spectra."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import spectra, style

BASES = {
    "activation": ("eigenvectors", "trained"),
    "activation_centred": ("eigenvectors, centred", "variant"),
    "random": ("random directions", "random"),
}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """A column per layer: eigenvalues of the second moment, and accuracy, on log axes of rank."""
    found = [spectra.read(path) for path in files["alignment"]]
    layers = [layer for layer in found[0] if layer != "classifier"]
    figure, axes = style.panels(rows=2, columns=len(layers))
    for (top, bottom), layer in zip(axes.T, layers, strict=True):
        seeds = [seed[layer]["second_moment"][-1] for seed in found]
        style.spectra(top, seeds, label="trained", colour="trained")
        style.logarithmic(top, x=True, y=True)
        top.set(title=style.title(layer))
        for basis, (label, colour) in BASES.items():
            accuracy(bottom, files["clipping"], basis, layer, label=label, colour=colour)
        limits(bottom, files["clipping"], chance=100 / int(found[0]["classifier"]["neurons"]))
        style.logarithmic(bottom, x=True)
        bottom.set(xlabel="rank kept", xlim=top.get_xlim())
    axes[0, 0].set_ylabel("eigenvalue")
    axes[1, 0].set_ylabel("test accuracy (%)")
    style.legend(figure, axes[1, 0], seeds=len(files["clipping"]))
    return figure


def accuracy(
    axis: Axes, paths: Sequence[str], basis: str, layer: str, *, label: str, colour: str
) -> None:
    """Accuracy against rank in a basis, over the seeds; nothing where it was not clipped in it."""
    seeds = []
    for path in paths:
        with storage.read(path) as file:
            group = file.get(f"{basis}/{layer}")
            if group is None:
                return
            ranks = group["rank"][()]
            seeds.append(group["accuracy"][()])
    style.curves(axis, ranks, seeds, label=label, colour=colour)


def limits(axis: Axes, paths: Sequence[str], *, chance: float) -> None:
    """Lines at the accuracy of the networks as they are, and at chance."""
    whole = []
    for path in paths:
        with storage.read(path, needs=["reference_accuracy"]) as file:
            whole.append(file["reference_accuracy"][()])
    for height, colour, line, label in (
        (np.mean(whole), "reference", "--", "whole network"),
        (chance, "initial", ":", "chance"),
    ):
        axis.axhline(
            height, color=style.COLOURS[colour], linewidth=0.8, linestyle=line, label=label
        )
    axis.set_ylim(bottom=0)
