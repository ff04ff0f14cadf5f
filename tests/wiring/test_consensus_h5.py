"""consensus.h5, beside generalised Procrustes over all representations at once."""

import numpy as np
import reference
from checks import check
from study import SAMPLES, SEEDS

STOPPED = 1e-6  # the relative gain at which the iteration ends


def aligned(phi):
    """Rotations of representations (images, channels, positions) to their mean, centred.

    The first network stays, the others begin rotated to it; each in turn is rotated to the sum of
    the others, until a sweep gains next to nothing of what they share.
    """
    turns = [reference.rotation(reference.moment(x, phi[0])) for x in phi]
    turns[0] = np.eye(phi[0].shape[1])
    shared = -np.inf
    while True:
        for i, x in enumerate(phi):
            others = sum(reference.rotated(y, turns[j]) for j, y in enumerate(phi) if j != i)
            turns[i] = reference.rotation(reference.moment(x, others))
        gained = sum(
            (
                reference.moment(reference.rotated(x, turns[i]), reference.rotated(y, turns[j]))
            ).trace()
            for i, x in enumerate(phi)
            for j, y in enumerate(phi)
            if i != j
        )
        if gained - shared <= STOPPED * abs(gained):
            return turns
        shared = gained


def scores(phi, turns):
    """Cosine of each network with the mean of the others."""
    together = [
        reference.rotated(reference.centred(x, "centred"), turns[i]) for i, x in enumerate(phi)
    ]
    found = []
    for i, x in enumerate(together):
        mean = sum(y for j, y in enumerate(together) if j != i)
        found.append((x * mean).sum() / np.sqrt((x**2).sum() * (mean**2).sum()))
    return found


def test_consensus(study):
    expected = {
        "epoch": (study.epochs, 0),
        "split": (list(SAMPLES), 0),
        "seed": (list(SEEDS), 0),
    }
    for layer in study.kind.shapes:
        rotations, similarities = [], []
        for epoch in study.epochs:
            phi = {
                split: [study.representations(seed, epoch, split)[layer] for seed in SEEDS]
                for split in SAMPLES
            }
            turns = aligned(phi["train"])
            rotations.append(turns)
            similarities.append([scores(each, turns) for each in phi.values()])
        expected[f"{layer}/rotation"] = np.array(rotations), 0.02
        expected[f"{layer}/similarity"] = np.array(similarities), 1e-4
    check(study.consensus, expected)
