"""covariance.h5, beside moments of all representations at once; seed 2 is merged from parts."""

import numpy as np
import pytest
import reference
from checks import MOMENT, check
from study import SEEDS


def moments(x, y, *, partners, space):
    """Everything that is written of some images, with the size that its rounding goes with."""
    size = np.sqrt((y**2).mean((0, 2)).max())
    found = {
        "count": (len(y) * y.shape[2], 0),
        "mean": (y.mean((0, 2)), MOMENT * size),
        "covariance": (reference.moment(y, y), MOMENT * size**2),
    }
    if space:
        found["position_mean"] = y.mean(0), MOMENT * size
    for name in partners:
        theirs = np.sqrt((x[name] ** 2).mean((0, 2)).max())
        tolerance = MOMENT * size * theirs
        found[f"cross_covariance/{name}"] = reference.moment(x[name], y), tolerance
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_covariance(study, seed):
    parts = {}  # by name, then by epoch
    for split in ("train", "test"):
        fold = reference.folds(len(study.x[split]))
        for layer in study.kind.sites:
            for epoch in study.epochs:
                phi = {
                    f"seed{each}": study.representations(each, epoch, split)[layer]
                    for each in range(seed + 1)
                }
                own = phi.pop(f"seed{seed}")
                if study.kind.which == "kept":  # beside itself at the last epoch
                    phi["final"] = study.representations(seed, study.epochs[-1], split)[layer]
                space = own.shape[2] > 1
                found = moments(phi, own, partners=phi, space=space)
                for name, value in found.items():
                    parts.setdefault(f"{split}/{layer}/{name}", []).append(value)
                of_folds = [moments({}, own[fold == f], partners=[], space=space) for f in range(8)]
                for name in of_folds[0]:
                    value = (
                        np.array([each[name][0] for each in of_folds]),
                        max(each[name][1] for each in of_folds),
                    )
                    parts.setdefault(f"{split}/{layer}/folds/{name}", []).append(value)
    expected = {"epoch": (study.epochs, 0)}
    for name in study.kind.shapes:
        kept = [study.weights(seed, epoch)[name] for epoch in study.epochs]
        expected[f"weights/{name}"] = np.array(kept), 0
    for name, epochs in parts.items():
        values = np.array([value for value, _ in epochs])
        axis = 1 if "/folds/" in name else 0
        expected[name] = np.moveaxis(values, 0, axis), max(tolerance for _, tolerance in epochs)
    check(study.covariances[seed], expected)
