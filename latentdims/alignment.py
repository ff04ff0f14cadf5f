"""Alignment of pairs of networks: their rotations, how much of each layer they share, and how much
they would seem to share on unrelated images."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentdims import alignment_file, architecture, pair, storage
from latentdims.measured import (
    CENTRINGS,
    Measured,
    Measurements,
    undefined,
    weightless,
)
from latentdims.storage import SPLITS

if TYPE_CHECKING:  # figures and table read pairs without torch
    from torch import Tensor

    from latentdims.data import StoredImages
    from latentdims.networks import Network, Trained
    from latentdims.unrelated import Paired

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
    from latentdims import data  # torch
    from latentdims import networks as trained

    with (
        data.opened(images, preprocessing=settings["preprocessing"], device=device) as file,
        Measurements.open(covariance, settings) as own,
        storage.create(output, settings=settings, device=device) as result,
    ):
        alignment_file.write_axes(result, own.epochs, centrings)
        architecture.write(result, own.architecture)
        stages = {layer: own.stages(layer) for layer in own.architecture.names}
        for layer in stages:
            group = result.create_group(f"spectra/{layer}")
            parts = [own.train_folds(layer, stage) for stage in range(len(own.epochs))]
            alignment_file.write_spectra(
                group,
                stages[layer],
                own.architecture.weight(layer),
                folds=parts,
                rows=own.rows(layer),
            )
        if not partners:
            return
        loaded = trained.load(network, settings=settings, images=file.sha256)
        for seed, path in partners.items():
            other_settings = {**settings, "seed": seed}
            other = trained.load(networks[seed], settings=other_settings, images=file.sha256)
            with Measurements.open(path, other_settings) as partner:
                own.check_comparable(partner)
                files, both = (partner, own), (other, loaded)
                pair_of = Pair(*files, both, stages, pair.Options(centrings, vectors, neighbours))
                reasons = pair_of.reasons()
                for layer, found in pair_of.compare(file, pairings=pairings).items():
                    group = result.create_group(f"seed{seed}/{layer}")
                    alignment_file.write_pair(group, found, reasons[layer])


class Pair:
    """Two networks, and why some of what they share is undefined, by layer and kind."""

    def __init__(
        self,
        partner: Measurements,
        own: Measurements,
        networks: tuple["Trained", "Trained"],
        own_stages: Mapping[str, Sequence[Measured]],
        options: pair.Options,
    ) -> None:
        """networks: the partner's and its own. own_stages: what was measured of each layer, which
        keeps its eigenvectors for the next partner."""
        self._files, self._networks = (partner, own), networks
        self._options = options
        self._stages = {
            layer: {partner.seed: partner.stages(layer), own.seed: own_stages[layer]}
            for layer in own_stages
        }

    def compare(self, images: "StoredImages", *, pairings: int) -> dict[str, dict[str, Array]]:
        """Results of each layer, with the axis of epochs where `alignment_file` has it."""
        found: dict[str, list[dict[str, Array]]] = {layer: [] for layer in self._stages}
        for epoch in range(len(self._files[1].epochs)):
            for layer, results in self._compare_at(epoch, images, pairings).items():
                found[layer].append(results)
        return {layer: alignment_file.stacked(results) for layer, results in found.items()}

    def _compare_at(
        self, epoch: int, images: "StoredImages", pairings: int
    ) -> dict[str, dict[str, Array]]:
        from latentdims import null  # torch

        networks = self._networks_at(epoch, images)
        paired = self._paired(networks, epoch, images, pairings)
        partner, own = self._files
        below: Array | None = None
        below_unrelated: Tensor | None = None
        results = {}
        for layer, both in self._stages.items():
            theirs, ours = (stages[epoch] for stages in both.values())
            folds = {
                split: (
                    partner.fold_covariances(layer, split, epoch),
                    own.fold_covariances(layer, split, epoch),
                )
                for split in SPLITS
            }
            same = {split: each[layer].folds.cpu().numpy() for split, each in paired.items()}
            crosses = own.cross(layer, partner.seed, epoch)
            found = pair.compare(theirs, ours, crosses, below=below, options=self._options)
            found |= pair.kernels(theirs, ours, crosses, same, folds)
            unrelated, below_unrelated = null.compare(
                theirs,
                ours,
                {split: each[layer] for split, each in paired.items()},
                folds,
                below=below_unrelated,
                options=self._options,
            )
            below = found["rotation"]
            if np.isnan(found["activation_subspace"]).any():
                below = np.full_like(below, np.nan)
            results[layer] = found | unrelated
        if self._options.neighbours is not None:
            from latentdims import neighbours  # torch

            shares = neighbours.compare(
                *networks,
                images.images["test"],
                neighbours=self._options.neighbours,
                pairings=len(next(iter(paired["test"].values())).squared_norm) - 1,
            )
            results = {layer: each | shares[layer] for layer, each in results.items()}
        return results

    def _networks_at(self, epoch: int, images: "StoredImages") -> tuple["Network", "Network"]:
        when = self._files[1].epochs[epoch]
        device = next(iter(images.images.values())).device
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
        from latentdims import unrelated  # torch

        number = min(unrelated.pairings(len(each), wanted) for each in images.images.values())
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
            for split, stored in images.images.items()
        }

    def reasons(self) -> dict[str, dict[str, str]]:
        """Why values of each layer are undefined, by the first word of their names."""
        found: dict[str, dict[str, str]] = {}
        unaligned: list[str] = []
        for layer, both in self._stages.items():
            centrings = self._options.centrings
            silent = undefined(layer, both, splits=["train"], centrings=["uncentred"])
            scores = "; ".join(undefined(layer, both, centrings=centrings))
            found[layer] = {
                "similarity": scores,
                "activation": "; ".join(silent),
                "weight": "; ".join(unaligned + weightless(layer, both)),
                "cka": scores or f"{layer} varies in too few images",
                "cca": scores,
                "mutual": scores or f"{layer} is the same for all images of a fold",
            }
            unaligned = silent
        return found
