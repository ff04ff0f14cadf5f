"""Similarity of networks after alignment, beside that of the same networks untrained."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentdims.alignment import pairs
from latentdims.figures import style
from latentdims.intervals import over_pairs
from latentdims.measured import CENTRINGS
from latentdims.storage import SPLITS, STAGES

# Pairings in the order of the legend: the score in the file, the stage, the colour, the marker.
PAIRINGS = {
    "trained": ("similarity", "trained", "trained", "o"),
    "untrained": ("similarity", "initial", "initial", "s"),
    "trained, unrelated images": ("similarity_shuffled", "trained", "random", "^"),
}


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """Variance explained, held out and centred; and the cosine as the tutorial reports it."""
    figure, ((left, right),) = style.panels(rows=1, columns=2)
    for number, (label, (score, stage, *look)) in enumerate(PAIRINGS.items()):
        scores = pairs(files["alignment"], score=score)
        at = list(STAGES).index(stage)
        held_out = (at, SPLITS.index("test"), CENTRINGS.index("centred"))
        published = (at, SPLITS.index("train"), CENTRINGS.index("uncentred"))
        for place, scored in enumerate(scores.values()):
            x, name = place + 0.2 * (number - 1), label if place == 0 else None
            explained = {pair: s[held_out] * abs(s[held_out]) for pair, s in scored.items()}
            _point(left, x, explained, name, *look)
            _point(right, x, {pair: s[published] for pair, s in scored.items()}, name, *look)
    left.set(ylabel="variance explained s²", title="test images, centred")
    right.set(ylabel="similarity s", title="training images, uncentred")
    for axis in (left, right):
        axis.set_xticks(range(len(scores)), [style.title(layer) for layer in scores])
        axis.set_ylim(min(0, axis.get_ylim()[0]), 1.02)
    style.legend(figure, left, seeds=len(files["alignment"]))
    return figure


def _point(
    axis: Axes,
    x: float,
    values: Mapping[tuple[int, int], float],
    label: str | None,
    colour: str,
    marker: str,
) -> None:
    """Every pair as a dot, and beside them their mean with its 95 % interval over seeds."""
    shade = style.COLOURS[colour]
    shifted = [x + 0.07] * len(values)
    axis.plot(shifted, list(values.values()), ".", color=shade, alpha=0.4, markersize=3)
    estimate = over_pairs(values)
    error = None if estimate.low is None else [estimate.value - estimate.low]
    axis.errorbar(
        x, estimate.value, error, fmt=marker, color=shade, markersize=4, capsize=2, label=label
    )
