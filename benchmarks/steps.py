"""Every step of the tutorial: the function behind the rule, and the plain one beside it."""

import importlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import operations, plain
from benchmarks.interventions import clip, generate
from benchmarks.operations import Operations
from benchmarks.step import Step, largest, relative, written
from benchmarks.tutorial import Tutorial
from latentdims.comparison import unrelated
from latentdims.figures import catalogue, style
from latentdims.images import data
from latentdims.models import outputs
from latentdims.recipes.descent import Descent
from latentdims.recipes.stack import Stack
from latentdims.steps import alignment, covariance, summary, training
from latentdims.steps.prepare import prepare
from latentdims.storage import SPLITS


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
            yield clip(tutorial, network, basis)
        yield generate(tutorial, network)
    yield Step("figures", ours=lambda: _draw(tutorial))
    yield Step("summary", ours=lambda: _summarise(tutorial), alone=True)


def operations_of_all(tutorial: Tutorial) -> Operations:
    """Of all jobs of the workflow."""
    options = tutorial.resolved
    train, test = len(tutorial.train), len(tutorial.test)
    counted = []
    for network in options["networks"]:
        layers = tutorial.layers(network)
        for seed in range(options["seeds"]):
            counted += [
                _training(tutorial, network),
                operations.covariances(layers, samples=2 * (train + test), partners=seed),
                _unrelated(tutorial, network, partners=seed),
                operations.clipped_activations(layers, samples=test),
                operations.clipped_activations(layers, samples=test),  # in a random basis
                operations.clipped_weights(layers, samples=test),
                operations.generation(
                    layers,
                    train=train,
                    test=test,
                    draws=tutorial.draws,
                    flattened=tutorial.flattens(network),
                ),
            ]
    return operations.total(counted)


def _training(tutorial: Tutorial, network: str) -> Operations:
    """The descent, and the evaluations of both splits before it and after each epoch."""
    layers, epochs = tutorial.layers(network), tutorial.resolved["training"]["epochs"]
    train, test = len(tutorial.train), len(tutorial.test)
    evaluations = (epochs + 1) * (train + test) * operations.forward(layers)
    return operations.descent(layers, samples=epochs * train) + Operations(single=evaluations)


def _prepare(archive: Path, source: Mapping[str, Any]) -> Step:
    return Step(
        "prepare",
        ours=lambda: written(
            lambda output: prepare(output=output, source=source, files=[str(archive)]),
            "train/images",
        ),
        plain=lambda: [plain.prepare(archive)["train"].transpose(0, 3, 1, 2)],
        alone=True,
        agree=lambda ours, theirs: largest([ours[0].mean(0)], [theirs[0].mean(0)]),
        tolerance=1e-9,
    )


def _train(tutorial: Tutorial, network: str) -> Iterator[Step]:
    """The descent, the evaluation of what comes out of it, and the job that does both.

    The plain way of the job is the sum of the others, with an evaluation after each epoch.
    """
    settings = tutorial.settings(network, seed=0)
    layers = tutorial.layers(network)
    splits = (tutorial.train, tutorial.test)
    start = tutorial.initial(network)

    def descend() -> dict[str, np.ndarray]:
        loaded = data.load(
            tutorial.images, preprocessing=settings["preprocessing"], device=tutorial.device
        )
        stack = Stack([start])
        for _ in Descent(stack, settings["training"], seeds=[0]).steps(loaded.train):
            pass
        return {name: x.cpu().numpy() for name, x in stack.network(0).weights.items()}

    def difference(ours: Mapping[str, np.ndarray], theirs: torch.nn.Sequential) -> float:
        trained = {name: torch.from_numpy(weight) for name, weight in ours.items()}
        accuracies = [
            plain.accuracy(each, tutorial.test)
            for each in (plain.model(start.replaced(trained)), theirs)
        ]
        return abs(accuracies[0] - accuracies[1])

    yield Step(
        f"descent, {network}",
        ours=descend,
        plain=lambda: plain.train(start, tutorial.train, settings),
        operations=operations.descent(
            layers, samples=settings["training"]["epochs"] * len(tutorial.train)
        ),
        # Rounding grows along 2000 steps, into another training: within three standard errors of
        # an accuracy on 10,000 images.
        agree=difference,
        tolerance=1.5,
    )
    yield Step(
        f"evaluate, {network}",
        ours=lambda: [
            outputs.evaluate(start, getattr(tutorial.loaded, split))[1] for split in SPLITS
        ],
        plain=lambda: [plain.accuracy(plain.model(start), split) for split in splits],
        operations=Operations(single=sum(map(len, splits)) * operations.forward(layers)),
        agree=largest,
        tolerance=0.05,  # in percent: images whose two best classes tie within rounding
    )
    yield Step(
        f"train, {network}",
        ours=lambda: written(
            lambda output: training.train(
                images=tutorial.images, output=output, settings=settings, device=tutorial.device
            )
        ),
        operations=_training(tutorial, network),
    )


