"""Alignment files of random numbers in which no two axes have the same length."""

from pathlib import Path

import fabricated
import numpy as np

from latentdims import storage
from latentdims.models import architecture

SEEDS, FOLDS, PAIRINGS = 4, 7, 9
EPOCHS = [0.0, 0.5, 1.0, 3.0, 7.0]
CENTRINGS = ["uncentred", "centred", "position"]
FAN_IN = 12
WIDTHS = {"layer1": 11, "layer2": 8, "classifier": 3}  # of layer1 the site alone is in the files
WEIGHTS = {"layer2": 8, "classifier": 3}  # and their ranks; of layer2 the weight alone
SITES = ("layer1", "classifier")

Numbers = dict[str, np.ndarray]


def written(
    folder: Path, *, seeds: int = SEEDS, epochs: list[float] = EPOCHS
) -> tuple[list[Path], list[Numbers]]:
    """One file for each seed, and what is in it, by name."""
    random = np.random.default_rng(11)
    paths = [folder / f"alignment{seed}.h5" for seed in range(seeds)]
    numbers = []
    for seed, path in enumerate(paths):
        groups = [*(f"seed{partner}" for partner in range(seed)), "final"]
        numbers.append(of_network(random, len(epochs)) | of_pairs(random, groups, len(epochs)))
        write(path, numbers[-1], epochs)
    return paths, numbers


def write(path: Path, numbers: Numbers, epochs: list[float] = EPOCHS) -> None:
    """A file of these numbers."""
    with storage.create(path, settings={}) as file:
        architecture.write(file, fabricated.described(WIDTHS, fan_in=FAN_IN))
        storage.axis(file, "epoch", epochs)
        storage.axis(file, "centring", CENTRINGS)
        for name, values in numbers.items():
            file[name] = values
        for layer, fan_in in (("layer2", 11), ("classifier", 8)):
            file.require_group(f"spectra/{layer}").attrs.update(
                fan_in=fan_in, neurons=WIDTHS[layer]
            )


def of_pairs(random: np.random.Generator, groups: list[str], epochs: int) -> Numbers:
    """What networks share with those of some groups: of CKA, both splits; of neighbours, one."""
    found = {}
    for group in groups:
        for layer in SITES:
            for score, shape in (
                ("similarity", (2, len(CENTRINGS))),
                ("cka", (2,)),
                ("mutual_neighbours", ()),
            ):
                place = f"{group}/{layer}/{score}"
                found[place] = random.uniform(0.1, 0.9, (epochs, *shape))
                found[f"{place}_folds"] = random.uniform(0.1, 0.9, (FOLDS, epochs, *shape[1:]))
                found[f"{place}_null"] = random.uniform(-0.1, 0.1, (PAIRINGS, epochs, *shape))
    return found


def of_network(random: np.random.Generator, epochs: int) -> Numbers:
    """Spectra, and what becomes of the last eigenvectors of weights."""
    found = {}
    for layer in SITES:
        for moment in ("second_moment", "covariance"):
            values = np.sort(random.lognormal(0, 1, (epochs, WIDTHS[layer])))[:, ::-1]
            parts = values * random.uniform(0.9, 1.1, (FOLDS, *values.shape))
            found[f"spectra/{layer}/{moment}"] = values
            found[f"spectra/{layer}/{moment}_without_fold"] = parts
    for layer, rank in WEIGHTS.items():
        spectra = np.sort(random.lognormal(-3.5, 1, (epochs, rank)))[:, ::-1]
        found[f"spectra/{layer}/weight"] = spectra
        for what in ("variance", "cosine", "span"):
            found[f"final/{layer}/weight_{what}"] = random.uniform(0.1, 1, (epochs, rank))
    return found
