"""How time and memory of each step grow with width, samples and seeds, on images of noise.

python -m benchmarks.growth FOLDER
Each point is the median of some processes with one thread, as in the workflow; what was measured
is kept in FOLDER/growth.json, and only what is missing there is measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

AXES: dict[str, dict[str, Any]] = {  # what is varied, and what all else is
    "width": {"values": [64, 128, 256, 512, 1024], "samples": 8000, "seeds": 2},
    "samples": {"values": [2000, 4000, 8000, 16000, 32000], "width": 256, "seeds": 2},
    "seeds": {"values": [2, 4, 8], "width": 256, "samples": 4000},
}
QUANTITIES = {  # measured, and what it is expected to grow with
    "seconds": ("time (s)", "operations"),
    "megabytes": ("memory (MB)", "declared"),
}
STEPS = ("train", "covariance", "align", "consensus", "clip", "generate")
OF_SEEDS = ("covariance", "align", "consensus")  # the others take a single network
TEST = 2000  # images
SIZE = 16  # pixels, square
CLASSES = 10
PAIRINGS = 20  # of unrelated images
REPEATS = 3
# Operations of a singular value decomposition over n³ (14mn² + 8n³ of m × n: Golub and Van Loan,
# Matrix Computations, 8.6), and twice, for it is in float64.
DECOMPOSITION = 2 * 22


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--point", help="one point, in the process that is measured")
    parser.add_argument("--inputs", action="store_true", help="make the inputs of the point alone")
    given = parser.parse_args()
    if given.point:
        job = prepared(given.folder, **json.loads(given.point))
        if not given.inputs:
            print(json.dumps(measured(job, **json.loads(given.point))))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / "growth.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for axis, sizes in AXES.items():
        for value in sizes["values"]:
            point = {name: sizes[name] for name in sizes if name != "values"} | {axis: value}
            for step in STEPS if axis != "seeds" else OF_SEEDS:
                key = f"{axis}/{value}/{step}"
                if key not in found:
                    found[key] = in_a_process(given.folder, {"step": step, **point})
                    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
                    print(key, found[key], flush=True)


def in_a_process(folder: Path, point: Mapping[str, Any]) -> dict[str, float]:
    """What the job of one point took, in the middle of several."""
    command = [sys.executable, "-m", "benchmarks.growth", str(folder), "--point", json.dumps(point)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([*command, "--inputs"], env=environment, check=True)
    found = [json.loads(subprocess.check_output(command, env=environment)) for _ in range(REPEATS)]
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def settings_of(width: int) -> dict[str, Any]:
    """Of a network with two hidden layers of as many neurons, but for its seed."""
    return {
        "network": {"architecture": "mlp", "widths": [width, width]},
        "preprocessing": {"steps": ["normalize"]},
        "training": {
            "epochs": 1,
            "batch_size": 128,
            "learning_rate": 0.01,
            "momentum": 0.9,
            "optimiser": "sgd",
            "nesterov": False,
            "weight_decay": 0.0,
            "schedule": "constant",
            "warm_up": 0.0,
            "label_smoothing": 0.0,
            "gradient_clipping": None,
            "augmentation": [],
            "keep_epochs": [],
            "keep_steps": [],
        },
    }


def prepared(folder: Path, *, step: str, width: int, samples: int, seeds: int) -> Callable[[], Any]:
    """The job of a step, with all that it reads on the disk."""
    from latentdims.device import deterministic
    from latentdims.workflow.job import Job

    deterministic(Job({}).device)  # the settings of every job
    place = folder / f"{width}-{samples}"
    images = write_images(place / "images.h5", samples=samples)
    return JOBS[step](place, images, settings_of(width), seeds)


def measured(
    job: Callable[[], Any], *, step: str, width: int, samples: int, seeds: int
) -> dict[str, Any]:
    """Seconds of one job, MB beyond what the process held before, and what is expected of both."""
    from latentdims.models import families
    from latentdims.workflow.job import peak_memory

    before, start = peak_memory(), time.perf_counter()
    job()
    settings = settings_of(width)["network"]
    chain = families.described(settings, image_shape=(1, SIZE, SIZE), classes=CLASSES)
    return {
        "seconds": time.perf_counter() - start,
        "megabytes": max(peak_memory() - before, 0.0),
        "operations": operations_of(step, chain, samples=samples, seeds=seeds),
        "declared": declared(step, chain, samples=samples, seeds=seeds),
    }


def write_images(path: Path, *, samples: int) -> Path:
    """Noise, and labels that mean nothing."""
    from latentdims import storage

    if not path.exists():
        random = np.random.default_rng(0)
        with storage.create(path, settings={}) as file:
            for split, count in (("train", samples), ("test", TEST)):
                shape = (count, 1, SIZE, SIZE)
                file[f"{split}/images"] = random.integers(0, 256, shape, dtype=np.uint8)
                file[f"{split}/labels"] = np.arange(count) % CLASSES
            file["classes"] = [str(number) for number in range(CLASSES)]
            file.attrs["sha256"] = "0"
    return path


def _network(place: Path, images: Path, settings: Mapping[str, Any], seed: int) -> Path:
    from latentdims.steps import training

    path = place / f"network{seed}.h5"
    if not path.exists():
        training.train(
            images=images, output=path, settings={**settings, "seed": seed}, device="cpu"
        )
    return path


def _covariance(place: Path, images: Path, settings: Mapping[str, Any], seed: int) -> Path:
    from latentdims.steps import covariance

    path = place / f"covariance{seed}.h5"
    if not path.exists():
        covariance.covariance(
            images=images,
            network=_network(place, images, settings, seed),
            partners={other: _network(place, images, settings, other) for other in range(seed)},
            output=path,
            settings={**settings, "seed": seed},
            device="cpu",
        )
    return path


def _train(place: Path, images: Path, settings: dict, seeds: int) -> Callable[[], Any]:
    (place / "network0.h5").unlink(missing_ok=True)
    return lambda: _network(place, images, settings, 0)


def _measure(place: Path, images: Path, settings: dict, seeds: int) -> Callable[[], Any]:
    """The covariances of the last seed, with all others."""
    for seed in range(seeds):
        _network(place, images, settings, seed)
    (place / f"covariance{seeds - 1}.h5").unlink(missing_ok=True)
    return lambda: _covariance(place, images, settings, seeds - 1)


def _align(place: Path, images: Path, settings: dict, seeds: int) -> Callable[[], Any]:
    from latentdims.steps import alignment

    networks = [_network(place, images, settings, seed) for seed in range(seeds)]
    paths = [_covariance(place, images, settings, seed) for seed in range(seeds)]
    return lambda: alignment.align(
        images=images,
        network=networks[-1],
        networks=dict(enumerate(networks[:-1])),
        covariance=paths[-1],
        partners=dict(enumerate(paths[:-1])),
        output=place / "alignment.h5",
        vectors=50,
        pairings=PAIRINGS,
        settings={**settings, "seed": seeds - 1},
        device="cpu",
    )


def _consensus(place: Path, images: Path, settings: dict, seeds: int) -> Callable[[], Any]:
    from latentdims.steps import consensus

    paths = [_covariance(place, images, settings, seed) for seed in range(seeds)]
    return lambda: consensus.consensus(
        covariances=paths, output=place / "consensus.h5", settings=settings
    )


def _clip(place: Path, images: Path, settings: dict, seeds: int) -> Callable[[], Any]:
    from latentdims.steps import clipping

    covariance = _covariance(place, images, settings, 0)
    return lambda: clipping.clip(
        images=images,
        network=_network(place, images, settings, 0),
        covariance=covariance,
        output=place / "clipping.h5",
        bases=["activation"],
        ranks="all",
        settings={**settings, "seed": 0},
        device="cpu",
    )


def _generate(place: Path, images: Path, settings: dict, seeds: int) -> Callable[[], Any]:
    from latentdims.steps import generation

    network = _network(place, images, settings, 0)
    procedure = {"draws": 1, "classifiers": [], "layers": "all", "width": 1.0, "images": None}
    return lambda: generation.generate(
        images=images,
        network=network,
        others={},
        output=place / "generation.h5",
        procedures={"published": {**procedure, "covariances": "own", "rank": "all"}},
        settings={**settings, "seed": 0},
        device="cpu",
    )


JOBS = {
    "train": _train,
    "covariance": _measure,
    "align": _align,
    "consensus": _consensus,
    "clip": _clip,
    "generate": _generate,
}


def operations_of(step: str, chain: Any, *, samples: int, seeds: int) -> float:
    """Floating-point operations that the step needs, those in float64 counted twice; of align and
    consensus to a constant factor."""
    from benchmarks import operations as of

    layers = of.layers(chain)
    decompositions = DECOMPOSITION * sum(
        layer.channels**3 + layer.fan_in * layer.channels * min(layer.fan_in, layer.channels)
        for layer in layers  # of its rotation and of its weights
    )
    found = {
        "train": lambda: (
            sum(of.descent(layers, samples=samples)) + 2 * (samples + TEST) * of.forward(layers)
        ),
        "covariance": lambda: sum(
            of.covariances(layers, samples=2 * (samples + TEST), partners=seeds - 1)
        ),
        "align": lambda: (
            sum(
                of.unrelated(
                    layers, samples=2 * (samples + TEST), partners=seeds - 1, pairings=PAIRINGS
                )
            )
            + (seeds - 1) * (1 + PAIRINGS) * decompositions
        ),
        "consensus": lambda: float(seeds**2 * decompositions),
        "clip": lambda: sum(of.clipped_activations(layers, samples=TEST)),
        "generate": lambda: (
            sum(of.generation(layers, train=samples, test=TEST, draws=1)) + decompositions
        ),
    }
    return found[step]()


def declared(step: str, chain: Any, *, samples: int, seeds: int) -> float:
    """MB that the workflow expects of the step, beyond a process that has only begun."""
    from latentdims.workflow import memory

    shapes = memory.Shapes(chain, {"train": samples, "test": TEST})
    procedures = {"published": {"classifiers": [], "width": 1.0, "images": None}}
    found = {
        "train": lambda: memory.train(shapes, training=settings_of(0)["training"]),
        "covariance": lambda: memory.covariance(shapes, partners=seeds - 1),
        "align": lambda: memory.align(shapes, partners=seeds - 1, pairings=PAIRINGS),
        "consensus": lambda: memory.consensus(shapes, seeds=seeds),
        "clip": lambda: memory.clip(shapes),
        "generate": lambda: memory.generate(shapes, procedures=procedures),
    }
    begun = memory.PLAIN if step in ("align", "consensus") else memory.with_torch()
    return found[step]() - begun


if __name__ == "__main__":
    main()
