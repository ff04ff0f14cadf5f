"""What drawn networks lose where they are aligned on fewer training images than all.

python -m benchmarks.alignment_images FOLDER [--images cifar10-jpeg.tar.gz]
The networks of the tutorial are trained in the folder, where they are not there yet. Each draw has
the same Gaussian numbers however many images it is aligned on. Writes its tables into
docs/performance.md.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.bench import opened
from benchmarks.performance import write
from benchmarks.step import written
from benchmarks.tutorial import Tutorial
from latentdims.device import deterministic
from latentdims.steps import generation
from latentdims.workflow import heap
from tests.workflow import Workflow

NUMBERS = (500, 2000, 10_000, None)  # the last is all
WHITE = 3  # draws, as by default

CAPTION = (
    "*All*: mean and standard deviation of draws, those of both seeds together. Fewer: the mean "
    "difference from that, with the same random numbers, and its standard error. White networks "
    f"are drawn {WHITE} times a seed. Accuracies are percents of 10,000 test images; seconds are "
    "of one job on one thread."
)

Scores = dict[str, np.ndarray]  # of each draw, (draws,), by name in the file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=Path, help="CIFAR-10, as an archive of pictures")
    given = parser.parse_args()
    tutorial, _ = opened(given.folder, given.images)
    seeds = range(tutorial.resolved["seeds"])
    trained = [
        tutorial.artefact(network, seed, "network")
        for network in tutorial.resolved["networks"]
        for seed in seeds
    ]
    if not all(path.exists() for path in trained):
        new = not tutorial.folder.exists()
        workflow = Workflow(tutorial.folder, dict(tutorial.config) if new else None)
        workflow.complete(*(str(path.relative_to(tutorial.folder)) for path in trained))
    heap.keep()
    deterministic("cpu")
    torch.set_num_threads(1)
    lines: list[str] = []
    for network in tutorial.resolved["networks"]:
        found = {n: [scores(tutorial, network, seed, n) for seed in seeds] for n in NUMBERS}
        lines += [*table(network, found), ""]
        print(*lines, sep="\n", flush=True)
    write("alignment images", [*lines, CAPTION])


def scores(tutorial: Tutorial, network: str, seed: int, number: int | None) -> tuple[float, Scores]:
    """Seconds of the job, and what it finds."""
    options = tutorial.resolved["generation"]["published"]
    classifiers = ["flattened"] if tutorial.flattens(network) else []
    published = {**options, "classifiers": classifiers, "images": number}
    white = {**published, "covariances": "white", "draws": WHITE}
    hidden = [layer.name for layer in tutorial.layers(network)[:-1]]
    of_each = ["accuracy", *(f"similarity/{layer}" for layer in hidden)]
    names = [*of_each, *(f"variants/white/{name}" for name in of_each)]
    for classifier in classifiers:
        names += [f"variants/{name}/accuracy" for name in (classifier, f"white_{classifier}")]
    start = time.perf_counter()
    found = written(
        lambda output: generation.generate(
            images=tutorial.images,
            network=tutorial.artefact(network, seed, "network"),
            others={},
            output=output,
            procedures={"published": published, "white": white},
            settings=tutorial.settings(network, seed=seed),
            device="cpu",
        ),
        *names,
    )
    return time.perf_counter() - start, dict(zip(names, found, strict=True))


def table(
    network: str, found: Mapping[int | None, Sequence[tuple[float, Scores]]]
) -> Iterator[str]:
    """Lines of Markdown: with all images the mean and the deviation between draws, with fewer the
    mean difference from that and the standard error of it, draws and seeds together."""
    of_all = [scores for _, scores in found[None]]
    names = [name.removeprefix("variants/").replace("/", " ") for name in of_all[0]]
    yield f"| {network}, aligned on | seconds | {' | '.join(names)} |"
    yield "| --- | --- |" + " --- |" * len(names)
    for number, each in found.items():
        cells = []
        for name in of_all[0]:
            digits = 2 if "accuracy" in name else 4
            values = np.concatenate([scores[name] for _, scores in each])
            if number is None:
                cells.append(f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}")
                continue
            change = values - np.concatenate([scores[name] for scores in of_all])
            error = change.std(ddof=1) / len(change) ** 0.5
            cells.append(f"{change.mean():+.{digits}f} ± {error:.{digits}f}")
        seconds = np.mean([seconds for seconds, _ in each])
        shown = "all" if number is None else f"{number:,}"
        yield f"| {shown} | {seconds:.1f} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
