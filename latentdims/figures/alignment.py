"""Similarity of networks after alignment, beside that of the same networks untrained."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims.alignment import pairs
from latentdims.figures import style
from latentdims.intervals import over_pairs
from latentdims.measured import CENTRINGS
from latentdims.storage import SPLITS, STAGES


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Variance explained, held out and centred; and the cosine as the tutorial reports it."""
    scores = pairs(files["alignment"])
    figure, ((left, right),) = style.panels(rows=1, columns=2)
    _panel(left, scores, split="test", centring="centred", power=2)
    left.set(ylabel="variance explained s²", title="test images, centred")
    _panel(right, scores, split="train", centring="uncentred", power=1)
    right.set(ylabel="similarity s", title="training images, uncentred")
    style.legend(figure, left, seeds=len(files["alignment"]))
    return figure


def _panel(
    axis: Axes,
    scores: Mapping[str, Mapping[tuple[int, int], np.ndarray]],
    *,
    split: str,
    centring: str,
    power: int,
) -> None:
    """Every pair as a dot, and the mean with its 95 % interval over seeds."""
    place = (SPLITS.index(split), CENTRINGS.index(centring))
    for number, scored in enumerate(scores.values()):
        for stage, name in enumerate(STAGES):
            colour = style.COLOURS[name]
            values = {pair: float(score[stage][place]) ** power for pair, score in scored.items()}
            x = number + (0.15 if name == "trained" else -0.15)
            shifted = [x + 0.08] * len(values)
            axis.plot(shifted, list(values.values()), ".", color=colour, alpha=0.4, markersize=4)
            estimate = over_pairs(values)
            error = None if estimate.low is None else [estimate.value - estimate.low]
            axis.errorbar(
                x,
                estimate.value,
                yerr=error,
                fmt="o" if name == "trained" else "s",
                color=colour,
                markersize=4,
                capsize=2,
                label=style.NAMES[name] if number == 0 else None,
            )
    axis.set_xticks(range(len(scores)), [style.title(layer) for layer in scores])
    axis.set_ylim(0, 1.02)
