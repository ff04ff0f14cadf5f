"""Eigenvectors of representations: two networks' spectra above the overlap of what they order."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style
from latentdims.storage import STAGES


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """The pair of seeds 0 and 1, a column per layer but the classifier."""
    return pair(files["alignment"], kind="activation", spectrum="second_moment", classifier=False)


def pair(paths: Sequence[str], *, kind: str, spectrum: str, classifier: bool) -> Figure:
    """Spectra, |cosines| of leading eigenvectors, and the overlap of their spans, per layer."""
    spectra = []
    for path in paths[:2]:
        with storage.read(path, needs=["spectra"]) as file:
            spectra.append({layer: g[spectrum][-1] for layer, g in file["spectra"].items()})
    layers = [layer for layer in spectra[0] if classifier or layer != "classifier"]
    figure, axes = style.panels(rows=3, columns=len(layers), heights=[1, 1.3, 1])
    for column, layer in zip(axes.T, layers, strict=True):
        with storage.read(paths[1], needs=["seed0"]) as file:
            overlap = file[f"seed0/{layer}/{kind}_overlap"][-1]
            subspace = file[f"seed0/{layer}/{kind}_subspace"][()]
            dimension = int(file["spectra"][layer].attrs["neurons" if kind == "activation" else "fan_in"])
        top, middle, bottom = column
        for seed, line in enumerate(("-", "--")):
            values = spectra[seed][layer][: len(overlap)]
            top.plot(
                np.arange(1, len(values) + 1), values, line, color=style.COLOURS["trained"],
                label=f"seed {seed}",
            )
        top.set(yscale="log", xlabel="rank", title=style.title(layer))
        edge = len(overlap) + 0.5
        image = middle.imshow(
            overlap, vmin=0, vmax=1, cmap="viridis", extent=(0.5, edge, edge, 0.5)
        )
        middle.set(xlabel="eigenvector, seed 1")
        ranks = np.arange(1, subspace.shape[1] + 1)
        for stage, name in reversed(list(enumerate(STAGES))):
            bottom.plot(ranks, subspace[stage], color=style.COLOURS[name], label=name)
        bottom.plot(
            ranks, ranks / dimension, ":", color=style.COLOURS["reference"], label="chance, k/d"
        )
        bottom.set(xscale="log", xlabel="k", ylim=(0, 1.02))
    axes[0, 0].set_ylabel("eigenvalue")
    axes[0, 0].legend()
    axes[1, 0].set_ylabel("eigenvector, seed 0")
    axes[2, 0].set_ylabel("overlap of first k")
    axes[2, 0].legend()
    figure.colorbar(image, ax=list(axes[1]), label="|cosine| after alignment", shrink=0.8)
    return figure
