"""clipping.h5, beside a loop over ranks that projects and runs the network again."""

import numpy as np
import pytest
import reference
from checks import check, shares, shares_by_fold, stacked
from study import BASES

SEED = 1
LAST = 2  # the epoch


def basis(study, name, number, layer):
    """The vectors that are kept, in columns, and the mean that is left alone."""
    x = study.representations(SEED, LAST, "train")[layer]
    if name == "activation":
        return reference.eigenvectors(reference.moment(x, x, "uncentred"))[1], None
    if name == "activation_centred":
        return reference.eigenvectors(reference.moment(x, x))[1], x.mean((0, 2))
    random = np.random.default_rng([SEED, number]).standard_normal((x.shape[1], x.shape[1]))
    return np.linalg.qr(random)[0], None


def logits(study, name, number, layer, rank):
    """Of the images that are shown; whatever comes before the layer is what it was."""
    weights = study.weights(SEED, LAST)
    if name == "weight":
        vectors = reference.weight_eigenvectors(weights[layer])[1][:, :rank]
        matrix = weights[layer].reshape(len(weights[layer]), -1)
        weights[layer] = (matrix @ vectors @ vectors.T).reshape(weights[layer].shape)
        return continued(study, weights, layer, None)
    vectors, mean = basis(study, name, number, layer)
    project = vectors[:, :rank] @ vectors[:, :rank].T
    return continued(study, weights, layer, lambda x: reference.clipped(x, project, mean))


def continued(study, weights, layer, edit):
    """From a layer on, whose output is edited, or which has other weights."""
    form = study.formed(SEED, LAST)
    seen = {"images": study.x["test"], **study.outputs[SEED, LAST, "test"]}
    if study.kind.reads is not None:
        edits = {layer: edit} if edit else {}
        return reference.forward(weights, seen["images"][study.shown], form, edits)["classifier"]
    names = list(weights)
    place = names.index(layer)
    if edit:
        x, rest = edit(seen[layer]), names[place + 1 :]
    else:
        x, rest = seen[["images", *names][place]], names[place:]
    for name in rest:
        x = form.activated(name, form.preactivation(name, weights[name], x))
    return x[study.shown]


QUICK = ("mlp", "cnn", "norm", "resnet", "adopted")


@pytest.mark.parametrize(
    "study", [*QUICK, pytest.param("scattering", marks=pytest.mark.slow)], indirect=True
)
def test_clipping(study):
    shown = study.shown
    labels = study.labels["test"][shown]
    expected = {}

    def add(place, of_ranks, *, alone=False):
        scored = [(reference.right(z, labels), reference.undecided(z)) for z in of_ranks]
        whole = stacked([shares(*each) for each in scored])
        parts = stacked([shares_by_fold(*each) for each in scored])
        if alone:
            expected[place] = whole[0][0], whole[1][0]
            expected[f"{place}_folds"] = parts[0][0], parts[1][0]
            return
        expected[place] = whole
        expected[f"{place}_folds"] = parts[0].T, parts[1].T

    add("reference_accuracy", [study.logits(SEED, LAST, "test")[shown]], alone=True)
    for name in BASES:
        layers = study.kind.shapes if name == "weight" else study.kind.hidden
        for number, layer in enumerate(layers):
            shape = study.kind.shapes[layer]
            largest = min(shape[0], int(np.prod(shape[1:])))
            if name != "weight":
                largest = study.outputs[SEED, LAST, "train"][layer].shape[1]
            ranks = study.ranks(largest)
            expected[f"{name}/{layer}/rank"] = ranks, 0
            curve = [logits(study, name, number, layer, rank) for rank in ranks]
            add(f"{name}/{layer}/accuracy", curve)
    check(study.clipping(SEED), expected)
