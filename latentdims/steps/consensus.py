"""Alignment of many networks at once: all rotated to their mean (generalised Procrustes)."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.comparison.measured import Means, Measurements, finite, moment, undefined
from latentdims.comparison.procrustes import rotation
from latentdims.errors import InputError
from latentdims.models import architecture
from latentdims.storage import SPLITS

Array = NDArray[np.float64]

# Relative gain of the objective below which the iteration ends: scores of the default run are then
# within 3e-5 of their limit, after some sweeps instead of hundreds.
TOLERANCE = 1e-6
ITERATIONS = 500


class Covariances:
    """E[φ_i φ_jᵀ] (C, C) of all pairs of S networks, by [i, j].

    upper: by (i, j) with i ≤ j; the others are their transposes, which are not stored.
    """

    def __init__(self, upper: Mapping[tuple[int, int], Array]) -> None:
        self._upper = upper
        self.networks = 1 + max(j for _, j in upper)

    def __getitem__(self, pair: tuple[int, int]) -> Array:
        i, j = pair
        return self._upper[i, j] if i <= j else self._upper[j, i].T


def align_to_mean(covariances: Covariances) -> Array:
    """Rotations (S, C, C) that bring S representations closest to their mean.

    Each rotation in turn brings its network closest to the sum of the other rotated networks (Gower
    1975; ten Berge 1977), which never lowers the objective Σ_{i≠j} tr(A_iᵀ E[φ_i φ_jᵀ] A_j); no
    pass over the data is needed. It stops when a sweep raises the objective by a fraction of less
    than `TOLERANCE`.
    """
    seeds = covariances.networks
    first = np.eye(len(covariances[0, 0]))
    rotations = np.stack([first, *(rotation(covariances[i, 0]) for i in range(1, seeds))])
    for _ in range(ITERATIONS):
        objective = gained = 0.0
        for i in range(seeds):
            target = _of_others(covariances, rotations, i)
            before = float((rotations[i] * target).sum())
            rotations[i] = rotation(target)
            after = float((rotations[i] * target).sum())
            objective += after
            gained += 2 * (after - before)  # each pair is counted from both sides
        if gained <= TOLERANCE * abs(objective):
            break
    return rotations


def similarity_to_mean(covariances: Covariances, rotations: Array) -> Array:
    """Cosine (S,) of each rotated network with the mean of the *others*.

    Its square is the variance that this mean explains. A network is left out of the mean that it is
    compared with, since it would partly explain itself. NaN if either is zero.
    """
    seeds = covariances.networks
    overlaps = np.empty((seeds, seeds))
    for j in range(seeds):
        for i in range(j + 1):
            shared = (rotations[i] * (covariances[i, j] @ rotations[j])).sum()
            overlaps[i, j] = overlaps[j, i] = shared
    scores = np.empty(seeds)
    for i in range(seeds):
        others = np.arange(seeds) != i
        mean_power = overlaps[np.ix_(others, others)].sum()
        defined = overlaps[i, i] > 0 and mean_power > 0
        power = np.sqrt(overlaps[i, i] * mean_power) if defined else np.nan
        scores[i] = overlaps[i, others].sum() / power
    return scores


def _of_others(covariances: Covariances, rotations: Array, i: int) -> Array:
    """Σ_{j≠i} E[φ_i φ_jᵀ] A_j, (C, C)."""
    total = np.zeros_like(rotations[i])
    for j in (j for j in range(len(rotations)) if j != i):
        total += covariances[i, j] @ rotations[j]
    return total


def consensus(
    *,
    covariances: Sequence[str | Path],
    output: str | Path,
    settings: Mapping[str, Any],
) -> None:
    """Align all networks of an architecture to their mean, fitted on centred training moments.

    covariances: the files of seeds 0, 1, and so on, each with the cross-covariances of all earlier
    ones. settings: those of the networks, without a seed. Raises InputError for a
    single network, and for networks that cannot be compared.
    """
    if len(covariances) < 2:
        raise InputError(
            f"{covariances[0]}: a single network has no partner; give seeds: 2 or more"
        )
    with ExitStack() as stack, storage.create(output, settings=settings) as file:
        files: list[Measurements] = []
        for seed, path in enumerate(covariances):
            made_with = {**settings, "seed": seed}
            files.append(stack.enter_context(Measurements.open(path, made_with)))
            files[0].check_comparable(files[-1])
        architecture.write(file, files[0].architecture)
        storage.axis(file, "epoch", files[0].epochs, units="epochs")
        storage.axis(file, "split", SPLITS)
        storage.axis(file, "seed", range(len(files)))
        for layer in (site.name for site in files[0].architecture.sites):
            rotations, scores = [], []
            for stage in range(len(files[0].epochs)):
                turns = align_to_mean(_all_pairs(files, layer, "train", stage))
                rotations.append(turns)
                scores.append(
                    # One split after the other: covariances of all pairs are large.
                    [similarity_to_mean(_all_pairs(files, layer, s, stage), turns) for s in SPLITS]
                )
            storage.write(
                file,
                f"{layer}/rotation",
                np.stack(rotations),
                units="1",
                description="takes the channels of each network to those of the mean",
                dimensions=("epoch", "seed", "channel", "channel_mean"),
            )
            storage.write(
                file,
                f"{layer}/similarity",
                np.array(scores),
                units="1",
                description="cosine, centred, of each network with the mean of the others",
                dimensions=("epoch", "split", "seed"),
                reason=_reason(files, layer) if np.isnan(scores).any() else "",
            )


def _reason(files: Sequence[Measurements], layer: str) -> str:
    networks = {f"seed {file.seed}": file.stages(layer) for file in files}
    reasons = undefined(
        layer,
        networks,
        splits=SPLITS,
        centrings=["centred"],
        untrained=files[0].untrained,
    )
    return "; ".join(reasons)


def _all_pairs(files: Sequence[Measurements], layer: str, split: str, stage: int) -> Covariances:
    """Centred ones at one index of the epochs, from the files of the later seeds."""
    found = {}
    for later, measured in enumerate(files):
        covariance, mean = (
            finite(measured.file, f"{split}/{layer}/{kind}", stage)
            for kind in ("covariance", "mean")
        )
        found[later, later] = moment(covariance, Means(mean), "centred")
        for earlier in range(later):
            key = f"{split}/{layer}/cross_covariance/seed{earlier}"
            found[earlier, later] = finite(measured.file, key, stage)
    return Covariances(found)