def _covariance(tutorial: Tutorial, network: str, *, partners: Sequence[int]) -> Step:
    """Both stages and splits; the plain way passes over one stage, and its time is doubled."""
    seed = len(partners)
    layers = tutorial.layers(network)
    train, test = tutorial.train, tutorial.test
    kinds = ["covariance", "mean", *(f"cross_covariance/seed{other}" for other in partners)]
    names = [f"train/{layer.name}/{kind}" for kind in kinds for layer in layers]

    def job(output: Path) -> None:
        covariance.covariance(
            images=tutorial.images,
            network=tutorial.artefact(network, seed, "network"),
            partners={other: tutorial.artefact(network, other, "network") for other in partners},
            output=output,
            settings=tutorial.settings(network, seed=seed),
            device=tutorial.device,
        )

    def passes() -> list[np.ndarray]:
        own, other = tutorial.model(network, seed), tutorial.model(network, 0)
        for split in (test, train):
            moments = list(plain.second_moments(own, split).values())
            if partners:
                moments += plain.cross_moments(other, own, split).values()
        return [moment.cpu().numpy() for moment in moments]

    def uncentred(ours: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Second moments of every layer, then those with the partner, of trained networks."""
        trained = [moment[-1] for moment in ours]
        means = trained[len(layers) : 2 * len(layers)]
        centred = trained[: len(layers)] + trained[2 * len(layers) :]
        of_partners = [tutorial.mean(network, 0, layer.name) for layer in layers if partners]
        products = map(np.outer, means + of_partners, means + means[: len(of_partners)])
        return [a + b for a, b in zip(centred, products, strict=True)]

    return Step(
        f"{'cross-covariance, ' if partners else 'covariance, '}{network}",
        ours=lambda: written(job, *names),
        plain=passes,
        scale=2,
        operations=operations.covariances(
            layers, samples=2 * (len(train) + len(test)), partners=len(partners)
        ),
        agree=lambda ours, theirs: relative(uncentred(ours), theirs),
        tolerance=1e-4,  # of plain sums in float32
    )


def _unrelated(tutorial: Tutorial, network: str, *, partners: int) -> Operations:
    """Both stages of both splits."""
    return operations.unrelated(
        tutorial.layers(network),
        samples=2 * (len(tutorial.train) + len(tutorial.test)),
        partners=partners,
        pairings=tutorial.resolved["alignment"]["null_pairings"],
    )


def _align(tutorial: Tutorial, network: str) -> Step:
    """Both stages; the plain way passes over the images for one pairing of unrelated ones at one
    stage."""
    names = [layer.name for layer in tutorial.layers(network)]
    pairings = tutorial.resolved["alignment"]["null_pairings"]

    def moments() -> list[plain.Moments]:
        return [
            {n: tutorial.second_moment(network, seed, name) for n, name in enumerate(names)}
            for seed in range(2)
        ]

    def related() -> list[float]:
        cross = {n: tutorial.cross_moment(network, name) for n, name in enumerate(names)}
        return [score for score, _ in plain.align(*moments(), cross).values()]

    def both() -> list[float]:
        models = [tutorial.model(network, seed) for seed in range(2)]
        cross = {
            split: plain.unrelated_moments(
                *models, pictures, [fold.tolist() for fold in unrelated.folds_of(len(pictures))]
            )
            for split, pictures in (("train", tutorial.train), ("test", tutorial.test))
        }
        null = plain.null(*moments(), cross).values()
        return [*related(), *(in_sample for in_sample, _ in null)]

    def ours() -> list[float]:
        written_to = [
            f"seed0/{layer}/{kind}" for kind in ("similarity", "similarity_null") for layer in names
        ]
        found = written(job, *written_to)
        similarities, nulls = found[: len(names)], found[len(names) :]
        return [*(x[-1, 0, 0] for x in similarities), *(x[0, -1, 0, 0] for x in nulls)]

    def job(output: Path) -> None:
        alignment.align(
            images=tutorial.images,
            network=tutorial.artefact(network, 1, "network"),
            networks={0: tutorial.artefact(network, 0, "network")},
            covariance=tutorial.artefact(network, 1, "covariance"),
            partners={0: tutorial.artefact(network, 0, "covariance")},
            output=output,
            vectors=tutorial.resolved["alignment"]["vectors"],
            pairings=pairings,
            settings=tutorial.settings(network, seed=1),
            device=tutorial.device,
        )

    return Step(
        f"align, {network}",
        ours=ours,
        plain=both,
        scale=2 * pairings,
        once=related,
        operations=_unrelated(tutorial, network, partners=1),
        agree=largest,
        tolerance=1e-5,  # sums of products in float32
    )


def _draw(tutorial: Tutorial) -> None:
    """The figures of every network."""
    with tempfile.TemporaryDirectory() as folder:
        for network in tutorial.resolved["networks"]:
            for name in catalogue.drawn(seeds=tutorial.resolved["seeds"]):
                module = importlib.import_module(f"latentdims.figures.{name}")
                drawing = module.draw(tutorial.inputs(catalogue.SOURCES[name], [network]))
                path = Path(folder) / name
                style.save(drawing, svg=path.with_suffix(".svg"), pdf=path.with_suffix(".pdf"))


def _summarise(tutorial: Tutorial) -> None:
    names = tutorial.resolved["networks"]
    seeds = range(tutorial.resolved["seeds"])
    with tempfile.TemporaryDirectory() as folder:
        summary.summarise(
            inputs={**tutorial.inputs(summary.KINDS, names), "consensus": []},
            runs=[("cifar10", name, seed) for name in names for seed in seeds],
            networks=[("cifar10", name) for name in names],
            table=Path(folder) / "summary.csv",
            comparison=Path(folder) / "summary.md",
            published=tutorial.resolved["published"],
        )
