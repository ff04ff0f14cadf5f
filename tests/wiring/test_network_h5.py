"""network.h5, beside torch.optim.SGD on torch.nn modules in float64, or what was adopted."""

import numpy as np
import pytest
import reference
from checks import EPS, check, near, shares, shares_by_fold, stacked
from study import MEAN, SEEDS, STD, TRAINING


def adopted(study, seed):
    """What the checkpoints of a network hold; nothing, where it is trained."""
    form = study.kind.form
    return [(study.checkpoint(seed, epoch), form) for epoch in study.kind.adopted]


@pytest.mark.parametrize("seed", SEEDS)
def test_network(study, seed):
    def expected(share):
        return expectation(study, adopted(study, seed) or descended(study, seed, share=share))

    # What a ReLU reads is a sum over the inputs of a neuron, and each addition in float32 errs by
    # half an eps of the largest number. A gradient that this decides may go either way.
    fan_in = max(np.prod(shape[1:]) for shape in study.kind.shapes.values())
    passed, kept, stopped = (expected(sign * fan_in**0.5 / 2 * EPS) for sign in (-1, 0, 1))
    wider = {
        name: (value, tolerance + np.abs(np.subtract(passed[name][0], stopped[name][0])).max())
        for name, (value, tolerance) in kept.items()
    }
    check(study.networks[seed], wider)


def descended(study, seed, *, share):
    return reference.descend(
        reference.initial(study.kind.shapes, seed),
        study.x["train"],
        study.labels["train"],
        form=study.kind.form,
        seed=seed,
        options=TRAINING,
        share=share,
    )


def expectation(study, trained):
    """What a file holds of a training, and its tolerance where no gradient is undecided."""
    # Eight steps, each a sum over all inputs and 16 images in float32, of the size of a weight. A
    # norm takes a mean away, but not its rounding.
    inputs = np.prod(study.kind.image)
    rounding = 8 * (1 + len(study.kind.form.norms)) * inputs**0.5 * EPS
    kept = list(study.kind.adopted) or [0, 1, 2]
    expected = {
        "epochs": (kept, 0),
        "epoch": (kept, 0),
        "steps": ([0, 0] if study.kind.adopted else [0, 4, 8], 0),
        "preprocessing/matrix": near(np.diag(1 / np.multiply(255, STD)), 1e-14),
        "preprocessing/offset": near(-np.divide(MEAN, STD), 1e-14),
    }
    for name in study.kind.shapes:
        kept = np.array([weights[name] for weights, _ in trained])
        expected[f"weights/{name}"] = (kept, 0) if study.kind.adopted else near(kept, rounding)
    for norm in study.kind.form.norms:
        for place, name in enumerate(study.kind.form.kept):
            kept = np.array([form.statistics[norm][place] for _, form in trained])
            expected[f"state/{norm}.{name}"] = near(kept, rounding)
    for split, labels in study.labels.items():
        logits = [
            reference.forward(weights, study.x[split], form)["classifier"]
            for weights, form in trained
        ]
        losses = [reference.cross_entropies(each, labels) for each in logits]
        scored = [(reference.right(z, labels), reference.undecided(z)) for z in logits]
        history = {
            "loss": near(np.array([each.mean() for each in losses]), 4 * rounding),
            "accuracy": stacked([shares(*each) for each in scored]),
        }
        if split == "test":
            by_fold = np.array([reference.by_fold(each) for each in losses]).T
            history["folds/loss"] = near(by_fold, 4 * rounding)
            accuracy = stacked([shares_by_fold(*each) for each in scored])
            history["folds/accuracy"] = accuracy[0].T, accuracy[1].T
        for name, value in history.items():
            folds, _, measure = name.rpartition("/")
            place = f"history/{folds}/{split}_{measure}".replace("//", "/")
            expected[place] = value
    return expected
