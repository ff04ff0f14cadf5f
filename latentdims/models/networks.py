"""Networks: modules read at named sites, and the files they come from."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from latentdims import broken, storage
from latentdims.images.preprocessing import Affine
from latentdims.models import architecture, families, responses
from latentdims.models.architecture import Architecture, Site
from latentdims.models.blocks import Block, initialise

Visit = Callable[[Tensor], Tensor | None]  # of the representation at a site


@dataclass(frozen=True)
class Network:
    """A module in evaluation mode, with its parameters and buffers, and its architecture."""

    architecture: Architecture
    module: nn.Module

    @cached_property
    def blocks(self) -> dict[str, Block]:
        """Blocks by site, for a chain; else empty."""
        names = [site.name for site in self.architecture.sites]
        parts = dict(self.module.named_children())
        chained = isinstance(self.module, nn.Sequential) and list(parts) == names
        found = {name: part for name, part in parts.items() if isinstance(part, Block)}
        return found if chained and len(found) == len(parts) else {}

    @property
    def last(self) -> Block:
        """The classifier of a chain."""
        return list(self.blocks.values())[-1]

    @property
    def weights(self) -> dict[str, Tensor]:
        """Learned maps by name, as they are in the module."""
        return {
            weight.name: self.module.get_parameter(weight.tensor).detach()
            for weight in self.architecture.weights
        }

    def replaced(self, weights: Mapping[str, Tensor]) -> "Network":
        """A copy with some other weights, by name."""
        module = copy.deepcopy(self.module)
        for weight in self.architecture.weights:
            if weight.name in weights:
                module.get_parameter(weight.tensor).data = weights[weight.name]
        return Network(self.architecture, module)

    def representations(self, images: Tensor) -> Iterator[tuple[Site, Tensor]]:
        """Each site with its representation (N, C, ...), in order, of images (N, C, H, W)."""
        if not self.blocks:
            sites, seen = self.architecture.sites, dict[str, Tensor]()
            with self.visited({site.name: partial(seen.__setitem__, site.name) for site in sites}):
                self.module(images)
            yield from ((site, seen[site.name].movedim(site.axis, 1)) for site in sites)
        x = images
        for name, block in self.blocks.items():
            x = block(x)
            yield self.architecture.site(name), x

    @contextmanager
    def visited(self, at: Mapping[str, Visit]) -> Iterator[None]:
        """Call a visitor with the representation at each of several sites, whenever the module
        runs. If it returns a tensor, that is used in place of the representation."""
        with ExitStack() as hooks:
            for name, visit in at.items():
                module = self.module.get_submodule(self.architecture.site(name).module)
                hook = module.register_forward_hook(lambda _, __, seen, visit=visit: visit(seen))
                hooks.callback(hook.remove)
            yield

    def split_before(self, module: str) -> tuple[nn.Module, nn.Module]:
        """The part of a Sequential before a submodule, and the rest; for other modules, everything
        is the rest."""
        if type(self.module) is not nn.Sequential:
            return nn.Identity(), self.module
        first = [name for name, _ in self.module.named_children()].index(module.split(".")[0])
        return self.module[:first], self.module[first:]

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """What the classifier of a chain reads."""
        x = images
        for block in list(self.blocks.values())[:-1]:
            x = block(x)
        return x

    def logits(self, x: Tensor, *, after: str | None = None) -> Tensor:
        """(N, classes), for images, or for the representation at a site of a chain."""
        if after is None:
            return self.module(x)
        names = list(self.blocks)
        for name in names[names.index(after) + 1 :]:
            x = self.blocks[name](x)
        return x


def build(
    settings: Mapping[str, Any], *, image_shape: tuple[int, int, int], classes: int
) -> Network:
    """A network with these settings, without values in its tensors."""
    described = families.described(settings, image_shape=image_shape, classes=classes)
    return Network(described, module_of(settings, described))


def module_of(settings: Mapping[str, Any], described: Architecture) -> nn.Module:
    """The module of a network that is described already."""
    family = families.of(settings)
    module = family.build(image_shape=described.image_shape, classes=described.classes)
    return module.requires_grad_(False).eval()


def initial(
    settings: Mapping[str, Any],
    *,
    image_shape: tuple[int, int, int],
    classes: int,
    seed: int,
    device: str = "cpu",
) -> Network:
    """The network at the start of training. Modules of users draw their weights themselves."""
    generator = torch_generator(seed, stream=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator.initial_seed())
        network = build(settings, image_shape=image_shape, classes=classes)
    if not families.is_brought(settings):
        initialise(network.module, generator)
    return Network(network.architecture, network.module.to(device))


def torch_generator(seed: int, *, stream: int) -> torch.Generator:
    """A CPU generator for one of the independent random streams of a seed."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) & (2**63 - 1))


