"""Similarity of networks after alignment, beside that of the same networks untrained."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims import storage
from latentdims.alignment import CENTRINGS
from latentdims.figures import style
from latentdims.intervals import over_pairs
from latentdims.storage import SPLITS, STAGES

Pairs = dict[tuple[int, int], np.ndarray]


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Variance explained, held out and centred; and the cosine as the tutorial reports it."""
    scores = read(files["alignment"])
    figure, axes = style.panels(rows=1, columns=2)
    held_out = {
        layer: {pair: _score(values, "test", "centred") ** 2 for pair, values in pairs.items()}
        for layer, pairs in scores.items()
    }
    published = {
        layer: {pair: _score(values, "train", "uncentred") for pair, values in pairs.items()}
        for layer, pairs in scores.items()
    }
    _panel(axes[0, 0], held_out)
    axes[0, 0].set(ylabel="variance explained s²", title="test images, centred")
    _panel(axes[0, 1], published)
    axes[0, 1].set(ylabel="similarity s", title="training images, uncentred (as published)")
    axes[0, 0].legend(title=f"{len(files['alignment'])} seeds")
    return figure


def read(paths: Sequence[str]) -> dict[str, Pairs]:
    """Similarities (stages, splits, centrings) by layer and pair of seeds, in the order of layers."""
    scores: dict[str, Pairs] = {}
    for seed, path in enumerate(paths):
        with storage.read(path) as file:
            for partner in range(seed):
                for layer, group in file.get(f"seed{partner}", {}).items():
                    scores.setdefault(layer, {})[partner, seed] = group["similarity"][()]
    return scores


def _score(values: np.ndarray, split: str, centring: str) -> np.ndarray:
    """(stages,)"""
    return values[:, SPLITS.index(split), CENTRINGS.index(centring)]


def _panel(axis: Axes, scores: Mapping[str, Pairs]) -> None:
    """Every pair as a dot, and the mean with its 95 % interval over seeds."""
    for place, pairs in enumerate(scores.values()):
        for stage, name in enumerate(STAGES):
            colour = style.COLOURS[name]
            values = {pair: float(stages[stage]) for pair, stages in pairs.items()}
            x = place + 0.15 * (1 if name == "trained" else -1)
            axis.plot(
                [x + 0.08] * len(values), list(values.values()), ".", color=colour, alpha=0.4,
                markersize=4,
            )
            estimate = over_pairs(values)
            label = {"trained": "trained", "initial": "untrained"}[name] if place == 0 else None
            error = None if estimate.low is None else [[estimate.value - estimate.low]] * 2
            axis.errorbar(
                x, estimate.value, yerr=error, fmt="o", color=colour, markersize=4, capsize=2,
                label=label,
            )
    axis.set_xticks(range(len(scores)), [style.title(layer) for layer in scores])
    axis.set_ylim(0, 1.02)
