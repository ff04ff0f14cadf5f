"""The representations of a member of a comparison, for images given by index."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims.images.data import Stored
from latentdims.models.architecture import Architecture, Site
from latentdims.models.networks import Network, Recorded, Trained

Made = TypeVar("Made")
Levels = Iterator[tuple[Site, Tensor]]
Matches = Mapping[str, tuple[str, str]]  # by layer in files: the partner's site, and its own


class View(Protocol):
    """A member at one epoch, with the images of one split."""

    @property
    def architecture(self) -> Architecture:
        """Its sites."""
        ...

    @property
    def device(self) -> str:
        """Where it computes representations."""
        ...

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def representations(self, samples: Tensor) -> Levels:
        """Each site with its representation (n, C, ...), in order, for images by index (n,)."""
        ...


@dataclass(frozen=True)
class NetworkView:
    """A network, and its preprocessed images (N, C, H, W)."""

    network: Network
    images: Tensor | Stored

    @property
    def architecture(self) -> Architecture:
        """Of the network."""
        return self.network.architecture

    @property
    def device(self) -> str:
        """Where the images are."""
        return str(self.images.device)

    def __len__(self) -> int:
        return len(self.images)

    def representations(self, samples: Tensor) -> Levels:
        """As `View` has it."""
        return self.network.representations(self.images[samples])


@dataclass(frozen=True)
class ResponsesView:
    """Recorded responses to the images of one split."""

    recorded: Recorded
    split: str
    device: str

    @property
    def architecture(self) -> Architecture:
        """Sites only."""
        return self.recorded.architecture

    def __len__(self) -> int:
        return len(self._of(self.architecture.sites[0]))

    def _of(self, site: Site) -> NDArray[np.float32]:
        return self.recorded.responses[f"{self.split}/{site.name}"]

    def representations(self, samples: Tensor) -> Levels:
        """As `View` has it."""
        for site in self.architecture.sites:
            rows = self._of(site)[samples.cpu().numpy()]
            yield site, torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)


def of(
    loaded: Trained | Recorded, epoch: int, images: Mapping[str, Stored], *, device: str
) -> dict[str, View]:
    """Views of a member at one index of its epochs, by split."""
    if isinstance(loaded, Recorded):
        return {split: ResponsesView(loaded, split, device) for split in images}
    network = loaded.at(epoch, device=device)
    return {split: NetworkView(network, stored) for split, stored in images.items()}


@dataclass(frozen=True)
class Averaged:
    """A view whose representations are averaged over positions."""

    view: View

    @property
    def architecture(self) -> Architecture:
        """Its sites, without positions."""
        found = self.view.architecture
        sites = [replace(site, shape=(site.channels,), axis=1) for site in found.sites]
        return replace(found, sites=tuple(sites))

    @property
    def device(self) -> str:
        """As `View` has it."""
        return self.view.device

    def __len__(self) -> int:
        return len(self.view)

    def representations(self, samples: Tensor) -> Levels:
        """As `View` has it."""
        for site, found in self.view.representations(samples):
            yield site, found.flatten(2).mean(2) if found.ndim > 2 else found


def same_sites(of: Architecture) -> Matches:
    """Pair each site with the same site of a partner."""
    return {site.name: (site.name, site.name) for site in of.sites}


class Walk(Generic[Made]):
    """The sites of a view in order; each result is kept as long as it is needed."""

    def __init__(
        self, levels: Levels, make: Callable[[Tensor], Made], taken: Iterable[str]
    ) -> None:
        """taken: names of sites, each as often as `take` will ask for it."""
        self._levels, self._make, self._taken = levels, make, Counter(taken)
        self._made: dict[str, Made] = {}

    def take(self, site: str) -> Made:
        """The result for a representation."""
        while site not in self._made:
            found, representation = next(self._levels)
            if self._taken[found.name]:
                self._made[found.name] = self._make(representation)
        self._taken[site] -= 1
        return self._made[site] if self._taken[site] else self._made.pop(site)
