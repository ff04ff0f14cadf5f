"""The steps of the tutorial as a notebook writes them: what the pipeline is measured against.

Images go one by one through transforms in a data loader, a covariance is a pass over them, a rank
is a copy of the network. Initial weights, order of samples and random numbers are the pipeline's,
so that results must agree.
"""

import copy
import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from latentdims import torchvision
from latentdims.models.blocks import Convolution
from latentdims.models.networks import Network, torch_generator

torchvision.load("datasets")  # after which torchvision can be imported
from torchvision import transforms  # noqa: E402

BATCH = 128
Moments = dict[int, Tensor]  # by number of the layer


class Pictures(Dataset):
    """One split of a prepared data set, picture by picture."""

    def __init__(self, path: Path, split: str, preprocessing: Mapping[str, Any]) -> None:
        with h5py.File(path) as file:
            self.pictures = file[f"{split}/images"][()].transpose(0, 2, 3, 1)
            self.labels = file[f"{split}/labels"][()]
        steps = {
            "normalize": transforms.Normalize(preprocessing["mean"], preprocessing["std"]),
            "gray": transforms.Grayscale(),
        }
        chosen = [steps[step] for step in preprocessing["steps"]]
        self.transform = transforms.Compose([transforms.ToTensor(), *chosen])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pictures[index])), int(self.labels[index])


def prepare(archive: Path) -> dict[str, np.ndarray]:
    """Pictures of an archive train/<class>/<picture>, one after another."""
    found: dict[str, list[np.ndarray]] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                split = Path(member.name).parts[-3]
                picture = Image.open(io.BytesIO(tar.extractfile(member).read()))
                found.setdefault(split, []).append(np.array(picture.convert("RGB")))
    return {split: np.stack(pictures) for split, pictures in found.items()}


def model(network: Network) -> nn.Sequential:
    """A chain in PyTorch's own modules; ReLU follows each block but the last."""
    modules: list[nn.Module] = []
    for block in network.blocks.values():
        weight = block.map.weight
        if isinstance(block.map, Convolution):
            out, inputs, *kernel = weight.shape
            learned = nn.Conv2d(inputs, out, kernel, stride=block.map.stride, bias=False)
        else:
            modules.append(nn.Flatten())
            learned = nn.Linear(weight.shape[1], len(weight), bias=False)
        with torch.no_grad():
            learned.weight.copy_(weight)
        modules += [learned, nn.ReLU()]
    return nn.Sequential(*modules[:-1]).to(weight.device)


