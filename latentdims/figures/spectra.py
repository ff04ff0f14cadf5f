"""Spectra of representations, trained and untrained, uncentred and centred."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style
from latentdims.spectra import power_law
from latentdims.storage import STAGES

MOMENTS = {"second_moment": "second moment", "covariance": "covariance"}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Eigenvalues against rank on log-log axes, a column per layer, a row per moment.

    Dotted: variances of test images along the same eigenvectors.
    """
    spectra = [read(path) for path in files["alignment"]]
    layers = [layer for layer in spectra[0] if layer != "classifier"]
    figure, axes = style.panels(rows=len(MOMENTS), columns=len(layers))
    for row, (moment, name) in zip(axes, MOMENTS.items(), strict=True):
        for axis, layer in zip(row, layers, strict=True):
            for stage, stage_name in reversed(list(enumerate(STAGES))):
                seeds = [seed[layer][moment][stage] for seed in spectra]
                exponent = np.mean([power_law(values)[0] for values in seeds])
                label = style.NAMES[stage_name]
                if np.isfinite(exponent):
                    label += f", α = {exponent:.2f}"
                style.spectra(axis, seeds, label=label, colour=stage_name)
                fresh = [seed[layer][f"{moment}_held_out"][stage] for seed in spectra]
                style.spectra(axis, fresh, label=None, colour=stage_name, linestyle=":")
            style.logarithmic(axis, x=True, y=True)
            axis.set(xlabel="rank", title=f"{style.title(layer)}, {name}")
            axis.legend(title=f"{len(spectra)} seeds")
        row[0].set_ylabel("eigenvalue")
    return figure


def read(path: str) -> dict[str, dict[str, np.ndarray]]:
    """Spectra by layer and kind, each (stages, ranks), from an alignment file.

    Beside them, `fan_in` and `neurons` of the layer.
    """
    with storage.read(path, needs=["spectra"]) as file:
        found = {}
        for layer in storage.layers(file["spectra"]):
            group = file["spectra"][layer]
            found[layer] = {kind: values[()] for kind, values in group.items()}
            found[layer] |= {name: np.array(value) for name, value in group.attrs.items()}
        return found
