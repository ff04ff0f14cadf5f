"""How often 95 % intervals hold the number of a population of trained networks that is known.

    PYTHONPATH=. python tests/simulation.py

simulates 2,000 studies and writes the table of docs/numbers.md.

A study draws networks and test images from tests/population.npz. Its intervals are made as the
summary makes them, and are compared with the mean over all networks, or all pairs of them, on all
images of the pool. Images are drawn with replacement, so the pool stands for endlessly many images.
Networks are drawn without, since a network and itself are no pair: of ten from 300, their variance
is 3 % less than that of ten from endlessly many, which adds 0.3 points to the coverage at most.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import population
from numpy.typing import NDArray

from latentdims.results.scores import crossed
from latentdims.statistics.folds import FOLDS
from latentdims.statistics.intervals import (
    Estimate,
    of_one_pair,
    of_one_run,
    over_networks,
    over_pairs,
)
from latentdims.statistics.scales import COSINE, PERCENT

PAGE = Path(__file__).resolve().parents[1] / "docs" / "numbers.md"
STUDIES = 2000
SIZES = (3, 5, 10)  # networks of a study
IMAGES = 1600  # test images of a study
CENTRINGS = ("uncentred", "centred")

Array = NDArray[np.float64]
Truth = Mapping[str, float]


class Known(NamedTuple):
    """All networks on all images."""

    correct: Array  # (S, POOL): 100 where the class is right, else 0
    features: NDArray[np.float32]  # (POOL, S, HIDDEN)
    rotations: Mapping[str, Array]  # (S, S, HIDDEN, HIDDEN) by centring, fitted on training images
    fitted: Mapping[str, Array]  # (S, S): the similarity on these

    def scores(self, networks: NDArray, parts: Sequence[NDArray]) -> dict[str, Array]:
        """The accuracy of each network (n, parts) and, by centring, similarities of them
        (n, n, parts) on parts of the images."""
        correct = self.correct[networks]
        found = {"accuracy": np.stack([correct[:, part].mean(1) for part in parts], -1)}
        features = self.features[:, networks]
        moments = [moments_of(features[part]) for part in parts]
        for centring in CENTRINGS:
            turn = self.rotations[centring][np.ix_(networks, networks)]
            found[centring] = np.stack([cosine(each[centring], turn) for each in moments], -1)
        return found


def known() -> Known:
    """What the stored population gives."""
    stored = population.load()
    fitted, features = (
        np.maximum(np.tensordot(images, stored.hidden, (1, 1)), 0)
        for images in (stored.train, stored.pool)
    )
    scores = features.swapaxes(0, 1) @ stored.output[:, :-1] + stored.output[:, None, -1]
    moments = moments_of(fitted)
    rotations = {centring: rotations_of(moments[centring]) for centring in CENTRINGS}
    return Known(
        100.0 * (scores.argmax(-1) == stored.labels),
        features,
        rotations,
        {centring: cosine(moments[centring], rotations[centring]) for centring in CENTRINGS},
    )


def moments_of(features: NDArray[np.float32]) -> dict[str, Array]:
    """Second moments of all pairs of networks (S, S, HIDDEN, HIDDEN) on images (N, S, HIDDEN)."""
    images, networks, width = features.shape
    flat = features.reshape(images, -1)
    second, mean = (flat.T @ flat).astype(np.float64) / images, flat.mean(0, dtype=np.float64)
    found = {"uncentred": second, "centred": second - np.outer(mean, mean)}
    shape = (networks, width, networks, width)
    return {centring: each.reshape(shape).swapaxes(1, 2) for centring, each in found.items()}


def rotations_of(moments: Array) -> Array:
    """By pair, as `procrustes.rotation`."""
    left, _, right = np.linalg.svd(moments)
    return left @ right


def cosine(moments: Array, rotations: Array) -> Array:
    """Of all pairs (S, S), as `procrustes.similarity`."""
    powers = np.einsum("sshh->s", moments)
    return (moments * rotations).sum((2, 3)) / np.sqrt(np.outer(powers, powers))


def truth(whole: Known) -> dict[str, float]:
    """By name: means over all networks, or over all pairs of them."""
    networks, images = (np.arange(n) for n in whole.correct.shape)
    upper = np.triu_indices(len(networks), 1)
    scores = whole.scores(networks, [images])
    found = {"accuracy": float(scores["accuracy"][:, 0].mean())}
    for centring in CENTRINGS:
        for split, each in (
            ("test", scores[centring][..., 0]),
            ("training", whole.fitted[centring]),
        ):
            found[f"s, {centring}, {split} images"] = float(each[upper].mean())
            found[f"s², {centring}, {split} images"] = float((each[upper] ** 2).mean())
    return found


def study(whole: Known, right: Truth, random: np.random.Generator) -> Iterator[tuple]:
    """Of one study: quantity, number of networks, interval, and what it shall hold."""
    every, pool = whole.correct.shape
    networks = random.permutation(every)[: max(SIZES) + 2]
    images, others = random.integers(pool, size=(2, IMAGES))
    scores = whole.scores(networks, [images, *images.reshape(FOLDS, -1)])
    other = whole.scores(networks[-2:], [others])
    fitted = {c: each[np.ix_(networks, networks)] for c, each in whole.fitted.items()}
    for n in SIZES:
        accuracy = by_fold(scores["accuracy"][:n])
        yield "accuracy", n, over_networks(accuracy, within=PERCENT), right["accuracy"]
        single = of_one_run(accuracy, within=PERCENT)
        yield "accuracy of one run", n, single, other["accuracy"][0, 0]
        given = whole.correct[networks[:n]].mean(1)
        alone = over_networks(given, within=PERCENT)
        yield "accuracy, given the images", n, alone, right["accuracy"]
        for centring in CENTRINGS:
            for what, power in (("s", 1), ("s²", 2)):
                pairs = {p: by_fold(scores[centring][p] ** power) for p in pairs_of(n)}
                name = f"{what}, {centring}, test images"
                yield name, n, over_pairs(pairs, within=COSINE), right[name]
                single = of_one_pair(pairs, within=COSINE)
                yield f"{name}, of one pair", n, single, other[centring][0, 1, 0] ** power
                pairs = {p: fitted[centring][p] ** power for p in pairs_of(n)}
                name = f"{what}, {centring}, training images"
                yield name, n, over_pairs(pairs, within=COSINE), right[name]


def pairs_of(networks: int) -> list[tuple[int, int]]:
    return list(combinations(range(networks), 2))


def by_fold(scores: Array) -> Array:
    """Scores (..., 1 + F) on all images and on folds, as the summary crosses them (..., F)."""
    return crossed(scores[..., 0], scores[..., 1:])


def holds(interval: Estimate, value: float) -> bool:
    assert interval.low is not None and interval.high is not None
    return interval.low <= value <= interval.high


def shares(studies: int = STUDIES) -> dict[str, dict[int, float]]:
    """By quantity and number of networks: the share of the intervals that hold what they shall."""
    whole = known()
    right = truth(whole)
    held: dict[str, dict[int, int]] = {}
    for random in np.random.default_rng(8).spawn(studies):
        for name, n, interval, value in study(whole, right, random):
            counts = held.setdefault(name, dict.fromkeys(SIZES, 0))
            counts[n] += holds(interval, value)
    return {name: {n: k / studies for n, k in counts.items()} for name, counts in held.items()}


def wilson(share: float, studies: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927)."""
    z2 = 1.959964**2 / studies
    middle, half = share + z2 / 2, (z2 * share * (1 - share) + z2**2 / 4) ** 0.5
    return (middle - half) / (1 + z2), (middle + half) / (1 + z2)


def table(found: Mapping[str, Mapping[int, float]], studies: int) -> str:
    """Markdown: shares in percent, with their intervals."""
    lines = [f"| 95 % interval of | {' | '.join(f'{n} networks' for n in SIZES)} |"]
    lines.append("| --- |" + " --- |" * len(SIZES))
    for name, row in found.items():
        ranges = [wilson(row[n], studies) for n in SIZES]
        cells = [
            f"{100 * row[n]:.1f} ({100 * low:.1f} to {100 * high:.1f})"
            for n, (low, high) in zip(SIZES, ranges, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    block = f"<!-- coverage -->\n{table(shares(), STUDIES)}\n<!-- /coverage -->"
    print(block)
    marks = "<!-- coverage -->.*<!-- /coverage -->"
    PAGE.write_text(re.sub(marks, lambda _: block, PAGE.read_text(), flags=re.DOTALL))
