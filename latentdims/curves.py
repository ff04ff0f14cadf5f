"""Curves of the figures, point by point, with the same intervals as single numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentdims import storage
from latentdims.alignment import pairs
from latentdims.intervals import Estimate, curve_over_pairs, curve_over_seeds
from latentdims.storage import SPLITS, STAGES


@dataclass(frozen=True)
class Curve:
    """A quantity against rank, k or epoch: at (points,), and an estimate for each."""

    layer: str
    quantity: str
    at: Sequence[int]
    estimates: Sequence[Estimate]


def of(paths: Mapping[str, Sequence[str | Path]]) -> Iterator[Curve]:
    """Every curve of one network, from its files by kind, one per seed."""
    yield from _training(paths["network"])
    yield from _spectra(paths["alignment"])
    if len(paths["alignment"]) > 1:
        yield from _overlaps(paths["alignment"])
    yield from _clipping(paths["clipping"])


def _training(paths: Sequence[str | Path]) -> Iterator[Curve]:
    for split in SPLITS:
        for what in ("accuracy", "loss"):
            seeds = storage.stacked(paths, f"history/{split}_{what}")
            epochs = range(seeds.shape[1])
            yield Curve("", f"{split}_{what}_by_epoch", epochs, curve_over_seeds(seeds))


def _spectra(paths: Sequence[str | Path]) -> Iterator[Curve]:
    moments = ("second_moment", "covariance")
    kinds = ["weight", *(f"{moment}{split}" for moment in moments for split in ("", "_held_out"))]
    with storage.read(paths[0], needs=["spectra"]) as file:
        layers = storage.layers(file["spectra"])
    for layer in layers:
        for kind in kinds:
            spectra = storage.stacked(paths, f"spectra/{layer}/{kind}")
            for stage, name in enumerate(STAGES):
                estimates = curve_over_seeds(spectra[:, stage])
                yield _by_rank(layer, f"eigenvalue_{kind}_{name}", estimates)


def _overlaps(paths: Sequence[str | Path]) -> Iterator[Curve]:
    for kind in ("activation", "weight"):
        for layer, found in pairs(paths, score=f"{kind}_subspace").items():
            for stage, name in enumerate(STAGES):
                estimates = curve_over_pairs({pair: each[stage] for pair, each in found.items()})
                yield _by_rank(layer, f"subspace_overlap_{kind}_{name}", estimates)


def _clipping(paths: Sequence[str | Path]) -> Iterator[Curve]:
    with storage.read(paths[0]) as file:
        places = [
            (basis, layer)
            for basis in file
            if basis != "reference_accuracy"
            for layer in storage.layers(file[basis])
        ]
    for basis, layer in places:
        ranks = storage.stacked(paths[:1], f"{basis}/{layer}/rank")[0].tolist()
        estimates = curve_over_seeds(storage.stacked(paths, f"{basis}/{layer}/accuracy"))
        yield Curve(layer, f"clipped_accuracy_{basis}", ranks, estimates)


def _by_rank(layer: str, quantity: str, estimates: Sequence[Estimate]) -> Curve:
    return Curve(layer, quantity, range(1, len(estimates) + 1), estimates)
