"""A stored population of trained small networks, in which the coverage of intervals is measured.

    PYTHONPATH=. python tests/population.py

trains 300 networks with one hidden layer, from different seeds, on the leading principal components
of the embedded images, and writes weights and images into tests/population.npz (30 s on two cores).
What is stored is rounded, and the rounded networks are the population, so a library's last digits
do not matter. The stored file was made with torch 2.13.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_suffix(".npz")
NETWORKS = 300
INPUTS = 40  # principal components of an image
HIDDEN = 12
CLASSES = 10
TRAIN = 6000  # images; the first FITTED of them are stored, for the alignments
FITTED = 1000
POOL = 4000  # test images, from which test sets are drawn
EPOCHS = 15
STEP = 32  # stored images are whole multiples of 1 / STEP of a standard deviation

Array = NDArray[np.float32]


class Population(NamedTuple):
    """Images as inputs (N, INPUTS + 1), the last of them 1; networks with their biases."""

    train: Array  # (FITTED, INPUTS + 1)
    pool: Array  # (POOL, INPUTS + 1)
    labels: NDArray[np.int64]  # (POOL,)
    hidden: Array  # (NETWORKS, INPUTS + 1, HIDDEN)
    output: Array  # (NETWORKS, HIDDEN + 1, CLASSES)


def load() -> Population:
    """The stored population."""
    with np.load(FILE) as file:
        train, pool = (
            np.hstack([file[name] / np.float32(STEP), np.ones((len(file[name]), 1), np.float32)])
            for name in ("train", "pool")
        )
        weights = (file[name].astype(np.float32) for name in ("hidden", "output"))
        return Population(train, pool, file["labels"].astype(np.int64), *weights)


def images() -> tuple[NDArray[np.int8], NDArray, NDArray[np.int8], NDArray]:
    """Leading principal components of embedded images, whitened and rounded; and their classes."""
    from gathered import gathered

    from latentdims.images.sources import embedded

    arrays, _ = gathered(embedded.draw(train_samples=TRAIN, test_samples=POOL, seed=3))
    grey = [
        arrays[f"{split}/images"].reshape(-1, 3, 16, 2, 16, 2).mean((1, 3, 5)).reshape(-1, 256)
        for split in ("train", "test")
    ]
    mean = grey[0].mean(0)
    directions = np.linalg.svd(grey[0] - mean, full_matrices=False)[2][:INPUTS].T
    deviation = ((grey[0] - mean) @ directions).std(0)
    train, pool = (
        np.clip(np.rint((part - mean) @ directions / deviation * STEP), -127, 127).astype(np.int8)
        for part in grey
    )
    return train, arrays["train/labels"], pool, arrays["test/labels"]


def trained(inputs: NDArray[np.int8], labels: NDArray) -> list[Array]:
    """Weights of all networks, trained at once: hidden and output layer, biases in the last row."""
    import torch

    generator = torch.Generator().manual_seed(20)
    ones = torch.ones(len(inputs), 1)
    x, classes = torch.hstack([torch.tensor(inputs) / STEP, ones]), torch.tensor(labels)

    def layer(fan_in: int, width: int) -> torch.Tensor:
        uniform = torch.rand(NETWORKS, fan_in + 1, width, generator=generator) * 2 - 1
        return (uniform / fan_in**0.5).requires_grad_()

    hidden, output = layer(INPUTS, HIDDEN), layer(HIDDEN, CLASSES)
    optimiser = torch.optim.SGD([hidden, output], lr=0.05, momentum=0.9)
    for _ in range(EPOCHS):
        order = torch.stack([torch.randperm(TRAIN, generator=generator) for _ in range(NETWORKS)])
        for batch in order.split(100, dim=1):
            features = torch.relu(x[batch] @ hidden)
            scores = features @ output[:, :-1] + output[:, -1:]
            losses = torch.nn.functional.cross_entropy(
                scores.flatten(0, 1), classes[batch].flatten(), reduction="sum"
            )
            optimiser.zero_grad()
            (losses / 100).backward()
            optimiser.step()
    return [layer.detach().numpy() for layer in (hidden, output)]


if __name__ == "__main__":
    train, train_labels, pool, pool_labels = images()
    hidden, output = trained(train, train_labels)
    np.savez_compressed(
        FILE,
        train=train[:FITTED],
        pool=pool,
        labels=pool_labels.astype(np.int8),
        hidden=hidden.astype(np.float16),
        output=output.astype(np.float16),
    )
