"""Spectra of representations, trained and untrained, uncentred and centred."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims import storage
from latentdims.figures import marks, style
from latentdims.figures.panels import label_rows, legend, logarithmic, note, panels, ranks
from latentdims.spectra import power_law
from latentdims.storage import STAGES

MOMENTS = {"second_moment": "second moment", "covariance": "covariance"}

Spectra = Mapping[str, np.ndarray]  # of one layer, by kind


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Eigenvalues against rank on log-log axes, a column per layer, a row per moment.

    Dotted: variances of test images along the same eigenvectors.
    """
    found = [read(path) for path in files["alignment"]]
    layers = [layer for layer in found[0] if layer != "classifier"]
    figure, axes = panels(rows=len(MOMENTS), columns=len(layers))
    for row, (moment, name) in zip(axes, MOMENTS.items(), strict=True):
        for axis, layer in zip(row, layers, strict=True):
            axis.set(xlabel="rank", title=f"{style.title(layer)}, {name}")
            _panel(axis, [seed[layer] for seed in found], moment)
    label_rows(axes, *["eigenvalue"] * len(MOMENTS))
    legend(figure, *axes.flat)
    return figure


def _panel(axis: style.Axes, seeds: Sequence[Spectra], moment: str) -> None:
    exponents = []
    for stage, stage_name in reversed(list(enumerate(STAGES))):
        name = style.NAMES[stage_name]
        values = [seed[moment][stage] for seed in seeds]
        marks.spectra(axis, values, label=name, colour=stage_name)
        fresh = [seed[f"{moment}_held_out"][stage] for seed in seeds]
        label = f"{name}, test images"
        marks.spectra(axis, fresh, label=label, colour=stage_name, linestyle=":")
        slopes = [slope for slope in (power_law(each)[0] for each in values) if np.isfinite(slope)]
        if slopes:
            exponents.append(f"{name} {np.mean(slopes):.2f}")
    if exponents:
        note(axis, f"α: {', '.join(reversed(exponents))}")
    logarithmic(axis)
    ranks(axis, len(seeds[0][moment][0]), logarithmic=True)


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
