"""Weight spectra, trained and initial, above accuracy against the rank of weights."""

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
            style.spectra(top, seeds, label=stage_name, colour=stage_name)
        fan_in = int(found[0][layer]["fan_in"])
        edge = marchenko_pastur_edges(
            variance=1 / (3 * fan_in), dimension=fan_in, neurons=int(found[0][layer]["neurons"])
        )[1]
        top.axhline(
            edge, color=style.COLOURS["reference"], linewidth=0.8, linestyle="--",
            label="Marchenko-Pastur edge",
        )
        top.set(yscale="log", title=style.title(layer))
        clipping.accuracy(
            bottom, files["clipping"], "weight", layer, label="weight eigenvectors", colour="trained"
        )
        clipping.limits(bottom, files["clipping"], chance=chance)
        bottom.set(xlabel="rank kept")
        bottom.set_xlim(top.get_xlim())
    axes[0, 0].set_ylabel("eigenvalue of the weight covariance")
    axes[0, 0].legend()
    axes[1, 0].set_ylabel("test accuracy (%)")
    axes[1, 0].legend()
    return figure
