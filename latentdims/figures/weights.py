"""Weight spectra, trained and untrained, above accuracy against the rank of weights."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from latentdims.figures import clipping, spectra, style
from latentdims.spectra import marchenko_pastur_edges
from latentdims.storage import STAGES


def draw(files: Mapping[str, Sequence[str]]) -> Figure:
    """A column per layer: eigenvalues of WᵀW / n on a log axis, and accuracy, against rank."""
    found = [spectra.read(path) for path in files["alignment"]]
    figure, axes = style.panels(rows=2, columns=len(found[0]))
    chance = 100 / int(found[0]["classifier"]["neurons"])
    for (top, bottom), layer in zip(axes.T, found[0], strict=True):
        for stage, stage_name in reversed(list(enumerate(STAGES))):
            seeds = [seed[layer]["weight"][stage] for seed in found]
            style.spectra(top, seeds, label=style.NAMES[stage_name], colour=stage_name)
        fan_in = int(found[0][layer]["fan_in"])
        edge = marchenko_pastur_edges(
            variance=1 / (3 * fan_in), dimension=fan_in, neurons=int(found[0][layer]["neurons"])
        )[1]
        colour = style.COLOURS["reference"]
        label = "Marchenko-Pastur edge"
        top.axhline(edge, color=colour, linewidth=0.8, linestyle="-.", label=label)
        style.logarithmic(top, y=True)
        top.set(title=style.title(layer))
        label = "weight eigenvectors"
        clipping.accuracy(bottom, files["clipping"], "weight", layer, label=label, colour="trained")
        clipping.limits(bottom, files["clipping"], chance=chance)
        bottom.set(xlabel="rank kept", xlim=top.get_xlim())
        for axis in (top, bottom):
            style.whole_numbers(axis)
    axes[0, 0].set_ylabel("eigenvalue of WᵀW / n")
    axes[1, 0].set_ylabel("test accuracy (%)")
    style.legend(figure, axes[0, 0], axes[1, 0], seeds=len(files["clipping"]))
    return figure
