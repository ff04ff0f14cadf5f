"""Accuracy against the rank of representations, under their spectra."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import spectra, style

BASES = {
    "activation": ("eigenvectors", "trained"),
    "activation_centred": ("eigenvectors, centred", "centred"),
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
        top.set(xscale="log", yscale="log", title=style.title(layer))
        for basis, (label, colour) in BASES.items():
            accuracy(bottom, files["clipping"], basis, layer, label=label, colour=colour)
        limits(bottom, files["clipping"], chance=100 / int(found[0]["classifier"]["neurons"]))
        bottom.set(xscale="log", xlabel="rank kept")
        bottom.set_xlim(top.get_xlim())
    axes[0, 0].set_ylabel("eigenvalue of the second moment")
    axes[1, 0].set_ylabel("test accuracy (%)")
    axes[1, 0].legend()
    return figure


def accuracy(
    axis: Axes, paths: Sequence[str], basis: str, layer: str, *, label: str, colour: str
) -> None:
    """Accuracy against rank in a basis, over the seeds that were clipped in it."""
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
    axis.axhline(
        np.mean(whole), color=style.COLOURS["reference"], linewidth=0.8, linestyle="--",
        label="whole network",
    )
    axis.axhline(
        chance, color=style.COLOURS["initial"], linewidth=0.8, linestyle=":", label="chance"
    )
    axis.set_ylim(bottom=0)
