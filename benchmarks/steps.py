"""Every step of the tutorial: the function behind the rule, and the plain one beside it."""

import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import operations
import plain
from operations import Operations
from torch.utils.data import DataLoader
from tutorial import Tutorial

from latentdims import (
    alignment,
    clipping,
    covariance,
    data,
    figures,
    generation,
    networks,
    training,
)
from latentdims.figures import style
from latentdims.stack import Stack
from latentdims.storage import SPLITS

SHARE = 16  # the plain way clips at one of so many ranks
Check = Callable[[Any, Any], float]


@dataclass(frozen=True)
class Step:
    """One step in both ways.

    plain: None where a notebook would do the same. scale: of the time that the plain one took,
    where it does a share of the work, but for what it does `once` whatever the share. agree: the
    difference of both results, which must not be above `tolerance`.
    """

    name: str
    ours: Callable[[], Any]
    plain: Callable[[], Any] | None = None
    scale: float = 1
    once: Callable[[], Any] = lambda: None
    operations: Operations | None = None
    agree: Check = lambda ours, plain: 0.0
    tolerance: float = 0.0


def steps(tutorial: Tutorial, archive: Path | None) -> Iterator[Step]:
    """All steps, in the order of the pipeline."""
    source = tutorial.resolved["datasets"]["cifar10"]
    if archive:
        yield _prepare(archive, source)
    for network in tutorial.resolved["networks"]:
        yield from _train(tutorial, network)
        yield _covariance(tutorial, network, partners=[])
        yield _covariance(tutorial, network, partners=[0])
        yield _align(tutorial, network)
        for basis in ("activation", "weight"):
            yield _clip(tutorial, network, basis)
        yield _generate(tutorial, network)
    yield Step("figures", ours=lambda: _draw_figures(tutorial))


def _prepare(archive: Path, source: Mapping[str, Any]) -> Step:
    return Step(
        "prepare",
        ours=lambda: _written(
            lambda output: data.prepare(output=output, source=source, files=[str(archive)]),
            "train/images",
        ),
        plain=lambda: plain.prepare(archive)["train"].transpose(0, 3, 1, 2),
        agree=lambda ours, theirs: float(abs(ours.mean(0) - theirs.mean(0)).max()),
        tolerance=1e-9,
    )


