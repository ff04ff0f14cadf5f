"""Accuracy of networks drawn from covariances, beside the networks they were drawn from."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style

VARIANTS = {
    "accuracy": ("generated", "generated"),
    "flattened_classifier/accuracy": ("generated, flattened classifier", "variant"),
}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Accuracy of every draw, and similarity of its layers with the reference's, per seed."""
    figure, ((left, right),) = style.panels(rows=1, columns=2)
    for seed, path in enumerate(files["generation"]):
        with storage.read(path, needs=["accuracy", "similarity"]) as file:
            _dots(left, seed - 0.25, file["reference_accuracy"][()], "trained", "trained")
            for number, (name, (label, colour)) in enumerate(VARIANTS.items()):
                if name in file:
                    _dots(left, seed + 0.25 * number, file[name][()], label, colour)
            layers = storage.layers(file["similarity"])
            step = 0.6 / len(files["generation"])
            for place, layer in enumerate(layers):
                values = file[f"similarity/{layer}"][()]
                _dots(right, place - 0.3 + step * (seed + 0.5), values, "generated", "generated")
    left.set(xlabel="seed", ylabel="test accuracy (%)")
    left.set_xticks(range(len(files["generation"])))
    left.set_xlim(-0.5, len(files["generation"]) - 0.25)
    left.set_ylim(0, 1.05 * left.get_ylim()[1])
    right.set(ylabel="similarity s", title="with the trained network", ylim=(0, 1.02))
    right.set_xticks(range(len(layers)), [f"{style.title(layer)}, by seed" for layer in layers])
    right.set_xlim(-0.5, len(layers) - 0.5)
    style.legend(figure, left, seeds=len(files["generation"]))
    return figure


def _dots(axis: Axes, place: float, values: np.ndarray, label: str, colour: str) -> None:
    """Every value as a dot, and beside them their mean with its standard deviation."""
    shade = style.COLOURS[colour]
    values = np.atleast_1d(values)
    deviation = None
    if len(values) > 1:
        axis.plot([place] * len(values), values, ".", color=shade, alpha=0.3, markersize=3)
        deviation = values.std(ddof=1)
    axis.errorbar(
        place + (0.05 if len(values) > 1 else 0),
        values.mean(),
        yerr=deviation,
        fmt="o",
        color=shade,
        markersize=3,
        capsize=2,
        label=label,
    )
