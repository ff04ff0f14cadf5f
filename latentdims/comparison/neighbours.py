"""Nearest neighbours of test images that two networks share, and their share by chance."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims import sizes
from latentdims.comparison import measures, unrelated
from latentdims.comparison.views import Matches, View
from latentdims.errors import InputError

Array = NDArray[np.float64]
Nearest = NDArray[np.intp]


@torch.inference_mode()
def compare(
    partner: View, own: View, *, matches: Matches, neighbours: int, pairings: int
) -> dict[str, dict[str, Array]]:
    """The datasets of each layer, by name: the share () of nearest neighbours that both networks
    agree on, for each fold (F,), and on unrelated images (P,).

    Neighbours come from `measures.nearest` within a fold, for representations without the mean of
    the fold. NaN if a layer is the same for every image. Raises InputError if a fold has too few
    images.
    """
    found: dict[str, list[Array]] = {layer: [] for layer in matches}
    counts = []
    for members in unrelated.folds_of(len(own)):
        if len(members) <= neighbours:
            raise InputError(
                f"alignment.neighbours: {neighbours} are requested, but a fold of the "
                f"{len(own)} test images holds {len(members)} images; give fewer"
            )
        theirs, ours = (_nearest(view, members, neighbours) for view in (partner, own))
        counts.append(len(members))
        for layer, (site, own_site) in matches.items():
            found[layer].append(_shares(theirs[site], ours[own_site], pairings))
    weights = np.array(counts) / sum(counts)
    return {name: _written(np.array(shares), weights) for name, shares in found.items()}


def _written(shares: Array, weights: Array) -> dict[str, Array]:
    """shares: (F, 1 + P). weights: (F,), of the folds."""
    whole = weights @ shares
    return {
        "mutual_neighbours": whole[0],
        "mutual_neighbours_folds": shares[:, 0],
        "mutual_neighbours_null": whole[1:],
    }


def _nearest(view: View, images: Tensor, neighbours: int) -> dict[str, Nearest | None]:
    """(n, k) by site, of images by index; None where it is the same for some image and the mean."""
    seen: dict[str, list[Tensor]] = {}
    for batch in images.split(sizes.of(view.device).images_at_once(view.architecture)):
        for site, representation in view.representations(batch):
            seen.setdefault(site.name, []).append(representation.flatten(1).cpu())
    found: dict[str, Nearest | None] = {}
    for name, parts in seen.items():
        rows = torch.cat(parts)
        rows -= rows.mean(0)
        defined = bool(rows.any(1).all())
        found[name] = measures.nearest(rows.numpy(), neighbours) if defined else None
    return found


def _shares(theirs: Nearest | None, ours: Nearest | None, pairings: int) -> Array:
    """(1 + P,): of the same images, and of each pairing, which shows the network another image."""
    if theirs is None or ours is None:
        return np.full(1 + pairings, np.nan)
    images = np.arange(len(ours))[:, None]
    near = np.zeros((len(ours), len(ours)), dtype=bool)
    near[images, theirs] = True
    shares = []
    for step in range(1 + pairings):
        turned = (np.roll(ours, -step, axis=0) - step) % len(ours)
        shares.append(near[images, turned].mean())
    return np.array(shares)