def _written(job: Callable[[Path], None], *names: str) -> Any:
    """What a job writes to a file, under some names."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output.h5"
        job(output)
        with h5py.File(output) as file:
            found = [file[name][()] for name in names]
    return found if len(found) > 1 else found[0]


def _largest(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    return max(
        float(np.max(np.abs(np.asarray(a) - np.asarray(b))))
        for a, b in zip(ours, theirs, strict=True)
    )


def _relative(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    return max(
        float(np.linalg.norm(a - np.asarray(b)) / np.linalg.norm(a))
        for a, b in zip(ours, theirs, strict=True)
    )


def _train(tutorial: Tutorial, network: str) -> Iterator[Step]:
    """The descent, the evaluation of what comes out of it, and the job that does both.

    The plain way of the job is the sum of the others, with an evaluation after each epoch.
    """
    settings = tutorial.settings(network, seed=0)
    layers = tutorial.layers(network)
    sizes = {split: len(tutorial.pictures(split)) for split in SPLITS}
    epochs = settings["training"]["epochs"]
    weights = networks.initial_weights(layers, seed=0, device="cpu")
    start = networks.Network(layers, weights)

    def descend() -> networks.Network:
        loaded = data.load(tutorial.images, preprocessing=settings["preprocessing"], device="cpu")
        stack = Stack.of([start])
        for _ in training.Descent(stack, settings["training"], seeds=[0]).epochs(loaded.train):
            pass
        return stack.network(0)

    def test_accuracy(network: Any) -> float:
        if isinstance(network, networks.Network):
            network = plain.model(layers, network.weights)
        return plain.accuracy(network, tutorial.pictures("test"))

    yield Step(
        f"descent, {network}",
        ours=descend,
        plain=lambda: plain.train(layers, tutorial.pictures("train"), settings),
        operations=operations.descent(layers, samples=epochs * sizes["train"]),
        # Rounding grows along 2000 steps, into another training: within three standard errors of
        # an accuracy on 10,000 images.
        agree=lambda ours, theirs: abs(test_accuracy(ours) - test_accuracy(theirs)),
        tolerance=1.5,
    )
    loaded = data.load(tutorial.images, preprocessing=settings["preprocessing"], device="cpu")
    yield Step(
        f"evaluate, {network}",
        ours=lambda: [networks.evaluate(start, getattr(loaded, split))[1] for split in SPLITS],
        plain=lambda: [
            plain.accuracy(plain.model(layers, weights), tutorial.pictures(split))
            for split in SPLITS
        ],
        operations=Operations(single=sum(sizes.values()) * operations.forward(layers)),
        agree=_largest,
        tolerance=0.05,  # in percent: images whose two best classes tie within rounding
    )
    yield Step(
        f"train, {network}",
        ours=lambda: _written(
            lambda output: training.train(
                images=tutorial.images, output=output, settings=settings, device="cpu"
            ),
            "history/test_accuracy",
        ),
        operations=operations.descent(layers, samples=epochs * sizes["train"])
        + Operations(single=(epochs + 1) * sum(sizes.values()) * operations.forward(layers)),
    )


def _covariance(tutorial: Tutorial, network: str, *, partners: Sequence[int]) -> Step:
    """Both stages and splits; the plain way passes over one stage, and its time is doubled."""
    seed = len(partners)
    layers = tutorial.layers(network)
    train, test = tutorial.pictures("train"), tutorial.pictures("test")
    names = [f"train/{layer.name}/{kind}" for layer in layers for kind in ("covariance", "mean")]
    names += [f"train/{layer.name}/cross_covariance/seed0" for layer in layers if partners]

    def job(output: Path) -> None:
        covariance.covariance(
            images=tutorial.images,
            network=tutorial.artefact(network, seed, "network"),
            partners={other: tutorial.artefact(network, other, "network") for other in partners},
            output=output,
            settings=tutorial.settings(network, seed=seed),
            device="cpu",
        )

    def passes() -> list[np.ndarray]:
        own = tutorial.model(network, seed)
        found = []
        for split in (test, train):
            moments = plain.second_moments(own, split)
            found = [moment.numpy() for moment in moments.values()]
            if partners:
                plain.cross_moments(tutorial.model(network, 0), own, split)
        return found

    def second_moments(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        pairs = zip(arrays[: 2 * len(layers) : 2], arrays[1 : 2 * len(layers) : 2], strict=True)
        return [covariance[-1] + np.outer(mean[-1], mean[-1]) for covariance, mean in pairs]

    return Step(
        f"{'cross-covariance, ' if partners else 'covariance, '}{network}",
        ours=lambda: _written(job, *names),
        plain=passes,
        scale=2,
        operations=operations.covariances(
            layers, samples=2 * (len(train) + len(test)), partners=len(partners)
        ),
        agree=lambda ours, theirs: _relative(second_moments(ours), theirs),
        tolerance=1e-4,  # of plain sums in float32
    )


def _align(tutorial: Tutorial, network: str) -> Step:
    layers = tutorial.layers(network)

    def aligned() -> list[float]:
        other, own = (
            {n: tutorial.second_moment(network, seed, x.name) for n, x in enumerate(layers)}
            for seed in range(2)
        )
        cross = {n: tutorial.cross_moment(network, x.name) for n, x in enumerate(layers)}
        return [score for score, _ in plain.align(other, own, cross).values()]

    return Step(
        f"align, {network}",
        ours=lambda: [
            scores[-1, 0, 0]
            for scores in _written(
                lambda output: alignment.align(
                    covariance=tutorial.artefact(network, 1, "covariance"),
                    partners={0: tutorial.artefact(network, 0, "covariance")},
                    output=output,
                    vectors=50,
                    settings=tutorial.settings(network, seed=1),
                ),
                *(f"seed0/{layer.name}/similarity" for layer in layers),
            )
        ],
        plain=aligned,
        agree=_largest,
        tolerance=1e-6,
    )


def _clip(tutorial: Tutorial, network: str, basis: str) -> Step:
    """Every rank of every layer; the plain way one of `SHARE`."""
    layers = tutorial.layers(network)
    clipped = layers if basis == "weight" else layers[:-1]
    test = tutorial.pictures("test")
    dimensions = [
        min(layer.fan_in, layer.channels) if basis == "weight" else layer.channels
        for layer in clipped
    ]
    ranks = [range(min(SHARE, size), size + 1, SHARE) for size in dimensions]

    def copies() -> list[list[float]]:
        model = tutorial.model(network, 0)
        return [
            plain.clip_weights(model, number, test, chosen)
            if basis == "weight"
            else plain.clip_activations(
                model, number, tutorial.second_moment(network, 0, layer.name), test, chosen
            )
            for number, (layer, chosen) in enumerate(zip(clipped, ranks, strict=True))
        ]

    def curves(output: Path) -> None:
        clipping.clip(
            images=tutorial.images,
            network=tutorial.artefact(network, 0, "network"),
            covariance=tutorial.artefact(network, 0, "covariance"),
            output=output,
            bases=[basis],
            ranks="all",
            settings=tutorial.settings(network, seed=0),
            device="cpu",
        )

    def ours() -> list[np.ndarray]:
        names = [f"{basis}/{layer.name}/accuracy" for layer in clipped]
        found = _written(curves, *names)
        return [
            accuracy[[rank - 1 for rank in chosen]]
            for accuracy, chosen in zip(found, ranks, strict=True)
        ]

    count = operations.clipped_weights if basis == "weight" else operations.clipped_activations
    return Step(
        f"clip {basis}s, {network}",
        ours=ours,
        plain=copies,
        scale=sum(dimensions) / sum(map(len, ranks)),
        once=lambda: [len(list(DataLoader(test, batch_size=plain.BATCH))) for _ in clipped],
        operations=count(layers, samples=len(test)),
        agree=_largest,
        tolerance=0.1,  # ten images of 10,000 whose two best classes tie within rounding
    )


def _generate(tutorial: Tutorial, network: str) -> Step:
    procedure = {**tutorial.resolved["generation"]["published"], "draws": 1, "classifiers": []}
    layers = tutorial.layers(network)
    train, test = tutorial.pictures("train"), tutorial.pictures("test")
    return Step(
        f"generate, {network}",
        ours=lambda: _written(
            lambda output: generation.generate(
                images=tutorial.images,
                network=tutorial.artefact(network, 0, "network"),
                others={},
                output=output,
                procedures={"published": procedure},
                settings=tutorial.settings(network, seed=0),
                device="cpu",
            ),
            "accuracy",
        ),
        plain=lambda: np.array([plain.generate(tutorial.model(network, 0), train, test, seed=0)]),
        operations=operations.generation(layers, train=len(train), test=len(test), draws=1),
        agree=lambda ours, theirs: _largest([ours], [theirs]),
        tolerance=0.5,
    )


def _draw_figures(tutorial: Tutorial) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for network in tutorial.resolved["networks"]:
            for name, kinds in figures.SOURCES.items():
                module = importlib.import_module(f"latentdims.figures.{name}")
                seeds = range(tutorial.resolved["seeds"])
                files = {
                    kind: [str(tutorial.artefact(network, seed, kind)) for seed in seeds]
                    for kind in kinds
                }
                path = Path(folder) / name
                style.save(
                    module.draw(files), svg=path.with_suffix(".svg"), pdf=path.with_suffix(".pdf")
                )
