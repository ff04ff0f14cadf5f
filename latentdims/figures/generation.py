"""Accuracy of networks drawn from covariances, beside the networks they were drawn from."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style

VARIANTS = {
    "accuracy": "generated",
    "flattened_classifier/accuracy": "generated, classifier as published",
}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Accuracy of every draw, and similarity of its layers with the reference's, per seed."""
    figure, (axes,) = style.panels(rows=1, columns=2)
    left, right = axes
    for seed, path in enumerate(files["generation"]):
        with storage.read(path, needs=["accuracy", "similarity"]) as file:
            left.plot(
                seed - 0.25, file["reference_accuracy"][()], "_", color=style.COLOURS["trained"],
                markersize=12, markeredgewidth=2, label="trained" if seed == 0 else None,
            )
            for number, (name, label) in enumerate(VARIANTS.items()):
                if name in file:
                    place = seed + 0.25 * number
                    colour = ("generated", "centred")[number]
                    _draws(left, place, file[name][()], label if seed == 0 else None, colour)
            for place, (layer, values) in enumerate(file["similarity"].items()):
                _draws(right, place + 0.1 * seed, values[()], None, "generated")
            layers = list(file["similarity"])
    left.set(xlabel="seed", ylabel="test accuracy (%)")
    left.set_xticks(range(len(files["generation"])))
    left.set_ylim(bottom=0)
    left.legend()
    right.set_xticks(range(len(layers)), [style.title(layer) for layer in layers])
    right.set(ylabel="similarity s with the trained network", ylim=(0, 1.02))
    return figure


def _draws(axis, place: float, values: np.ndarray, label: str | None, colour: str) -> None:
    """Every draw as a dot, and their mean with its standard deviation."""
    axis.plot(
        [place] * len(values), values, ".", color=style.COLOURS[colour], alpha=0.4, markersize=4
    )
    deviation = values.std(ddof=1) if len(values) > 1 else None
    axis.errorbar(
        place + 0.08, values.mean(), yerr=deviation, fmt="o", color=style.COLOURS[colour],
        markersize=4, capsize=2, label=label,
    )
