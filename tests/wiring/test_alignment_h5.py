"""alignment.h5, beside rotations and eigenvectors of all representations at once."""

import json

import h5py
import numpy as np
import pytest
import reference
from checks import EPS, MOMENT, check
from study import SAMPLES

CENTRINGS = ["centred", "position", "uncentred"]
VECTORS = 4
NEIGHBOURS = 2
# Of a moment, relative to the largest: errors of single numbers, of some eps, are averaged.
ROUNDING = 16 * EPS
# Of a score. A rotation is less certain where little is shared, which counts as little in a score.
SCORE = 100 * EPS


def shaken(crosses):
    """How far rounding of moments can turn their rotations (Mathias 1993, for real matrices)."""
    values = np.linalg.svd(crosses, compute_uv=False)
    return min(1.0, float((2 * ROUNDING * values[:, 0] / values[:, -2:].sum(1)).max()))


class Pair:
    """Two networks on both splits, each (seed, epoch): representations by layer."""

    def __init__(self, study, partner, own):
        self.study = study
        self._turns = {}
        self.weights = [study.weights(*each) for each in (partner, own)]
        self.phi, self.psi = (
            {split: study.representations(*each, split) for split in SAMPLES}
            for each in (partner, own)
        )
        number = min(len(reference.pairings(n, 20)) for n in SAMPLES.values())
        self.pairings = {n: reference.pairings(k, 20)[:number] for n, k in SAMPLES.items()}

    def seen(self, layer, split, pairing):
        """Both representations, for one pairing of the images; the first is of the same."""
        theirs, ours = self.pairings[split][pairing]
        return self.phi[split][layer][theirs], self.psi[split][layer][ours]

    def folds(self, layer, split, pairing=0):
        """The same of each fold of the images."""
        theirs, ours = self.pairings[split][pairing]
        fold = reference.folds(len(ours))
        for number in range(8):
            rows = fold[theirs] == number
            yield (self.phi[split][layer][theirs[rows]], self.psi[split][layer][ours[rows]])

    def turn(self, layer, centring, pairing=0):
        where = layer, centring, pairing
        if where not in self._turns:
            cross = reference.moment(*self.seen(layer, "train", pairing), centring)
            self._turns[where] = reference.rotation(cross)
        return self._turns[where]

    def scores(self, layer, pairing=0):
        """(splits, centrings)."""
        return [
            [
                reference.cosine(*self.seen(layer, split, pairing), self.turn(layer, c, pairing), c)
                for c in CENTRINGS
            ]
            for split in SAMPLES
        ]

    def activation(self, site, pairing=0):
        """|cosines| of eigenvectors of second moments."""
        phi, psi = self.phi["train"][site], self.psi["train"][site]
        theirs, ours = (
            reference.eigenvectors(reference.moment(x, x, "uncentred"))[1] for x in (phi, psi)
        )
        return np.abs(theirs.T @ self.turn(site, "uncentred", pairing) @ ours)

    def weight(self, name, pairing=0):
        """The same of weights, rotated with the site that they read."""
        first, second = (reference.weight_eigenvectors(each[name])[1] for each in self.weights)
        if below := self.study.kind.below(name):
            turn = self.turn(below, "uncentred", pairing)
            positions = len(first) // len(turn)
            first = reference.on_patches(turn, positions).T @ first
        return np.abs(first.T @ second)

    def certain(self, site):
        """How far rounding can turn the rotations of a site, and those of unrelated images."""
        same = self.seen(site, "train", 0)
        number = len(self.pairings["train"])
        of_null = [self.seen(site, "train", p) for p in range(1, number)]
        return (
            shaken([reference.moment(*same, c) for c in CENTRINGS]),
            shaken([reference.moment(*each, "uncentred") for each in of_null]),
        )

    def kernels(self, layer, split, pairing=0):
        """CKA, its shares of folds, CCA and its shares."""
        folds = list(self.folds(layer, split, pairing))
        same = list(self.folds(layer, split))
        crosses = [reference.moment(x, y) for x, y in folds]
        if pairing:  # each image counts the same, each fold where the images are the same
            share = np.array([len(x) for x, _ in folds]) / len(self.pairings[split][0][0])
            crosses = [8 * part * cross for part, cross in zip(share, crosses, strict=True)]
        powers = [
            reference.inner([reference.moment(x, x) for x, _ in same]),
            reference.inner([reference.moment(y, y) for _, y in same]),
        ]
        shared = reference.inner(crosses)
        both = self.seen(layer, split, 0)
        left, right = (reference.whitening(reference.moment(x, x)) for x in both)
        whole = left @ reference.moment(*self.seen(layer, split, pairing)) @ right
        parts = np.array([left @ cross @ right for cross in crosses])
        width = min(whole.shape)
        return (
            shared.mean() / np.sqrt(powers[0].mean() * powers[1].mean()),
            shared / np.sqrt(powers[0] * powers[1]),
            (whole**2).sum() / width,
            (parts * whole).sum((1, 2)) / width,
        )

    def neighbours(self, layer, pairing=0):
        """The share that is the same, of each fold (F,), and the images of each."""
        found = []
        for x, y in self.folds(layer, "test", pairing):
            theirs, ours = reference.near(x, NEIGHBOURS), reference.near(y, NEIGHBOURS)
            both = [len(one & other) for one, other in zip(theirs, ours, strict=True)]
            found.append((sum(both) / NEIGHBOURS / len(both), len(both)))
        return np.array(found).T


