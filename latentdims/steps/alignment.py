"""Alignment of pairs of networks: their rotations, how much of each layer they share, and how much
they would seem to share on unrelated images."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentdims import storage
from latentdims.comparison import alignment_file, pair
from latentdims.comparison.measured import (
    CENTRINGS,
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
    from latentdims.images.data import StoredImages
    from latentdims.models.networks import Network, Trained

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]


def align(
    *,
    images: str | Path,
    network: str | Path,
    networks: Mapping[int, str | Path],
    covariance: str | Path,
    partners: Mapping[int, str | Path],
    output: str | Path,
    vectors: int,
    settings: Mapping[str, Any],
    device: str,
    centrings: Sequence[str] = CENTRINGS,
    pairings: int = 20,
    neighbours: int | None = None,
) -> None:
    """Write the spectra of a network, and its alignment with each partner, layer by layer.

    network, networks, covariance, partners: the file of the network, those of its partners by seed,
    and the same of covariances; partners have the settings of the network but for their seeds.
    pairings: of unrelated images, as many as there can be. neighbours: how many of each test image
    are compared, where they are. Raises InputError for a file that is not
    what it should be, and for a partner that has other layers, or saw other images.
    """
    from latentdims.images import data  # torch
    from latentdims.models import networks as trained

    with (
        data.opened(images, preprocessing=settings["preprocessing"], device=device) as file,
        Measurements.open(covariance, settings) as own,
        storage.create(output, settings=settings, device=device) as result,
    ):
        alignment_file.write_axes(result, own.epochs, centrings)
        architecture.write(result, own.architecture)
        sites = {site.name: own.stages(site.name) for site in own.architecture.sites}
        weights = {each.name: own.weights(each.name) for each in own.architecture.weights}
        for layer in own.architecture.names:
            group = result.create_group(f"spectra/{layer}")
            if layer in weights:
                described = own.architecture.weight(layer)
                alignment_file.write_weights(group, weights[layer], described)
            if layer in sites:
                parts = [own.train_folds(layer, stage) for stage in range(len(own.epochs))]
                rows = own.rows(layer)
                alignment_file.write_spectra(group, sites[layer], folds=parts, rows=rows)
        if not partners:
            return
        loaded = trained.load(network, settings=settings, sha256=file.sha256)
        for seed, path in partners.items():
            other_settings = {**settings, "seed": seed}
            other = trained.load(networks[seed], settings=other_settings, sha256=file.sha256)
            with Measurements.open(path, other_settings) as partner:
                own.check_comparable(partner)
                options = pair.Options(centrings, vectors, neighbours)
                pair_of = Pair((partner, own), (other, loaded), (sites, weights), options)
                reasons = pair_of.reasons()
                for layer, found in pair_of.compare(file, pairings=pairings).items():
                    group = result.create_group(f"seed{seed}/{layer}")
                    alignment_file.write_pair(group, found, reasons[layer])


class Pair:
    """Two networks, and why some of what they share is undefined, by layer and kind."""

    def __init__(
        self,
        files: tuple[Measurements, Measurements],
        networks: tuple["Trained", "Trained"],
        own: tuple[Mapping[str, Sequence[Measured]], Mapping[str, Sequence[Weights]]],
        options: pair.Options,
    ) -> None:
        """files, networks: the partner's and its own. own: what was measured at its sites, which
        keeps its eigenvectors for the next partner, and its weights, both by epoch."""
        self._files, self._networks, self._options = files, networks, options
        partner = files[0]
        self._sites = {name: (partner.stages(name), stages) for name, stages in own[0].items()}
        self._weights = {name: (partner.weights(name), stages) for name, stages in own[1].items()}

    def compare(self, images: "StoredImages", *, pairings: int) -> dict[str, dict[str, Array]]:
        """Results of each layer, with the axis of epochs where `alignment_file` has it."""
        found: dict[str, list[dict[str, Array]]] = {}
        for epoch in range(len(self._files[1].epochs)):
            for layer, results in self._compare_at(epoch, images, pairings).items():
                found.setdefault(layer, []).append(results)
        return {layer: alignment_file.stacked(results) for layer, results in found.items()}

    def _compare_at(
        self, epoch: int, images: "StoredImages", pairings: int
    ) -> dict[str, dict[str, Array]]:
        from latentdims.comparison import null  # torch

        networks = self._networks_at(epoch, images)
        paired = self._paired(networks, epoch, images, pairings)
        partner, own = self._files
        turns: dict[str, Tensor] = {}
        results: dict[str, dict[str, Array]] = {}
        for site, stages in self._sites.items():
            both = stages[0][epoch], stages[1][epoch]
            folds = {
                split: (
                    partner.fold_covariances(site, split, epoch),
                    own.fold_covariances(site, split, epoch),
                )
                for split in SPLITS
            }
            same = {split: each[site].folds.cpu().numpy() for split, each in paired.items()}
            crosses = own.cross(site, partner.seed, epoch)
            results[site] = pair.compare(*both, crosses, options=self._options)
            results[site] |= pair.kernels(*both, crosses, same, folds)
            shown = {split: each[site] for split, each in paired.items()}
            unrelated, turns[site] = null.compare(*both, shown, folds, options=self._options)
            results[site] |= unrelated
        pairings = len(next(iter(paired["test"].values())).squared_norm) - 1  # that there are
        for name, by_epoch in self._weights.items():
            weights = by_epoch[0][epoch], by_epoch[1][epoch]
            overlaps = self._of_weights(name, weights, results, turns, pairings=pairings)
            results[name] = results.get(name, {}) | overlaps
        if self._options.neighbours is not None:
            from latentdims.comparison import neighbours  # torch

            test, number = images.splits["test"], self._options.neighbours
            shares = neighbours.compare(*networks, test, neighbours=number, pairings=pairings)
            results |= {site: results[site] | each for site, each in shares.items()}
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

        reads, vectors = self._files[1].architecture.weight(name).reads, self._options.vectors
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

    def _networks_at(self, epoch: int, images: "StoredImages") -> tuple["Network", "Network"]:
        when = self._files[1].epochs[epoch]
        device = next(iter(images.splits.values())).device
        theirs, ours = (
            each.at(list(each.epochs).index(when), device=device) for each in self._networks
        )
        return theirs, ours

    def _paired(
        self,
        networks: tuple["Network", "Network"],
        epoch: int,
        images: "StoredImages",
        wanted: int,
    ) -> dict[str, dict[str, "Paired"]]:
        """Cross-covariances by split and layer, of the same images and of unrelated ones."""
        from latentdims.comparison import unrelated  # torch

        number = min(unrelated.pairings(len(each), wanted) for each in images.splits.values())
        if number < wanted:
            logger.info("%d pairings of unrelated images: there are no more", number)
        when = self._files[1].epochs[epoch]
        seed = self._files[0].seed
        return {
            split: unrelated.paired(
                *networks,
                stored,
                pairings=number,
                name=f"seed {seed}, epoch {when:g}, unrelated {split} images",
            )
            for split, stored in images.splits.items()
        }

    def reasons(self) -> dict[str, dict[str, str]]:
        """Why values of each layer are undefined, by the first word of their names."""
        partner, own = self._files
        found: dict[str, dict[str, str]] = {name: {} for name in own.architecture.names}
        unaligned: dict[str | None, list[str]] = {}
        for site, stages in self._sites.items():
            both = dict(zip((partner.seed, own.seed), stages, strict=True))
            scores = "; ".join(undefined(site, both, centrings=self._options.centrings))
            unaligned[site] = undefined(site, both, splits=["train"], centrings=["uncentred"])
            found[site] = {
                "similarity": scores,
                "activation": "; ".join(unaligned[site]),
                "cka": scores or f"{site} varies in too few images",
                "cca": scores,
                "mutual": scores or f"{site} is the same for all images of a fold",
            }
        for weight in own.architecture.weights:
            maps = dict(zip((partner.seed, own.seed), self._weights[weight.name], strict=True))
            reasons = unaligned.get(weight.reads, []) + weightless(weight.name, maps)
            found[weight.name]["weight"] = "; ".join(reasons)
        return found
