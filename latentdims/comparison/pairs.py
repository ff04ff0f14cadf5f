"""Pairs of members of a comparison, layer by layer and epoch by epoch."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from latentdims.comparison import alignment_file, pair
from latentdims.comparison.matching import stage_beside
from latentdims.comparison.measured import (
    FINAL,
    Measured,
    Measurements,
    Weights,
    undefined,
    weightless,
)
from latentdims.models import architecture
from latentdims.storage import SPLITS

if TYPE_CHECKING:  # figures and table read pairs without torch
    from torch import Tensor

    from latentdims.comparison.unrelated import Paired
    from latentdims.comparison.views import Matches, View

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]
Stages = tuple[Sequence[Measured], Sequence[Measured]]  # of the partner, and the own, by epoch


@dataclass(frozen=True)
class Member:
    """A network whose covariances are known, and how it is shown images.

    name: in words. view: of a split, at one index of the epochs that were measured.
    """

    name: str
    measurements: Measurements
    view: Callable[[str, int], "View"]


def final(member: Member) -> Member:
    """The same network at its last epoch, as a partner of itself at all of them."""
    last = len(member.measurements.epochs) - 1
    name = f"{member.name} at its last epoch"
    return Member(name, member.measurements.final(), lambda split, _: member.view(split, last))


@dataclass(frozen=True)
class Pair:
    """Two members, what was measured of both, and which of their layers are compared.

    place: the partner's group in files. sites, weights: of the partner and the own, by layer in
    files; eigenvectors of the own stay for the next partner.
    """

    partner: Member
    own: Member
    place: str
    matches: "Matches"
    sites: Mapping[str, Stages]
    weights: Mapping[str, tuple[Sequence[Weights], Sequence[Weights]]]
    options: pair.Options

    @property
    def _epochs(self) -> Sequence[float]:
        return self.own.measurements.epochs.tolist()

    def _beside(self, stage: int) -> int:
        partner, own = (len(each.epochs) for each in self._files())
        return stage_beside(stage, own=own, partner=partner)

    def compare(self, *, pairings: int) -> dict[str, dict[str, Array]]:
        """Results of each layer, with the axis of epochs where `alignment_file` has it."""
        found: dict[str, list[dict[str, Array]]] = {}
        for stage in range(len(self._epochs)):
            for layer, results in self._compare_at(stage, pairings).items():
                found.setdefault(layer, []).append(results)
        return {layer: alignment_file.stacked(results) for layer, results in found.items()}

    def _compare_at(self, stage: int, pairings: int) -> dict[str, dict[str, Array]]:
        from latentdims.comparison import null  # torch

        at, partner, own = self._beside(stage), *self._files()
        paired = self._paired(stage, pairings)
        turns: dict[str, Tensor] = {}
        results: dict[str, dict[str, Array]] = {}
        for layer, (theirs, ours) in self.matches.items():
            both = self.sites[layer][0][at], self.sites[layer][1][stage]
            folds = {
                split: (
                    partner.fold_covariances(theirs, split, at),
                    own.fold_covariances(ours, split, stage),
                )
                for split in SPLITS
            }
            same = {split: each[layer].folds.cpu().numpy() for split, each in paired.items()}
            crosses = own.cross(layer, self.place, stage)
            results[layer] = pair.compare(*both, crosses, options=self.options)
            results[layer] |= pair.kernels(*both, crosses, same, folds)
            shown = {split: each[layer] for split, each in paired.items()}
            unrelated, turns[layer] = null.compare(*both, shown, folds, options=self.options)
            results[layer] |= unrelated
        pairings = len(next(iter(paired["test"].values())).squared_norm) - 1  # that there are
        for name, by_epoch in self.weights.items():
            weights = by_epoch[0][at], by_epoch[1][stage]
            overlaps = self._of_weights(name, weights, results, turns, pairings=pairings)
            results[name] = results.get(name, {}) | overlaps
        if self.options.neighbours is not None:
            from latentdims.comparison import neighbours  # torch

            near = neighbours.compare(
                *self._views("test", stage),
                matches=self.matches,
                neighbours=self.options.neighbours,
                pairings=pairings,
            )
            results |= {layer: results[layer] | each for layer, each in near.items()}
        return results

    def _of_weights(
        self,
        name: str,
        both: tuple[Weights, Weights],
        results: Mapping[str, Mapping[str, Array]],
        turns: Mapping[str, "Tensor"],
        *,
        pairings: int,
    ) -> dict[str, Array]:
        """Overlaps of a learned map; none where it is not known what it reads.

        results, turns: of the sites, and their rotations on unrelated images.
        """
        from latentdims.comparison import null  # torch

        reads, vectors = self._files()[1].architecture.weight(name).reads, self.options.vectors
        if reads is None:
            return {}
        if reads == architecture.IMAGES:
            unrelated = null.compare_weights(*both, below=pairings, vectors=vectors)
            return pair.compare_weights(*both, below=None, vectors=vectors) | unrelated
        below = results[reads]["rotation"]
        if np.isnan(results[reads]["activation_subspace"]).any():
            below = np.full_like(below, np.nan)
        unrelated = null.compare_weights(*both, below=turns[reads], vectors=vectors)
        return pair.compare_weights(*both, below=below, vectors=vectors) | unrelated

    def _files(self) -> tuple[Measurements, Measurements]:
        return self.partner.measurements, self.own.measurements

    def _views(self, split: str, stage: int) -> tuple["View", "View"]:
        return self.partner.view(split, self._beside(stage)), self.own.view(split, stage)

    def _paired(self, stage: int, wanted: int) -> dict[str, dict[str, "Paired"]]:
        """Cross-covariances by split and layer, of the same images and of unrelated ones."""
        from latentdims.comparison import unrelated  # torch

        views = {split: self._views(split, stage) for split in SPLITS}
        number = min(unrelated.pairings(len(own), wanted) for _, own in views.values())
        if number < wanted:
            logger.info("%d pairings of unrelated images: there are no more", number)
        when = self._epochs[stage]
        return {
            split: unrelated.paired(
                *both,
                matches=self.matches,
                pairings=number,
                name=f"{self.partner.name}, epoch {when:g}, unrelated {split} images",
            )
            for split, both in views.items()
        }

    def reasons(self) -> dict[str, dict[str, str]]:
        """Why values of each layer are undefined, by the first word of their names."""
        found: dict[str, dict[str, str]] = {name: {} for name in (*self.matches, *self.weights)}
        unaligned: dict[str | None, list[str]] = {}
        for layer in self.matches:
            scores = "; ".join(self._undefined(layer, None, self.options.centrings))
            unaligned[layer] = self._undefined(layer, ["train"], ["uncentred"])
            found[layer] = {
                "similarity": scores,
                "activation": "; ".join(unaligned[layer]),
                "cka": scores or f"{layer} varies in too few images",
                "cca": scores,
                "mutual": scores or f"{layer} is the same for all images of a fold",
            }
        for name, stages in self.weights.items():
            reads = self.own.measurements.architecture.weight(name).reads
            maps = dict(zip((self.partner.name, self.own.name), stages, strict=True))
            zero = weightless(name, maps, untrained=self.own.measurements.untrained)
            reasons = unaligned.get(reads, []) + zero
            found[name]["weight"] = "; ".join(reasons)
        return found

    def _undefined(
        self, layer: str, splits: Sequence[str] | None, centrings: Sequence[str]
    ) -> list[str]:
        members = zip(self.matches[layer], (self.partner, self.own), self.sites[layer], strict=True)
        return [
            reason
            for site, member, stages in members
            for reason in undefined(
                site,
                {member.name: stages},
                splits=splits,
                centrings=centrings,
                untrained=member.measurements.untrained,
            )
        ]


def write(
    file: h5py.File,
    own: Member,
    partners: Iterable[tuple[str, Member, "Matches"]],
    *,
    maps: bool,
    pairings: int,
    options: pair.Options,
) -> None:
    """Write the spectra of a network, and its alignment with each partner, layer by layer.

    partners: with their groups in the file, and the sites that are compared. maps: whether learned
    maps are compared, too, by their names. pairings: of unrelated images, as many as there can be.
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
    for place, partner, matches in partners:
        theirs = partner.measurements
        both = Pair(
            partner,
            own,
            place,
            matches,
            {layer: (theirs.stages(a), sites[b]) for layer, (a, b) in matches.items()},
            {name: (theirs.weights(name), each) for name, each in weights.items() if maps},
            options,
        )
        reasons = both.reasons()
        for layer, found in both.compare(pairings=pairings).items():
            if place == FINAL and layer in weights:
                found |= pair.along_training(weights[layer])
            alignment_file.write_pair(file.create_group(f"{place}/{layer}"), found, reasons[layer])
