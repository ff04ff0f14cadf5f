"""A network and all its partners: their comparison, and its file."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims.comparison import alignment_file, pair
from latentdims.comparison.measured import FINAL
from latentdims.comparison.pairs import Member, Pair
from latentdims.comparison.partners import TOGETHER
from latentdims.models import architecture
from latentdims.storage import SPLITS

if TYPE_CHECKING:  # figures and table read pairs without torch
    from latentdims.comparison.unrelated import Paired
    from latentdims.comparison.views import Matches

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Opened = AbstractContextManager[tuple[str, Member, "Matches"]]


def compare(pairs: Sequence[Pair], *, pairings: int) -> list[dict[str, dict[str, Array]]]:
    """Results by layer for pairs with one network, with an axis of epochs where `alignment_file`
    has one. Each network sees unrelated images once."""
    found: list[dict[str, list[dict[str, Array]]]] = [{} for _ in pairs]
    for stage in range(len(pairs[0].own.measurements.epochs)):
        paired = _paired(pairs, stage, pairings)
        for number, each in enumerate(pairs):
            shown = {split: of_pairs[number] for split, of_pairs in paired.items()}
            for layer, results in each.compare(stage, shown).items():
                found[number].setdefault(layer, []).append(results)
    return [
        {layer: alignment_file.stacked(results) for layer, results in each.items()}
        for each in found
    ]


def _paired(pairs: Sequence[Pair], stage: int, wanted: int) -> dict[str, list[dict[str, "Paired"]]]:
    """Cross-covariances by split, pair and layer, of the same images and of unrelated ones."""
    from latentdims.comparison import unrelated  # torch

    views = {split: [each.views(split, stage) for each in pairs] for split in SPLITS}
    number = min(unrelated.pairings(len(each[0][1]), wanted) for each in views.values())
    if number < wanted:
        logger.info("%d pairings of unrelated images: there are no more", number)
    when = pairs[0].own.measurements.epochs[stage]
    names = pairs[0].partner.name if len(pairs) == 1 else f"{len(pairs)} partners"
    return {
        split: unrelated.paired(
            [partner for partner, _ in each],
            each[0][1],
            matches=[both.matches for both in pairs],
            pairings=number,
            name=f"{names}, epoch {when:g}, unrelated {split} images",
        )
        for split, each in views.items()
    }


def write(
    file: h5py.File,
    own: Member,
    partners: Iterable[Opened],
    *,
    maps: bool,
    pairings: int,
    options: pair.Options,
) -> None:
    """Write the spectra of a network, and its alignment with each partner, layer by layer.

    partners: each to be opened, with its group in the file, and the sites that are compared. maps:
    whether learned maps are also compared, by their names. pairings: number of pairings of
    unrelated images; fewer if there are too few images.
    """
    measured, described = own.measurements, own.measurements.architecture
    alignment_file.write_axes(file, measured.epochs, options.centrings)
    architecture.write(file, described)
    sites = {site.name: measured.stages(site.name) for site in described.sites}
    weights = {each.name: measured.weights(each.name) for each in described.weights}
    for layer in described.names:
        group = file.create_group(f"spectra/{layer}")
        if layer in weights:
            alignment_file.write_weights(group, weights[layer], described.weight(layer))
        if layer in sites:
            parts = [measured.train_folds(layer, stage) for stage in range(len(measured.epochs))]
            rows = measured.rows(layer)
            alignment_file.write_spectra(group, sites[layer], folds=parts, rows=rows)
    maps_of = weights if maps else {}

    def of(place: str, partner: Member, matches: "Matches") -> Pair:
        theirs = partner.measurements
        return Pair(
            partner,
            own,
            place,
            matches,
            {layer: (theirs.stages(a), sites[b]) for layer, (a, b) in matches.items()},
            {name: (theirs.weights(name), each) for name, each in maps_of.items()},
            options,
        )

    for pairs in _together(partners, of, pairings):
        reasons = [each.reasons() for each in pairs]
        for each, why, found in zip(pairs, reasons, compare(pairs, pairings=pairings), strict=True):
            for layer, results in found.items():
                if each.place == FINAL and layer in weights:
                    results |= pair.along_training(weights[layer])
                group = file.create_group(f"{each.place}/{layer}")
                alignment_file.write_pair(group, results, why[layer])


def _together(
    partners: Iterable[Opened], of: Callable[..., Pair], pairings: int
) -> Iterator[list[Pair]]:
    """Groups of consecutive pairs, as large as `TOGETHER` allows, with their files open."""
    pairs: list[Pair] = []
    held, stack = 0, ExitStack()
    for partner in partners:
        opened = ExitStack()
        made = of(*opened.enter_context(partner))
        if pairs and held + made.held(pairings) > TOGETHER:
            with stack:
                yield pairs
            pairs, held, stack = [], 0, ExitStack()
        stack.enter_context(opened)
        pairs.append(made)
        held += made.held(pairings)
    with stack:
        if pairs:
            yield pairs
