"""Alignment of pairs of networks: their rotations, their similarity at each layer, and the null of
unrelated images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentdims import storage
from latentdims.comparison import pair, pairs, together
from latentdims.comparison.measured import CENTRINGS, FINAL, Measurements
from latentdims.images import data
from latentdims.images.data import StoredImages

if TYPE_CHECKING:  # scripts import steps before they know that torch is needed
    from latentdims.comparison.views import Matches, View
    from latentdims.models.networks import Recorded, Trained


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
    """Write the spectra of a network, and its alignment with each partner, layer by layer; also
    with itself at its last epoch, if its covariances are of all kept epochs.

    network, networks, covariance, partners: the file of the network, those of its partners by seed,
    and the same for covariances. Partners have the settings of the network except for the seed.
    pairings: number of pairings of unrelated images; fewer if there are too few images. neighbours:
    number of nearest neighbours of each test image to compare, or None. Raises InputError for an
    invalid file, and for a partner with other layers or other images.
    """
    from latentdims.comparison.views import same_sites  # torch
    from latentdims.models import networks as trained

    with (
        data.opened(images, preprocessing=settings["preprocessing"], device=device) as file,
        Measurements.open(covariance, settings) as own,
        storage.create(output, settings=settings, device=device) as result,
    ):

        def member(path: str | Path, seed: int, measured: Measurements) -> pairs.Member:
            made_with = {**settings, "seed": seed}
            load = partial(trained.load, path, settings=made_with, sha256=file.sha256)
            return shown(f"seed {seed}", measured, load, file, device=device)

        network_itself = member(network, settings["seed"], own)
        matches = same_sites(own.architecture)

        @contextmanager
        def opened(seed: int, path: str | Path) -> Iterator[tuple[str, pairs.Member, "Matches"]]:
            with Measurements.open(path, {**settings, "seed": seed}) as partner:
                own.check_comparable(partner)
                yield f"seed{seed}", member(networks[seed], seed, partner), matches

        others: list[together.Opened] = [opened(seed, path) for seed, path in partners.items()]
        if own.is_along_training:
            others.append(nullcontext((FINAL, pairs.final(network_itself), matches)))
        together.write(
            result,
            network_itself,
            others,
            maps=True,
            pairings=pairings,
            options=pair.Options(centrings, vectors, neighbours),
        )


def shown(
    name: str,
    measured: Measurements,
    load: Callable[[], "Trained | Recorded"],
    images: StoredImages,
    *,
    device: str,
) -> pairs.Member:
    """A network with its covariances, and its images.

    name: in words. measured: its open file of covariances. load: reads the network, if needed.
    """
    from latentdims.comparison import views  # torch

    loaded = cache(load)

    @cache
    def at(stage: int) -> dict[str, "View"]:
        place = list(loaded().epochs).index(measured.epochs[stage])
        return views.of(loaded(), place, images.splits, device=device)

    def view(split: str, stage: int) -> "View":
        return at(stage)[split]

    return pairs.Member(name, measured, view)
