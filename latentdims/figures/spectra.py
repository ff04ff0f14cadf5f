"""Spectra of representations, trained and initial, uncentred and centred."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style
from latentdims.spectra import power_law
from latentdims.storage import STAGES

MOMENTS = {"second_moment": "second moment", "covariance": "covariance"}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Eigenvalues against rank on log-log axes, a column per layer, a row per moment."""
    spectra = [read(path) for path in files["alignment"]]
    layers = [layer for layer in spectra[0] if layer != "classifier"]
    figure, axes = style.panels(rows=len(MOMENTS), columns=len(layers))
    for row, (moment, name) in zip(axes, MOMENTS.items(), strict=True):
        for axis, layer in zip(row, layers, strict=True):
            for stage, stage_name in reversed(list(enumerate(STAGES))):
                seeds = [seed[layer][moment][stage] for seed in spectra]
                exponent = np.mean([power_law(values)[0] for values in seeds])
                label = f"{stage_name}, α = {exponent:.2f}" if np.isfinite(exponent) else stage_name
                style.spectra(axis, seeds, label=label, colour=stage_name)
            axis.set(xscale="log", yscale="log", xlabel="rank", title=style.title(layer))
            axis.legend()
        row[0].set_ylabel(f"eigenvalue of the {name}")
    return figure


def read(path: str) -> dict[str, dict[str, np.ndarray]]:
    """Spectra by layer and kind, each (stages, ranks), from an alignment file."""
    with storage.read(path, needs=["spectra"]) as file:
        return {
            layer: {kind: values[()] for kind, values in group.items()}
            | {name: np.array(value) for name, value in group.attrs.items()}
            for layer, group in file["spectra"].items()
        }
