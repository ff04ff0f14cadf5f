"""generation.h5, beside networks that are drawn, aligned and scored layer by layer in float64."""

import json

import h5py
import numpy as np
import reference
import torch
from checks import EPS, check, shares, shares_by_fold, stacked
from forms import Rectified
from study import PROCEDURES, TRAINING

SEED = 2
OTHERS = (0, 1)
LAST = 2
ROUNDING = (
    100 * EPS
)  # of a similarity, a mean; ten times as much of a logit, relative to the largest


def chosen(study, options):
    """The training images that a draw is aligned on."""
    samples = len(study.x["train"])
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(2)).numpy()
    return np.arange(samples) if options["images"] is None else order[: options["images"]]


def representations(study, seed, shown):
    """Of some training images, by layer."""
    found = study.representations(seed, LAST, "train")
    return {layer: values[shown] for layer, values in found.items()}


def averaged(study, own, shown):
    """All weights of a layer as the first network reads them, one below the other."""
    x, stacks = study.x["train"], {layer: [own[layer]] for layer in study.kind.hidden}
    phi = representations(study, SEED, shown)
    for seed in OTHERS:
        psi = representations(study, seed, shown)
        turn = np.eye(x.shape[1])
        for layer in study.kind.hidden:
            weight = study.weights(seed, LAST)[layer]
            stacks[layer].append(reference.read_through(weight, turn))
            turn = reference.rotation(reference.moment(psi[layer], phi[layer], "uncentred"))
    return {layer: np.concatenate(each) for layer, each in stacks.items()}


def neurons_drawn(study, options, number, level, layer, own, together):
    """New weights of a layer, that read the channels of the trained network."""
    if options["layers"] != "all" and layer not in options["layers"]:
        return own[layer]
    random = np.random.default_rng([SEED, number, level])
    shape = own[layer].shape[1:]
    neurons = round(options["width"] * len(own[layer]))
    components = reference.factor(own[layer])
    if options["covariances"] == "white":
        deviation = np.sqrt((components**2).sum() / components.shape[1])
        return deviation * random.standard_normal((neurons, *shape))
    if options["covariances"] == "averaged":
        components = reference.factor(together[layer])
    white = random.standard_normal((neurons, len(components)))
    rank = len(components) if options["rank"] == "all" else options["rank"]
    return (white[:, :rank] @ components[:rank]).reshape(neurons, *shape)


def draw(study, options, number):
    """Weights of a drawn network, its similarity by layer, and logits by classifier."""
    own, shown = study.weights(SEED, LAST), chosen(study, options)
    together = averaged(study, own, shown) if options["covariances"] == "averaged" else {}
    trained = representations(study, SEED, shown)
    x, tested = study.x["train"], study.x["test"]
    turn, similarity = np.eye(x.shape[1]), {}
    form, sampled = study.formed(SEED, LAST), False
    for level, layer in enumerate(study.kind.hidden):
        sampled |= options["layers"] == "all" or layer in options["layers"]
        rows = neurons_drawn(study, options, number, level, layer, own, together)
        weight = reference.read_through(rows, turn)
        x, tested = (form.preactivation(layer, weight, each) for each in (x, tested))
        if sampled:
            form = form.measured(layer, x[shown])
        x, tested = (form.activated(layer, each) for each in (x, tested))
        seen = trained[layer], reference.flat(x[shown])
        turn = reference.rotation(reference.moment(*seen, "uncentred"))
        similarity[layer] = reference.cosine(*seen, turn)
    classifiers = {"": reference.read_through(own["classifier"], turn)}
    if "flattened" in options["classifiers"] and trained[layer].shape[2] > 1:
        features = [each.reshape(len(each), -1, 1) for each in (trained[layer], x[shown])]
        moment = reference.moment(*features, "uncentred")
        whole = reference.rotation(moment)
        classifiers["flattened"] = reference.read_through(own["classifier"], whole)
        noise = 1 + ROUNDING * np.random.default_rng(0).standard_normal(moment.shape)
        shaken = reference.read_through(own["classifier"], reference.rotation(moment * noise))
    if "retrained" in options["classifiers"]:
        shape = {"classifier": (4, x[0].size)}
        classifiers["retrained"] = reference.descend(
            reference.initial(shape, SEED),
            x.reshape(len(x), -1),
            study.labels["train"],
            form=Rectified(),
            seed=SEED,
            options=TRAINING,
        )[-1][0]["classifier"]
    features = tested.reshape(len(tested), -1)
    logits = {name: features @ weight.T for name, weight in classifiers.items()}
    certain = dict.fromkeys(logits, 10 * ROUNDING)
    if "flattened" in logits:  # of a moment that is nearly singular
        change = np.abs(features @ shaken.T - logits["flattened"]).max()
        certain["flattened"] += change / np.abs(logits["flattened"]).max()
    return similarity, {name: (logits[name], certain[name]) for name in logits}


def scores(logits, labels, certain=10 * ROUNDING):
    """certain: of the logits, relative to the largest."""
    losses = reference.cross_entropies(logits, labels)
    correct = reference.right(logits, labels)
    doubtful = reference.undecided(logits, certain=max(certain, 1e-4))
    tolerance = certain * np.abs(logits).max()
    return {
        "accuracy": shares(correct, doubtful),
        "accuracy_folds": shares_by_fold(correct, doubtful),
        "loss": (losses.mean(), tolerance),
        "loss_folds": (reference.by_fold(losses), tolerance),
        "calibration_error": (
            reference.calibration_error(logits, labels),
            100 * tolerance + 100 * doubtful.mean(),
        ),
    }


def test_generation(study):
    labels = study.labels["test"]
    own = scores(study.logits(SEED, LAST, "test"), labels)
    expected = {f"reference_{name}": value for name, value in own.items()}
    with h5py.File(study.generation(SEED)) as file:
        undrawn = json.loads(file.attrs["architecture"])["undrawn"]
        assert file.attrs.get("undefined", "") == undrawn
        assert bool(undrawn) == (study.kind.reads is not None)
    # From a network that is no chain, none can be drawn.
    for name, options in PROCEDURES.items() if study.kind.reads is None else ():
        parts = {}
        for number in range(options["draws"]):
            similarity, by_classifier = draw(study, options, number)
            for classifier, (logits, certain) in by_classifier.items():
                way = "_".join(filter(None, [name if name != "published" else "", classifier]))
                place = f"variants/{way}/" if way else ""
                for measure, value in scores(logits, labels, certain).items():
                    parts.setdefault(f"{place}{measure}", []).append(value)
                for layer, value in similarity.items() if not classifier else ():
                    found = parts.setdefault(f"{place}similarity/{layer}", [])
                    found.append((value, ROUNDING))
        expected |= {place: stacked(each) for place, each in parts.items()}
    check(study.generation(SEED), expected)
