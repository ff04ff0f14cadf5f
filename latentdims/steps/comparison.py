"""Comparisons of networks of different architectures, training data or epochs, which all see the
same images."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentdims import sizes, storage
from latentdims.comparison import covariance_file, pair, pairs, together
from latentdims.comparison.covariance_file import Cross
from latentdims.comparison.matching import stage_beside
from latentdims.comparison.measured import Measurements
from latentdims.errors import InputError
from latentdims.images import data
from latentdims.images.data import StoredImages
from latentdims.models.architecture import Architecture
from latentdims.models.epochs import ends

if TYPE_CHECKING:  # scripts import steps before they know that torch is needed
    from latentdims.comparison.views import Matches, View
    from latentdims.models.networks import Recorded, Trained

PIXELS: Mapping[str, Any] = {"steps": []}  # members preprocess images themselves


@dataclass(frozen=True)
class Partner:
    """Another member: its group in files, the settings that made it, and the sites that are
    compared.

    settings: of the network, as in `covariance`.
    """

    place: str
    settings: Mapping[str, Any]
    matches: "Matches"


@dataclass(frozen=True, eq=False)
class Member:
    """A network with its images, before and after training, or at one epoch.

    name: in words. averaged: whether its representations are averaged over positions.
    """

    name: str
    network: "Trained | Recorded"
    images: StoredImages
    epoch: float | None
    averaged: bool
    device: str
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def _indices(self) -> list[int]:
        """Of the epochs at which it is compared, among those that were kept."""
        kept = self.network.epochs.tolist()
        if self.epoch is None:
            return sorted(range(len(kept))[place] for place in ends(kept).values())
        if self.epoch not in kept:
            raise InputError(
                f"{self.name} was not kept at epoch {self.epoch:g}, but at "
                f"{', '.join(f'{each:g}' for each in kept)}; name one of them, or add it to "
                "training.keep_epochs"
            )
        return [kept.index(self.epoch)]

    @property
    def epochs(self) -> NDArray[np.float64]:
        """(E,) at which it is compared: untrained and trained, or one alone."""
        found: NDArray[np.float64] = self.network.epochs[self._indices].astype(np.float64)
        return found

    @property
    def architecture(self) -> Architecture:
        """Its sites, without the weights between them, which are not compared."""
        return replace(self.view("train", 0).architecture, weights=())

    def view(self, split: str, stage: int) -> "View":
        """What it makes of the images of a split, at one of its epochs, by index."""
        from latentdims.comparison.views import Averaged  # torch

        view = self._views(stage)[split]
        return Averaged(view) if self.averaged else view

    @cache  # noqa: B019 - a member lives as long as its job
    def _views(self, stage: int) -> dict[str, "View"]:
        from latentdims.comparison import views  # torch

        self._check_shown()
        images = self.images.through(self.network.affine)
        return views.of(self.network, self._indices[stage], images, device=self.device)

    def _check_shown(self) -> None:
        """Raise InputError where it cannot see the images, or did not."""
        from latentdims.models.networks import Recorded  # torch

        network = self.network
        if isinstance(network, Recorded) and network.sha256 != self.images.sha256:
            raise InputError(
                f"{self.name} are responses to other images than those of the comparison; name "
                "the data set that they are of as its images"
            )
        _, *size = network.architecture.image_shape
        shown = self.images.shape[1:]
        if tuple(size) != tuple(shown):
            raise InputError(
                f"{self.name} sees {size[0]} x {size[1]} pixels, and the images of the comparison "
                f"have {shown[0]} x {shown[1]}; show it others, or resize them"
            )


def member(
    path: str | Path, settings: Mapping[str, Any], images: StoredImages, *, device: str
) -> Member:
    """From the file of a network, made with some settings, as in `covariance`."""
    from latentdims.models import networks  # torch

    of_member = ("epoch", "name", "positions")
    made_with = {key: value for key, value in settings.items() if key not in of_member}
    return Member(
        name=f"{settings['name']}, seed {settings['seed']}",
        network=networks.load(path, settings=made_with, sha256=None),
        images=images,
        epoch=settings["epoch"],
        averaged=settings["positions"] == "average",
        device=device,
    )


def covariance(
    *,
    images: str | Path,
    network: str | Path,
    networks: Sequence[str | Path],
    partners: Sequence[Mapping[str, Any]],
    output: str | Path,
    settings: Mapping[str, Any],
    device: str,
    code: str = "",
) -> None:
    """Measure the covariances of a member, and its cross-covariances with its partners.

    images: those that all members see. network, networks: files of the member and of its partners,
    which are given as `Partner`. settings: {network, preprocessing, training, seed} that made the
    network, the `name` of the member, the `epoch` at which it is taken or None, and `positions`.
    code: identifies the code; an interrupted pass resumes only with the same code. Raises
    InputError if a network cannot see the images, or if compared sites have different numbers of
    positions.
    """
    from latentdims.steps.covariance import passed  # torch
    from latentdims.workflow.checkpoint import Checkpoint

    others = [Partner(**each) for each in partners]
    with data.opened(images, preprocessing=PIXELS, device=device) as file:
        own = member(network, settings, file, device=device)
        compared = [
            member(path, each.settings, file, device=device)
            for path, each in zip(networks, others, strict=True)
        ]
        for partner, each in zip(compared, others, strict=True):
            _check_positions(partner, own, each.matches)
        hashes = [storage.sha256(*each.network.tensors.values()) for each in (*compared, own)]
        made_with: dict[str, Any] = {"settings": settings, "images": file.sha256, "code": code}
        made_with |= {"networks": hashes, "partners": list(partners)}
        made_with |= {"measured": sizes.of(device).measured}
        checkpoint = Checkpoint(output, made_with=made_with, device=device)
        views = {
            split: {
                str(stage): [
                    *(each.view(split, _beside(stage, own, each)) for each in compared),
                    own.view(split, stage),
                ]
                for stage in range(len(own.epochs))
            }
            for split in storage.SPLITS
        }
        matches = [each.matches for each in others]
        passes = passed(views, checkpoint, matches=matches, device=device)
        attributes = {"images_sha256": file.sha256, "architecture": own.architecture.text()}
        crosses = _crosses(own, compared, others)
    with storage.create(output, settings=settings, device=device) as result:
        result.attrs.update(attributes)
        covariance_file.write(result, own, passes, crosses=crosses, epochs="kept")
    checkpoint.remove()


def _beside(stage: int, own: Member, partner: Member) -> int:
    return stage_beside(stage, own=len(own.epochs), partner=len(partner.epochs))


def _check_positions(partner: Member, own: Member, matches: "Matches") -> None:
    for theirs, ours in matches.values():
        sites = partner.architecture.site(theirs), own.architecture.site(ours)
        if sites[0].positions != sites[1].positions:
            raise InputError(
                f"{theirs} of {partner.name} has {sites[0].positions} positions in an image, and "
                f"{ours} of {own.name} has {sites[1].positions}; set positions: average in the "
                "comparison, or match other layers"
            )


def _crosses(
    own: Member, compared: Sequence[Member], partners: Sequence[Partner]
) -> dict[str, list[Cross]]:
    """In the order in which `measure` puts the partners' sites side by side."""
    return {
        site.name: [
            Cross(layer, partner.place, each.architecture.site(theirs).channels)
            for each, partner in zip(compared, partners, strict=True)
            for layer, (theirs, ours) in partner.matches.items()
            if ours == site.name
        ]
        for site in own.architecture.sites
    }


