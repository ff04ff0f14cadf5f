"""The mathematics of every artefact once more: slow, obvious, and without the package.

Everything is computed in float64 from all representations at once. A representation is an array
(images, channels, positions), of one position where there is no space.
"""

import math
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch
from forms import Array, Edits, Form, Rectifier, Weights
from numpy.typing import NDArray
from scipy import linalg, special, stats
from torch import nn

RIDGE = 1e-3  # of CCA, relative to the mean variance of a channel


# Networks


def preprocess(pixels: NDArray[np.uint8], mean: list[float], std: list[float]) -> Array:
    """(N, C, H, W) from 0 to 255, to what a network sees."""
    shape = (1, -1, 1, 1)
    return (pixels / 255 - np.reshape(mean, shape)) / np.reshape(std, shape)


def forward(
    weights: Weights, x: Array, form: Form, edits: Edits = MappingProxyType({})
) -> dict[str, Array]:
    """The output of every site, some of them edited."""
    return form.forward(weights, x, edits)


def flat(output: Array) -> Array:
    """(images, channels, positions)."""
    return output.reshape(*output.shape[:2], -1)


def cross_entropies(logits: Array, labels: NDArray) -> Array:
    """Of each image."""
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]


def right(logits: Array, labels: NDArray) -> Array:
    """100 where the class of an image is right, else 0."""
    return 100.0 * (logits.argmax(1) == labels)


def undecided(logits: Array, *, certain: float = 1e-4) -> Array:
    """(N,): whether an image could be taken to another class by what logits are not certain of,
    relative to the largest of the image: that of rounding in float32, unless told."""
    last, first = np.sort(logits, axis=1)[:, -2:].T
    size = np.abs(logits).max(1)
    return (first - last < certain * size) & (size > 0)


def calibration_error(logits: Array, labels: NDArray) -> float:
    """In percent, of 15 bins of confidence."""
    shares = special.softmax(logits, axis=1)
    confidence, correct = shares.max(1), shares.argmax(1) == labels
    error = 0.0
    for number in range(15):
        inside = (confidence >= number / 15) & (confidence < (number + 1) / 15)
        inside |= (number == 14) & (confidence == 1)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return 100 * error


# Random numbers, as they are documented


def torch_generator(seed: int, stream: int) -> torch.Generator:
    """Stream 0 of a seed draws its initial weights, stream 1 the order of its images."""
    state = np.random.SeedSequence([seed, stream]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)


def folds(images: int) -> NDArray[np.int64]:
    """The fold of each image: eight shares, as equal as can be, of one random order."""
    number = min(8, images // 2)
    found = np.zeros(images, dtype=np.int64)
    for place, image in enumerate(np.random.default_rng(0).permutation(images)):
        found[image] = place * number // images
    return found


def by_fold(values: Array) -> Array:
    """Mean over the images (N,) of each fold."""
    fold = folds(len(values))
    return np.array([values[fold == number].mean() for number in range(fold.max() + 1)])


def pairings(images: int, wanted: int) -> list[tuple[NDArray, NDArray]]:
    """What the partner and the network see: the same images, then pairings of unrelated ones.

    In each fold, in one random order, a network sees the image that stands p places further on.
    """
    order = torch.randperm(images, generator=torch.Generator().manual_seed(1)).numpy()
    fold = folds(images)
    members = [order[fold[order] == number] for number in range(fold.max() + 1)]
    possible = min(wanted, min(map(len, members)) - 1)
    theirs = np.concatenate(members)
    return [
        (theirs, np.concatenate([np.roll(each, -step) for each in members]))
        for step in range(possible + 1)
    ]


def near(x: Array, number: int) -> list[set[int]]:
    """The other images whose angle to each about the mean is least; x: (images, ...)."""
    rows = (x - x.mean(0)).reshape(len(x), -1)
    sizes = np.sqrt((rows**2).sum(1))
    angles = np.arccos(np.clip(rows @ rows.T / np.outer(sizes, sizes), -1, 1))
    found = []
    for image, row in enumerate(angles):
        others = [other for other in np.argsort(row) if other != image]
        found.append(set(others[:number]))
    return found


# Training


def initial(shapes: dict[str, tuple[int, ...]], seed: int) -> Weights:
    """Uniform in ±1/√fan-in."""
    generator = torch_generator(seed, 0)
    weights = {}
    for name, shape in shapes.items():
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        drawn = torch.empty(shape).uniform_(-bound, bound, generator=generator)
        weights[name] = drawn.double().numpy()
    return weights


def descend(
    weights: Weights,
    images: Array,
    labels: NDArray,
    *,
    form: Form,
    seed: int,
    options: dict[str, float],
    share: float = 0.0,
) -> list[tuple[Weights, Form]]:
    """The weights before training and after each epoch, by torch.optim.SGD, and the statistics,
    which first are those of all images. share: of `Rectifier`."""
    network, order = form.module(weights), torch_generator(seed, 1)
    for each in network.modules():
        if isinstance(each, Rectifier):
            each.share = share
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=options["learning_rate"],
        momentum=options["momentum"],
        weight_decay=options["weight_decay"],
    )
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    for norm in network.modules():
        norm.momentum = 1.0
    with torch.no_grad():
        network(x)
    for norm in network.modules():
        norm.momentum = 0.1
    found = [(weights, form.of(network))]
    for _ in range(int(options["epochs"])):
        for batch in torch.randperm(len(y), generator=order).split(int(options["batch_size"])):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimiser.step()
        matrices = [each for each in network.parameters() if each.ndim > 1]
        kept = [each.detach().numpy().copy() for each in matrices]
        found.append((dict(zip(weights, kept, strict=True)), form.of(network)))
    return found