def file_names(network: Architecture, tensors: Iterable[str]) -> dict[str, str]:
    """The name of each tensor of a module in a network file: weights/<name>, or state/<name>."""
    weights = {weight.tensor: f"weights/{weight.name}" for weight in network.weights}
    return {name: weights.get(name, f"state/{name}") for name in tensors}


def axes(name: str, number: int) -> Sequence[str]:
    """Names of the axes of a tensor in a network file: epochs first, then its own, such as
    `neuron_layer1`."""
    others: tuple[str, ...] = ("neuron", "channel", "row", "column")
    if name.startswith("state/"):
        others = ("channel", "part", "row", "column")
    elif number == 3:
        others = ("neuron", "input")
    own = name.rpartition("/")[2]
    return ("epoch", *(f"{each}_{own}" for each in others[: number - 1]))


@dataclass(frozen=True)
class Trained:
    """A network file in memory: settings, architecture, and tensors at every kept epoch.

    tensors: (E, ...) by their names in the module. epochs: (E,), first 0 if untrained weights are
    known. affine: the preprocessing of its training.
    """

    settings: Mapping[str, Any]
    architecture: Architecture
    epochs: np.ndarray
    tensors: dict[str, np.ndarray]
    affine: Affine

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """Learned maps (E, ...) by name."""
        return {each.name: self.tensors[each.tensor] for each in self.architecture.weights}

    def at(self, epoch: int, *, device: str) -> Network:
        """The network at one index of the axis of epochs: -1 is trained."""
        module = module_of(self.settings, self.architecture)
        module.load_state_dict(
            {
                name: torch.from_numpy(np.asarray(values[epoch]))
                for name, values in self.tensors.items()
            }
        )
        return Network(self.architecture, module.to(device))


def stored(file: h5py.File, network: Architecture) -> dict[str, np.ndarray]:
    """The tensors (E, ...) of an open network file, by their names in the module."""
    weights = {each.tensor: file[f"weights/{each.name}"][()] for each in network.weights}
    return weights | storage.arrays(file, "state")


@dataclass(frozen=True)
class Recorded:
    """A network file with responses only, at one epoch.

    responses: (N, ...) by `<split>/<site>`, read from the file on demand. affine: the preprocessing
    of the data set, which does not affect responses. sha256: of its images.
    """

    architecture: Architecture
    epochs: np.ndarray
    responses: dict[str, np.ndarray]
    affine: Affine
    sha256: str

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """There are none."""
        return {}

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """All that is known of it."""
        return self.responses


def load(
    path: str | Path, *, settings: Mapping[str, Any], sha256: str | None
) -> "Trained | Recorded":
    """Read a network file, and check that it is the requested one.

    settings: of the network; they must match except for the sites. sha256: of the data set that it
    must have seen, or None for any. Raises InputError naming the file and the difference.
    """
    made_with = {**settings, "network": families.as_trained(settings["network"])}
    with storage.read(
        path, needs=["epochs", "weights", "history", "preprocessing"], made_with=made_with
    ) as file:
        if sha256 is not None and file.attrs["images_sha256"] != sha256:
            broken.refuse(
                Path(path),
                f"was trained on other images (sha256 {file.attrs['images_sha256'][:12]}…) than "
                f"the data set of today ({sha256[:12]}…)",
            )
        found = architecture.read(file)
        if responses.are_given(settings["network"]):
            return Recorded(
                found,
                file["epochs"][()],
                responses.mapped(file),
                Affine.read(file),
                str(file.attrs["images_sha256"]),
            )
        tensors = stored(file, found)
        if families.is_brought(settings["network"]):
            found = families.described(
                settings["network"], image_shape=found.image_shape, classes=found.classes
            )
        affine = Affine.read(file)
        return Trained(settings["network"], found, file["epochs"][()], tensors, affine)
