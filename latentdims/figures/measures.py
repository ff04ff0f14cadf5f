"""How alike networks are, by which measure."""

from collections.abc import Mapping, Sequence

from latentdims import storage
from latentdims.figures import style
from latentdims.figures.alignment import View, of_views
from latentdims.intervals import SHARE
from latentdims.storage import SPLITS


def draw(files: Mapping[str, Sequence[str]]) -> style.Figure:
    """Each measure on test images, centred, beside untrained networks and unrelated images."""
    paths, test = files["alignment"], SPLITS.index("test")
    with storage.read(paths[-1], needs=["centring"]) as file:
        centring = list(file["centring"].asstr()[()]).index("centred")
    return of_views(
        paths,
        [
            View("one rotation", "variance explained s²", "similarity", (test, centring), True),
            View("all rotations at once", "CKA, debiased", "cka", (test,)),
            View("any linear map", "CCA, mean ρ²", "cca", (test,), within=SHARE),
        ],
    )
