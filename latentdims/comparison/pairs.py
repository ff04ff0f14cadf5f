"""Pairs of members of a comparison, layer by layer and epoch by epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentdims.comparison import pair
from latentdims.comparison.matching import stage_beside
from latentdims.comparison.measured import (
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

Array = NDArray[np.float64]
Stages = tuple[Sequence[Measured], Sequence[Measured]]  # of the partner, and the own, by epoch


@dataclass(frozen=True)
class Member:
    """A network with known covariances, and how it sees images.

    name: in words. view: of a split, at one index of the measured epochs.
    """

    name: str
    measurements: Measurements
    view: Callable[[str, int], "View"]


def final(member: Member) -> Member:
    """The same network at its last epoch, as a partner of itself at every epoch."""
    last = len(member.measurements.epochs) - 1
    name = f"{member.name} at its last epoch"
    return Member(name, member.measurements.final(), lambda split, _: member.view(split, last))


@dataclass(frozen=True)
class Pair:
    """Two members, their measurements, and which of their layers are compared.

    place: the partner's group in files. sites, weights: of the partner and of the network itself,
    by layer in files. Eigenvectors of the network itself are kept for the next partner.
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

    def compare(
        self, stage: int, paired: Mapping[str, Mapping[str, "Paired"]]
    ) -> dict[str, dict[str, Array]]:
        """Results of each layer at one index of the epochs; paired: by split and layer."""
        from latentdims.comparison import null  # torch

        at, partner, own = self._beside(stage), *self._files()
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
            same = {
                split: each[layer].folds.double().cpu().numpy() for split, each in paired.items()
            }
            crosses = own.cross(layer, self.place, stage)
            crosses |= dict(zip(both[1].folds, same["test"], strict=True))
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
                *self.views("test", stage),
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

    def views(self, split: str, stage: int) -> tuple["View", "View"]:
        """Views of the partner and of the network itself, at one index of the epochs."""
        return self.partner.view(split, self._beside(stage)), self.own.view(split, stage)

    def held(self, pairings: int) -> int:
        """Bytes that the pair needs while several pairs are compared together: for each split the
        sums of every pairing and their results; for the partner at every epoch four moments of each
        site in float64, and its weights, stored and in a module."""
        partner, own = (each.architecture for each in self._files())
        shared = sum(
            partner.site(theirs).channels * own.site(ours).channels
            for theirs, ours in self.matches.values()
        )
        products = 2 * len(SPLITS) * (1 + pairings) * shared
        moments = 2 * 4 * sum(site.channels**2 for site in partner.sites)
        epochs = len(self.partner.measurements.epochs)
        return 4 * (products + epochs * (moments + 2 * partner.parameters))

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