def align(
    *,
    images: str | Path,
    network: str | Path,
    networks: Sequence[str | Path],
    covariance: str | Path,
    covariances: Sequence[str | Path],
    partners: Sequence[Mapping[str, Any]],
    output: str | Path,
    vectors: int,
    settings: Mapping[str, Any],
    device: str,
    centrings: Sequence[str],
    pairings: int,
    neighbours: int | None,
) -> None:
    """Write the spectra of a member, and its alignment with each partner, layer by layer.

    covariance, covariances: files that `covariance` made for the member and its partners. The other
    parameters are as there, and as in `alignment.align`.
    """
    others = [Partner(**each) for each in partners]
    with (
        data.opened(images, preprocessing=PIXELS, device=device) as file,
        Measurements.open(covariance, settings) as measured,
        storage.create(output, settings=settings, device=device) as result,
    ):

        def shown(
            path: str | Path, made_with: Mapping[str, Any], measurements: Measurements
        ) -> pairs.Member:
            found = member(path, made_with, file, device=device)
            return pairs.Member(found.name, measurements, found.view)

        @contextmanager
        def opened(
            path: str | Path, file_of: str | Path, each: Partner
        ) -> Iterator[tuple[str, pairs.Member, "Matches"]]:
            with Measurements.open(file_of, each.settings) as theirs:
                measured.check_same_images(theirs)
                yield each.place, shown(path, each.settings, theirs), each.matches

        together.write(
            result,
            shown(network, settings, measured),
            [opened(*each) for each in zip(networks, covariances, others, strict=True)],
            maps=False,
            pairings=pairings,
            options=pair.Options(centrings, vectors, neighbours),
        )
