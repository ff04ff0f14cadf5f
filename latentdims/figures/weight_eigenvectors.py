"""Eigenvectors of weights: two networks' spectra above the overlap of what they order."""

from collections.abc import Mapping, Sequence

from latentdims.figures import style
from latentdims.figures.eigenvectors import pair


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """The pair of seeds 0 and 1, a column per layer."""
    return pair(files["alignment"], kind="weight", spectrum="weight")
