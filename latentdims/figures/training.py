"""Accuracy and loss over epochs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.figures import style
from latentdims.storage import SPLITS

PANELS = {"accuracy": "accuracy (%)", "loss": "cross-entropy (nats)"}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Both splits over epochs, the first point before training."""
    figure, axes = style.panels(rows=1, columns=len(PANELS))
    for axis, (what, label) in zip(axes[0], PANELS.items(), strict=True):
        for split, line in zip(SPLITS, ("--", "-"), strict=True):
            seeds = []
            for path in files["network"]:
                with storage.read(path, needs=["history"]) as file:
                    seeds.append(file[f"history/{split}_{what}"][()])
            epochs = np.arange(len(seeds[0]))
            style.curves(axis, epochs, seeds, label=split, colour="trained", linestyle=line)
        axis.set(xlabel="epoch", ylabel=label)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylim(bottom=0)
    axes[0, 0].legend(title=f"{len(seeds)} seeds")
    return figure
