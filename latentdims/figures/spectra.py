"""Spectra of representations, trained and untrained, uncentred and centred."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims import storage
from latentdims.figures import marks, style
from latentdims.figures.panels import label_rows, legend, logarithmic, many, note, panels, ranks
from latentdims.models import architecture, epochs
from latentdims.statistics.spectra import jackknife, power_law

MOMENTS = {"second_moment": "second moment", "covariance": "covariance"}

Spectra = Mapping[str, np.ndarray]  # of one layer, by kind


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Eigenvalues against rank on log-log axes, a column per layer, a row per moment.

    Dotted: variances of test images along the same eigenvectors. Dashed: a power law, drawn over
    the ranks that it was fitted to.
    """
    found = [read(path) for path in files["alignment"]]
    layers = [site.name for site in architecture.of(files["alignment"][0]).hidden]
    ends = epochs.of(files["alignment"][0])
    figure, axes = panels(rows=len(MOMENTS), columns=len(layers))
    crowded, first = many(len(layers)), next(iter(MOMENTS))
    for row, (moment, name) in zip(axes, MOMENTS.items(), strict=True):
        for axis, layer in zip(row, layers, strict=True):
            title = style.title(layer) if crowded else f"{style.title(layer)}, {name}"
            axis.set(xlabel="rank", title="" if crowded and moment != first else title)
            _panel(axis, [seed[layer] for seed in found], moment, ends, short=crowded)
    label_rows(
        axes, *(f"eigenvalue, {name}" if crowded else "eigenvalue" for name in MOMENTS.values())
    )
    legend(figure, *axes.flat)
    return figure


def _panel(
    axis: style.Axes,
    seeds: Sequence[Spectra],
    moment: str,
    ends: Mapping[str, int],
    *,
    short: bool,
) -> None:
    exponents = []
    for null, epoch in ends.items():
        name, colour = style.ENDS[null]
        values = [seed[moment][epoch] for seed in seeds]
        marks.spectra(axis, values, label=name, colour=colour)
        fresh = [seed[f"{moment}_held_out"][epoch] for seed in seeds]
        label = f"{name}, test images"
        marks.spectra(axis, fresh, label=label, colour=colour, linestyle=":")
        without = [seed[f"{moment}_without_fold"][:, epoch] for seed in seeds]
        exponent = _fitted(axis, values, without, label="power law, over its ranks")
        if exponent is not None:
            exponents.append(f"{name} {exponent:.2f}")
    if exponents and short:
        note(axis, f"α {', '.join(exponents).removeprefix('trained ')}")
    elif exponents:
        note(axis, f"α: {', '.join(reversed(exponents))}")
    logarithmic(axis)
    ranks(axis, len(seeds[0][moment][0]), logarithmic=True)


def _fitted(
    axis: style.Axes, seeds: Sequence[np.ndarray], without: Sequence[np.ndarray], *, label: str
) -> float | None:
    """Draw the mean power law over the ranks that it was fitted to, and return its exponent; none
    where it is refused for one of the networks.

    without: spectra without each fold of the images, from which the exponent has less bias.
    """
    laws = [power_law(values) for values in seeds]
    if any(law.reason for law in laws):
        return None
    found = [
        jackknife(lambda values: power_law(values).exponent, *each)
        for each in zip(seeds, without, strict=True)
    ]
    exponent = float(np.mean(found))
    first, last = max(law.first for law in laws), min(law.last for law in laws)
    window = np.array([first, last])
    middle = np.sqrt(first * last)
    heights = [law.prefactor * middle**-law.exponent for law in laws]
    height = np.exp(np.mean(np.log(heights)))
    line = height * (window / middle) ** -exponent
    marks.line(axis, window, line, label=label, colour="reference", linestyle="--", linewidth=0.8)
    return exponent


def read(path: str) -> dict[str, dict[str, np.ndarray]]:
    """Spectra by layer and kind, each (epochs, ranks), from an alignment file.

    A layer has those of its representation, of its weight, or both. Beside those of a weight stand
    its `fan_in` and `neurons`.
    """
    with storage.read(path, needs=["spectra"]) as file:
        found = {}
        for layer in architecture.layers(file, "spectra"):
            group = file["spectra"][layer]
            found[layer] = {kind: values[()] for kind, values in group.items()}
            found[layer] |= {name: np.array(value) for name, value in group.attrs.items()}
        return found