def overlaps(kind, cosines, unrelated):
    """cosines: of the same images. unrelated: of each pairing."""
    leading = [each[:VECTORS, :VECTORS] for each in unrelated]
    return {
        f"{kind}_overlap": cosines[:VECTORS, :VECTORS],
        f"{kind}_subspace": reference.spans(cosines),
        f"{kind}_overlap_null": np.quantile(leading, 0.95, axis=0),
        f"{kind}_subspace_null": [reference.spans(each) for each in unrelated],
    }


def of_site(pair, site):
    """Every dataset of a site of a pair."""
    pairings = range(1, len(pair.pairings["train"]))
    values = {"similarity": pair.scores(site)}
    values["similarity_null"] = [pair.scores(site, p) for p in pairings]
    values["similarity_folds"] = [
        [reference.cosine(x, y, pair.turn(site, c), c) for c in CENTRINGS]
        for x, y in pair.folds(site, "test")
    ]
    for centring, name in zip(CENTRINGS, ("_centred", "_position", ""), strict=True):
        values[f"rotation{name}"] = pair.turn(site, centring)
    unrelated = [pair.activation(site, p) for p in pairings]
    values |= overlaps("activation", pair.activation(site), unrelated)
    kernels = {split: pair.kernels(site, split) for split in SAMPLES}
    values["cka"] = [kernels[split][0] for split in SAMPLES]
    values["cca"] = [kernels[split][2] for split in SAMPLES]
    values["cka_folds"], values["cca_folds"] = kernels["test"][1], kernels["test"][3]
    shares, images = pair.neighbours(site)
    values["mutual_neighbours"] = np.average(shares, weights=images)
    values["mutual_neighbours_folds"] = shares
    values["mutual_neighbours_null"] = [
        np.average(pair.neighbours(site, p)[0], weights=images) for p in pairings
    ]
    null = [[pair.kernels(site, s, p) for s in SAMPLES] for p in pairings]
    values["cka_null"] = [[each[0] for each in one] for one in null]
    values["cca_null"] = [[each[2] for each in one] for one in null]
    return values


def of_weights(pair, name):
    """Every dataset of weights of a pair."""
    pairings = range(1, len(pair.pairings["train"]))
    values = overlaps("weight", pair.weight(name), [pair.weight(name, p) for p in pairings])
    if pair.study.kind.below(name) is None:  # no rotation: directions at random in all inputs
        inputs = pair.weights[1][name][0].size
        shape = np.shape(values["weight_overlap_null"])
        values["weight_overlap_null"] = np.full(shape, reference.chance_cosine(inputs))
        chance = np.arange(1, len(values["weight_subspace"]) + 1) / inputs
        values["weight_subspace_null"] = np.tile(chance, (len(pairings), 1))
    return values


def of_pair(study, partner, own):
    """Every dataset of a pair, each (seed, epoch), by layer and name."""
    pair = Pair(study, partner, own)
    found = {}
    certain = {site: pair.certain(site) for site in study.kind.sites}
    for site in study.kind.sites:
        for name, value in of_site(pair, site).items():
            tolerance = certain[site][name.endswith("_null")]
            if name.startswith(("similarity", "cka", "cca", "mutual")):
                tolerance = SCORE
            found[f"{site}/{name}"] = np.array(value), tolerance
    for weight in study.kind.shapes:
        below = certain.get(study.kind.below(weight), (0.0, 0.0))
        for name, value in of_weights(pair, weight).items():
            found[f"{weight}/{name}"] = np.array(value), max(*below, ROUNDING)
    return found


