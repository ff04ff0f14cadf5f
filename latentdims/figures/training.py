"""Accuracy and loss over epochs."""

from collections.abc import Mapping, Sequence

from latentdims import storage
from latentdims.figures import style
from latentdims.figures.marks import curves
from latentdims.figures.panels import include, legend, panels, whole_numbers
from latentdims.results import scores
from latentdims.results.quantities import within

PANELS = {"accuracy": "accuracy (%)", "loss": "cross-entropy (nats)"}
LINES = {"train": ("training images", "--"), "test": ("test images", "-")}


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Both splits over epochs, the first point before training."""
    figure, axes = panels(rows=1, columns=len(PANELS))
    (epochs,) = storage.stacked(files["network"][:1], "history/epoch")
    for axis, (what, label) in zip(axes[0], PANELS.items(), strict=True):
        for split, (name, linestyle) in LINES.items():
            networks = scores.history(files["network"], split, what)
            curves(
                axis,
                epochs,
                networks,
                label=name,
                colour="trained",
                linestyle=linestyle,
                within=within(f"{what}_by_epoch"),
            )
        axis.set(xlabel="epoch", ylabel=label)
        include(axis, y=[0])
        whole_numbers(axis)
    legend(figure, axes[0, 0])
    return figure