# Moments and alignment


def centred(x: Array, centring: str) -> Array:
    """A representation without its mean, over everything or at each position."""
    if centring == "uncentred":
        return x
    return x - x.mean((0, 2) if centring == "centred" else 0, keepdims=True)


def moment(x: Array, y: Array, centring: str = "centred") -> Array:
    """E[φ ψᵀ] of two representations (images, channels, positions), (C, D)."""
    x, y = (centred(each, centring) for each in (x, y))
    return np.einsum("ncp,ndp->cd", x, y, optimize=True) / (len(x) * x.shape[2])


def rotated(x: Array, turn: Array) -> Array:
    """Channels (images, C, positions) through a rotation (C, D)."""
    return np.einsum("ncp,cd->ndp", x, turn, optimize=True)


def rotation(cross: Array) -> Array:
    """The orthogonal factor of the polar decomposition."""
    return linalg.polar(cross)[0]


def cosine(x: Array, y: Array, turn: Array, centring: str = "uncentred") -> float:
    """Between φ A and ψ over all images, channels and positions."""
    x, y = (centred(each, centring) for each in (x, y))
    aligned = rotated(x, turn)
    return float((aligned * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def eigenvectors(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues, descending, and eigenvectors in columns."""
    values, vectors = np.linalg.eigh(symmetric)
    return values[::-1], vectors[:, ::-1]


def weight_eigenvectors(weight: Array) -> tuple[Array, Array]:
    """Of WᵀW / n, as many as are not zero."""
    matrix = weight.reshape(len(weight), -1)
    values, vectors = eigenvectors(matrix.T @ matrix / len(matrix))
    return values[: min(matrix.shape)], vectors[:, : min(matrix.shape)]


def on_patches(turn: Array, positions: int) -> Array:
    """A rotation of channels (C, D) as one of flattened patches, (C·positions, D·positions)."""
    return np.kron(turn, np.eye(positions))


def spans(cosines: Array) -> Array:
    """How much the spans of the first k vectors share, for every k."""
    return np.array([(cosines[:k, :k] ** 2).sum() / k for k in range(1, min(cosines.shape) + 1)])


def inner(covariances: list[Array]) -> Array:
    """(F,): the mean inner product of each with those of other folds."""
    return np.array(
        [
            np.mean([(one * other).sum() for j, other in enumerate(covariances) if j != i])
            for i, one in enumerate(covariances)
        ]
    )


def whitening(covariance: Array) -> Array:
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    return np.linalg.inv(linalg.sqrtm(covariance + ridge * np.eye(len(covariance))).real)


# Clipping


def clipped(output: Array, project: Array, mean: Array | None) -> Array:
    """The output of a layer where a projection (C, C) keeps some of it, around a mean (C,)."""
    middle = np.zeros(len(project)) if mean is None else mean
    x = flat(output) - middle[:, None]
    return (rotated(x, project) + middle[:, None]).reshape(output.shape)


# Generation


def factor(weight: Array) -> Array:
    """S Vᵀ / √n of W = U S Vᵀ, in float64; the signs are those of LAPACK."""
    matrix = weight.reshape(len(weight), -1)
    _, singular, transposed = np.linalg.svd(matrix, full_matrices=False)
    return np.diag(singular) @ transposed / math.sqrt(len(matrix))


def read_through(weight: Array, turn: Array) -> Array:
    """Weights (out, C, ...) that read channels through a rotation (C, D), for its other width."""
    out, (channels, width) = len(weight), turn.shape
    patches = weight.reshape(out, channels, -1)
    found = np.einsum("ocp,cd->odp", patches, turn) * math.sqrt(channels / width)
    if weight.ndim == 4:
        return found.reshape(out, width, *weight.shape[2:])
    return found.reshape(out, -1)


def chance_cosine(dimension: int) -> float:
    """|cosine| that 95 % of random directions stay below: cosine² is Beta(1/2, (d - 1)/2)."""
    return math.sqrt(stats.beta.ppf(0.95, 0.5, (dimension - 1) / 2))


def identified(vectors: Array, folds: list[Array]) -> NDArray[np.bool_]:
    """Whether each eigenvector differs from its neighbours: on their plane, the mean over folds of
    ((a - b) / 2, c), of the moment [[a, c], [c, b]], is not zero (Box 1954)."""
    apart = []
    for one, next_one in pairwise(vectors.T):
        points = np.array(
            [((one @ f @ one - next_one @ f @ next_one) / 2, one @ f @ next_one) for f in folds]
        )
        spread = np.cov(points, rowvar=False)
        freedom = np.trace(spread) ** 2 / (spread**2).sum()
        ratio = len(folds) * (points.mean(0) ** 2).sum() / np.trace(spread)
        apart.append(stats.f.cdf(ratio, freedom, freedom * (len(folds) - 1)) > 0.95)
    return np.array([all(each) for each in zip([True, *apart], [*apart, True], strict=True)])