def of_final(study, seed, epoch):
    """Every dataset of a network and itself at the last epoch."""
    found = of_pair(study, (seed, study.epochs[-1]), (seed, epoch))
    for name in study.kind.shapes:
        weights, last = (study.weights(seed, each)[name] for each in (epoch, study.epochs[-1]))
        vectors = reference.weight_eigenvectors(last)[1]
        own = reference.weight_eigenvectors(weights)[1]
        flat = weights.reshape(len(weights), -1).astype(np.float64)
        cosines = np.abs(vectors.T @ own)
        found[f"{name}/weight_variance"] = (
            np.diag(vectors.T @ flat.T @ flat @ vectors) / len(flat),
            ROUNDING,
        )
        found[f"{name}/weight_cosine"] = np.diag(cosines), ROUNDING
        found[f"{name}/weight_span"] = reference.spans(cosines), ROUNDING
    return found


AXIS = {"similarity_null": 1, "similarity_folds": 1, "cka_null": 1, "cca_null": 1, "cka_folds": 1,
        "cca_folds": 1, "mutual_neighbours_folds": 1, "mutual_neighbours_null": 1,
        "activation_subspace_null": 1, "weight_subspace_null": 1}  # fmt: skip


def spectra(study, seed):
    """Of one network, by layer and name, (epochs, ...)."""
    found = {}
    for layer in study.kind.sites:
        for epoch in study.epochs:
            train, test = (study.representations(seed, epoch, s)[layer] for s in SAMPLES)
            for name, centring in (("second_moment", "uncentred"), ("covariance", "centred")):
                values, vectors = reference.eigenvectors(reference.moment(train, train, centring))
                fresh = reference.moment(test, test, centring)
                held_out = np.diag(vectors.T @ fresh @ vectors)
                tolerance = MOMENT * values[0]  # moments are read from a file that errs by it
                gaps = np.min([np.r_[np.inf, -np.diff(values)], np.r_[-np.diff(values), np.inf]], 0)
                turned = np.minimum(1, 4 * tolerance / gaps) * np.linalg.norm(fresh, 2)
                found.setdefault(f"{layer}/{name}", []).append((values, tolerance))
                fold = reference.folds(len(train))
                parts = [train[fold == number] for number in range(fold.max() + 1)]
                mean = train.mean((0, 2), keepdims=True) if centring == "centred" else 0
                moments = [reference.moment(x - mean, x - mean, "uncentred") for x in parts]
                separate = reference.identified(vectors, moments)
                rest = [train[fold != number] for number in range(fold.max() + 1)]
                without = [
                    reference.eigenvectors(reference.moment(x, x, centring))[0] for x in rest
                ]
                found.setdefault(f"{layer}/{name}_without_fold", []).append((without, tolerance))
                found.setdefault(f"{layer}/{name}_identified", []).append((separate, 0))
                found.setdefault(f"{layer}/{name}_held_out", []).append((held_out, turned))
    for name in study.kind.shapes:
        for epoch in study.epochs:
            values = reference.weight_eigenvectors(study.weights(seed, epoch)[name])[0]
            found.setdefault(f"{name}/weight", []).append((values, 1e-12 * values[0]))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_alignment(study, seed):
    expected = {
        "epoch": (study.epochs, 0),
        "split": (list(SAMPLES), 0),
        "centring": (CENTRINGS, 0),
    }
    for name, epochs in spectra(study, seed).items():
        values, tolerances = zip(*epochs, strict=True)
        size = np.broadcast_shapes(*map(np.shape, tolerances), ())
        tolerance = np.array([np.broadcast_to(each, size) for each in tolerances])
        axis = int(name.endswith("_without_fold"))
        stacked = np.stack(values, axis)
        expected[f"spectra/{name}"] = stacked, tolerance if size else tolerance.max()
    compared = {
        f"seed{partner}": [of_pair(study, (partner, e), (seed, e)) for e in study.epochs]
        for partner in range(seed)
    }
    if study.kind.which == "kept":
        compared["final"] = [of_final(study, seed, epoch) for epoch in study.epochs]
    for place, by_epoch in compared.items():
        for name in by_epoch[0]:
            values, tolerances = zip(*(each[name] for each in by_epoch), strict=True)
            axis = AXIS.get(name.rpartition("/")[2], 0)
            expected[f"{place}/{name}"] = np.stack(values, axis), max(tolerances)
    check(study.alignments[seed], expected)
    with h5py.File(study.alignments[seed]) as file:
        for layer, shape in study.kind.shapes.items():
            attributes = file[f"spectra/{layer}"].attrs
            assert attributes["neurons"] == shape[0]
            assert attributes["fan_in"] == np.prod(shape[1:])
            assert json.loads(file.attrs["settings"])["seed"] == seed
