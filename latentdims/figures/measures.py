"""How alike networks are, by which measure."""

from collections.abc import Mapping, Sequence

from latentdims.figures import style
from latentdims.figures.alignment import View, of_views
from latentdims.results import scores


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Each measure on test images, centred, beside untrained networks and unrelated images."""
    paths = files["alignment"]
    views = [
        View("one rotation", "variance explained s²", "variance_explained", "test"),
        View("all rotations at once", "CKA, debiased", "cka", "test"),
        View("any linear map", "CCA, mean ρ²", "cca", "test"),
    ]
    if "mutual_neighbours" in scores.measures(paths):
        views.append(View("which are near", "mutual neighbours", "mutual_neighbours", "test"))
    return of_views(paths, views)
