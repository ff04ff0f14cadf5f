"""Accuracy and loss over epochs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style

PANELS = {"accuracy": "accuracy (%)", "loss": "cross-entropy (nats)"}
LINES = {"train": ("training images", "--"), "test": ("test images", "-")}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Both splits over epochs, the first point before training."""
    figure, axes = style.panels(rows=1, columns=len(PANELS))
    for axis, (what, label) in zip(axes[0], PANELS.items(), strict=True):
        for split, (name, line) in LINES.items():
            seeds = []
            for path in files["network"]:
                with storage.read(path, needs=["history"]) as file:
                    seeds.append(file[f"history/{split}_{what}"][()])
            epochs = np.arange(len(seeds[0]))
            style.curves(axis, epochs, seeds, label=name, colour="trained", linestyle=line)
        axis.set(xlabel="epoch", ylabel=label)
        axis.set_ylim(bottom=0)
        style.whole_numbers(axis)
    style.legend(figure, axes[0, 0], seeds=len(files["network"]))
    return figure
