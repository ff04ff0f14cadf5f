"""What networks share, and what their weights are, along training."""

from collections.abc import Mapping, Sequence

import numpy as np

from latentdims.figures import marks, style
from latentdims.figures.panels import empty, label_once, label_rows, legend, panels
from latentdims.figures.scale import include
from latentdims.figures.style import Axes, ticker
from latentdims.models import architecture
from latentdims.results import along
from latentdims.results.along import Points
from latentdims.results.quantities import Name

ONLY_ENDS = (
    "Networks were measured before and after training alone: set alignment.epochs: kept, and the "
    "epochs with training.keep_epochs or keep_steps."
)
WIDE = 16  # times the first epoch that the last one is, from which the axis is logarithmic
MOST = 12  # layers, up to which each has all rows of panels
DASHES = ("-", "--", ":")  # of the leading final eigenvectors

Curves = Mapping[Name, Points]


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """A column per layer, against epochs: similarity to other networks and to the network itself at
    its last epoch; participation ratio; amplification and rotation of the last eigenvectors of its
    weights. Of more than `MOST` layers, the rows in the middle are left out."""
    paths = files["alignment"]
    if not along.is_measured(paths[0]):
        return empty(ONLY_ENDS)
    curves, epochs = {each.name: each for each in along.of(paths)}, np.array(along.epochs(paths))
    layers = architecture.of(paths[0]).names
    rows = ROWS if len(layers) <= MOST else {label: ROWS[label] for label in (FIRST, LAST)}
    figure, axes = panels(rows=len(rows), columns=len(layers))
    for column, layer in zip(axes.T, layers, strict=True):
        column[0].set_title(style.title(layer))
        for axis, panel in zip(column, rows.values(), strict=True):
            panel(axis, epochs, layer, curves)
            _along(axis, epochs)
            axis.set_xlabel("epoch")
    label_rows(axes, *rows)
    label_once(axes)
    legend(figure, *axes.flat)
    return figure


def _similarities(axis: Axes, epochs: np.ndarray, layer: str, curves: Curves) -> None:
    """Of test images, centred, with the null of unrelated images."""
    for quantity, colour, label in (
        ("similarity_by_epoch", "trained", "other networks"),
        ("similarity_to_final_by_epoch", "generated", "the network itself at its last epoch"),
    ):
        name = Name(quantity, layer, "test", "centred")
        _curve(axis, epochs, curves.get(name), label=label, colour=colour)
        if null := curves.get(name._replace(null="unrelated")):
            marks.shaded(axis, epochs, null.estimates, label=marks.UNRELATED, colour="random")
    include(axis, y=[-0.04, 1.02])


def _participation(axis: Axes, epochs: np.ndarray, layer: str, curves: Curves) -> None:
    for centring, linestyle in (("centred", "-"), ("uncentred", "--")):
        found = curves.get(Name("participation_ratio_by_epoch", layer, "train", centring))
        label = f"participation ratio, {centring}"
        _curve(axis, epochs, found, label=label, colour="trained", linestyle=linestyle)
    include(axis, y=[0])


def _amplification(axis: Axes, epochs: np.ndarray, layer: str, curves: Curves) -> None:
    _eigenvectors(axis, epochs, layer, curves, "weight_amplification")
    include(axis, y=[0])


def _rotation(axis: Axes, epochs: np.ndarray, layer: str, curves: Curves) -> None:
    _eigenvectors(axis, epochs, layer, curves, "weight_cosine")
    include(axis, y=[0, 1.02])


def _eigenvectors(
    axis: Axes, epochs: np.ndarray, layer: str, curves: Curves, quantity: str
) -> None:
    for number, linestyle in enumerate(DASHES, 1):
        found = curves.get(Name(f"{quantity}_{number}_by_epoch", layer))
        label = f"eigenvector {number} of the last weights"
        _curve(axis, epochs, found, label=label, colour="variant", linestyle=linestyle)


def _curve(
    axis: Axes,
    epochs: np.ndarray,
    found: Points | None,
    *,
    label: str,
    colour: str,
    linestyle: str = "-",
) -> None:
    """Each network or pair, or, of `marks.MANY` networks or more, the mean with its band."""
    if found is None:
        return
    known = [n for n, each in enumerate(found.estimates) if np.isfinite(each.value)]
    if known and found.estimates[known[0]].n >= marks.MANY:
        some = [found.estimates[n] for n in known]
        marks.mean(axis, epochs[known], some, label=label, colour=colour, linestyle=linestyle)
    else:
        defined = [curve for curve in found.each if np.isfinite(curve).any()]
        marks.several(axis, epochs, defined, label=label, colour=colour, linestyle=linestyle)


def _along(axis: Axes, epochs: np.ndarray) -> None:
    """A horizontal axis of epochs: linear, or logarithmic but for what is before the first."""
    positive = epochs[epochs > 0]
    if len(positive) < 2 or positive[-1] < WIDE * positive[0]:
        return
    first, last = positive[[0, -1]]
    axis.set_xscale("symlog", linthresh=first, linscale=0.5)
    axis.set_xlim(-0.2 * first if epochs[0] == 0 else first / 1.2, last * 1.2)
    decades = 10.0 ** np.arange(np.ceil(np.log10(first)), np.log10(last) + 1e-9)
    ticks = [0.0, *decades] if epochs[0] == 0 else [*decades]
    axis.xaxis.set_major_locator(ticker.FixedLocator(ticks))
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))


FIRST, LAST = "similarity s", "|cosine| with last"
ROWS = {
    FIRST: _similarities,
    "participation ratio": _participation,
    "amplification": _amplification,
    LAST: _rotation,
}
