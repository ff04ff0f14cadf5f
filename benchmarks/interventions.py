"""Clipping and generation, in both ways."""

from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from benchmarks import operations, plain
from benchmarks.step import Step, largest, written
from benchmarks.tutorial import Tutorial
from latentdims.steps import clipping, generation

SHARE = 16  # the plain way clips at one of so many ranks


def clip(tutorial: Tutorial, network: str, basis: str) -> Step:
    """Every rank of every layer; the plain way one of `SHARE`."""
    layers = tutorial.layers(network)
    clipped = layers if basis == "weight" else layers[:-1]
    test = tutorial.test
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
            device=tutorial.device,
        )

    def ours() -> list[np.ndarray]:
        found = written(curves, *(f"{basis}/{layer.name}/accuracy" for layer in clipped))
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
        agree=largest,
        tolerance=0.1,  # ten images of 10,000 whose two best classes tie within rounding
    )


def generate(tutorial: Tutorial, network: str) -> Step:
    """All draws of a network, of which the plain way does one; where they have space, also with the
    classifier that the published code aligns."""
    flattened = tutorial.flattens(network)
    classifiers = ["flattened"] if flattened else []
    procedures = {
        name: {**procedure, "classifiers": classifiers}
        for name, procedure in tutorial.resolved["generation"].items()
    }
    layers = tutorial.layers(network)
    train, test = tutorial.train, tutorial.test
    names = ["accuracy", *(f"variants/{name}/accuracy" for name in classifiers)]

    def draw(output: Path) -> None:
        generation.generate(
            images=tutorial.images,
            network=tutorial.artefact(network, 0, "network"),
            others={},
            output=output,
            procedures=procedures,
            settings=tutorial.settings(network, seed=0),
            device=tutorial.device,
        )

    return Step(
        f"generate, {network}",
        ours=lambda: [accuracy[0] for accuracy in written(draw, *names)],
        plain=lambda: plain.generate(
            tutorial.model(network, 0), train, test, seed=0, flattened=flattened
        ),
        scale=tutorial.draws,
        operations=operations.generation(
            layers,
            train=len(train),
            test=len(test),
            draws=tutorial.draws,
            flattened=flattened,
        ),
        agree=largest,
        tolerance=0.5,
    )