def batches(
    pictures: Pictures, network: nn.Module, *, size: int = BATCH, order: Sequence[int] | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels, where the network is."""
    device = next(network.parameters()).device
    for images, labels in DataLoader(pictures, batch_size=size, sampler=order):
        yield images.to(device), labels.to(device)


def weighted(network: nn.Sequential) -> list[nn.Module]:
    """The modules that have weights."""
    return [module for module in network if hasattr(module, "weight")]


def train(initial: Network, train: Pictures, settings: Mapping[str, Any]) -> nn.Sequential:
    """The trained network."""
    options = settings["training"]
    network = model(initial)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=options["learning_rate"], momentum=options["momentum"]
    )
    generator = torch_generator(settings["seed"], stream=1)
    for _ in range(options["epochs"]):
        order = torch.randperm(len(train), generator=generator).tolist()
        correct, losses = 0, 0.0
        for images, labels in batches(train, network, size=options["batch_size"], order=order):
            logits = network(images)
            loss = nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(labels)
            correct += (logits.argmax(1) == labels).sum().item()
    return network


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Pictures) -> float:
    """In percent."""
    correct = 0
    for images, labels in batches(pictures, network):
        correct += (network(images).argmax(1) == labels).sum().item()
    return 100 * correct / len(pictures)


def representations(network: nn.Sequential, images: Tensor) -> Iterator[Tensor]:
    """Rows (n, C) of each layer, after its non-linearity; positions in space are rows."""
    outputs: list[Tensor] = []
    ends = (nn.ReLU, type(network[-1]))
    handles = [
        module.register_forward_hook(lambda _, __, output: outputs.append(output))
        for module in [*(m for m in network if isinstance(m, nn.ReLU)), network[-1]]
        if isinstance(module, ends)
    ]
    network(images)
    for handle in handles:
        handle.remove()
    for output in outputs:
        yield output if output.ndim == 2 else output.permute(0, 2, 3, 1).flatten(0, 2)


@torch.no_grad()
def second_moments(network: nn.Sequential, pictures: Pictures) -> Moments:
    """E[φ φᵀ] of every layer, in a pass."""
    sums: Moments = {}
    rows: dict[int, int] = {}
    for images, _ in batches(pictures, network):
        for number, x in enumerate(representations(network, images)):
            sums[number] = sums.get(number, 0) + x.T @ x
            rows[number] = rows.get(number, 0) + len(x)
    return {number: total / rows[number] for number, total in sums.items()}


@torch.no_grad()
def cross_moments(network: nn.Sequential, other: nn.Sequential, pictures: Pictures) -> Moments:
    """E[φ ψᵀ] of every layer of two networks, in a pass."""
    shown = ((images, images) for images, _ in batches(pictures, network))
    return _cross_moments(network, other, shown)


@torch.no_grad()
def unrelated_moments(
    network: nn.Sequential,
    other: nn.Sequential,
    pictures: Pictures,
    folds: Iterable[Sequence[int]],
) -> Moments:
    """The same where the other one sees the next image of the same fold, in a circle."""
    circles = [[*fold, fold[0]] for fold in folds]
    chosen = [x[at : at + BATCH + 1] for x in circles for at in range(0, len(x) - 1, BATCH)]
    device = next(network.parameters()).device
    loader = DataLoader(pictures, batch_sampler=chosen)
    shown = ((images[:-1].to(device), images[1:].to(device)) for images, _ in loader)
    return _cross_moments(network, other, shown)


def _cross_moments(
    network: nn.Sequential, other: nn.Sequential, shown: Iterable[tuple[Tensor, Tensor]]
) -> Moments:
    sums: Moments = {}
    rows: dict[int, int] = {}
    for images, seen in shown:
        pairs = zip(representations(network, images), representations(other, seen), strict=True)
        for number, (x, y) in enumerate(pairs):
            sums[number] = sums.get(number, 0) + x.T @ y
            rows[number] = rows.get(number, 0) + len(x)
    return {number: total / rows[number] for number, total in sums.items()}


def rotation(cross: Tensor) -> Tensor:
    """A = U Vᵀ of E[φ ψᵀ] = U S Vᵀ."""
    left, _, right = torch.linalg.svd(cross, full_matrices=False)
    return left @ right


def null(own: Moments, other: Moments, cross: Mapping[str, Moments]) -> dict[int, list[float]]:
    """Similarity of each layer on unrelated images, by split; rotations are of the training images,
    of which all powers are taken."""
    found: dict[int, list[float]] = {}
    for number, moment in cross["train"].items():
        aligned = rotation(moment)
        power = torch.trace(own[number]) * torch.trace(other[number])
        shared = [(split[number] * aligned).sum() for split in cross.values()]
        found[number] = [(each / power.sqrt()).item() for each in shared]
    return found


def align(own: Moments, other: Moments, cross: Moments) -> dict[int, tuple[float, np.ndarray]]:
    """Similarity of each layer, and the overlap of spans of eigenvectors for every k."""
    found = {}
    for number, moment in cross.items():
        aligned = rotation(moment.double())
        power = torch.trace(own[number]).double() * torch.trace(other[number]).double()
        score = ((moment * aligned).sum() / power.sqrt()).item()
        vectors, partners = (
            torch.linalg.eigh(each[number].double())[1].flip(1) for each in (own, other)
        )
        spans = [
            ((vectors[:, :k].T @ aligned @ partners[:, :k]) ** 2).sum().item() / k
            for k in range(1, len(aligned) + 1)
        ]
        found[number] = score, np.array(spans)
    return found


@torch.no_grad()
def clip_activations(
    network: nn.Sequential, number: int, moment: Tensor, pictures: Pictures, ranks: Sequence[int]
) -> list[float]:
    """Accuracy where layer `number` keeps the first k dimensions: a copy for each rank."""
    vectors = torch.linalg.eigh(moment.double())[1].flip(1).float()
    copies = []
    for rank in ranks:
        copies.append(copy.deepcopy(network))
        weight = weighted(copies[-1])[number + 1].weight
        projector = vectors[:, :rank] @ vectors[:, :rank].T
        by_channel = weight.reshape(len(weight), len(projector), -1)
        weight.copy_(torch.einsum("ocp,cd->odp", by_channel, projector).reshape(weight.shape))
    return _accuracies(copies, pictures)


@torch.no_grad()
def clip_weights(
    network: nn.Sequential, number: int, pictures: Pictures, ranks: Sequence[int]
) -> list[float]:
    """Accuracy where the weights of layer `number` keep the first k dimensions."""
    flat = weighted(network)[number].weight.flatten(1)
    vectors = torch.linalg.svd(flat.double(), full_matrices=False)[2].T.float()
    copies = []
    for rank in ranks:
        copies.append(copy.deepcopy(network))
        weight = weighted(copies[-1])[number].weight
        projector = vectors[:, :rank] @ vectors[:, :rank].T
        weight.copy_((flat @ projector).reshape(weight.shape))
    return _accuracies(copies, pictures)


def _accuracies(networks: Sequence[nn.Module], pictures: Pictures) -> list[float]:
    correct = [0] * len(networks)
    for images, labels in batches(pictures, networks[0]):
        for number, network in enumerate(networks):
            correct[number] += (network(images).argmax(1) == labels).sum().item()
    return [100 * each / len(pictures) for each in correct]


@torch.no_grad()
def generate(
    network: nn.Sequential, train: Pictures, test: Pictures, *, seed: int, flattened: bool = False
) -> list[float]:
    """Accuracy of a network drawn from the weight covariances, with a pass for each layer.

    flattened: then also with the classifier aligned over all features of an image, in a last pass.
    """
    drawn = copy.deepcopy(network)
    modules = list(zip(weighted(network), weighted(drawn), strict=True))
    aligned = torch.eye(train[0][0].shape[0], device=modules[0][0].weight.device)
    for level, (reference, module) in enumerate(modules):
        weight = reference.weight
        if level < len(modules) - 1:
            flat = weight.flatten(1).double().cpu().numpy()
            _, singular, right = np.linalg.svd(flat, full_matrices=False)
            generator = np.random.default_rng([seed, 0, level])
            white = generator.standard_normal((len(flat), len(singular)))
            rows = white @ (singular[:, None] * right) / np.sqrt(len(flat))
            weight = torch.from_numpy(rows).float().reshape(weight.shape).to(weight.device)
        by_channel = weight.reshape(len(weight), len(aligned), -1)
        read = torch.einsum("ocp,cd->odp", by_channel, aligned).reshape(weight.shape)
        module.weight.copy_(read)
        if level < len(modules) - 1:
            aligned = _alignment(network, drawn, train, level)
    accuracies = [accuracy(drawn, test)]
    if flattened:
        drawn[-1].weight.copy_(network[-1].weight @ _alignment(network, drawn, train))
        accuracies.append(accuracy(drawn, test))
    return accuracies


def _alignment(
    network: nn.Sequential, drawn: nn.Sequential, train: Pictures, level: int | None = None
) -> Tensor:
    """Rotation of a layer, or without `level` of what the classifier sees."""
    total: Tensor | int = 0
    for images, _ in batches(train, network):
        x, y = (
            each[:-1](images) if level is None else list(representations(each, images))[level]
            for each in (network, drawn)
        )
        total = total + x.T @ y
    return rotation(total)
