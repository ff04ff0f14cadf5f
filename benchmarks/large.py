"""Memory and time of images of 224 x 224: python -m benchmarks.large FOLDER

Makes a folder of random JPEGs in FOLDER, runs two seeds of a small convolutional network on them,
one at a time, and prints what each job took. --train and --test: how many images. The images and
results stay in FOLDER; the same command resumes.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from PIL import Image

from tests.workflow import Workflow

SIDE, CLASSES = 224, 10
MODEL = """
from torch import nn


def make(image_shape, classes):
    return nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=4, padding=3),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * 16, classes),
    )
"""
TARGETS = [f"results/large/stem/seed{seed}/clipping.h5" for seed in (0, 1)]
TARGETS.append("results/large/stem/seed1/alignment.h5")
LINE = re.compile(r"done in ([\d.]+) s, with at most (\d+) of (\d+) MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=2_000)
    given = parser.parse_args()
    photos = given.folder.absolute() / "photos"
    for split, number in (("train", given.train), ("test", given.test)):
        draw(photos / split, number, seed=len(split))
    place = given.folder / "run"
    workflow = Workflow(place) if place.exists() else Workflow(place, configuration(photos))
    (place / "model.py").write_text(MODEL, encoding="utf-8")
    workflow.flags = ("--resources", "gpu=0", "--cores", "1")
    workflow.complete("--quiet", "all", "--", *TARGETS)
    print(f"{given.train:,} + {given.test:,} images of {SIDE} x {SIDE}")
    print("| job | time (s) | memory (MB) | declared (MB) |\n| --- | --- | --- | --- |")
    for path in sorted((place / "results/logs").rglob("*.log")):
        for seconds, taken, declared in LINE.findall(path.read_text(encoding="utf-8")):
            job = path.relative_to(place / "results/logs").with_suffix("")
            print(f"| {job} | {float(seconds):.0f} | {taken} | {declared} |")


def configuration(photos: Path) -> dict[str, object]:
    return {
        "datasets": {"large": {"source": "imagefolder", "path": str(photos)}},
        "networks": {"stem": {"architecture": "model.py:make", "sites": ["2", "4"]}},
        "seeds": 2,
        "training": {"epochs": 1, "learning_rate": 0.01},
    }


def draw(folder: Path, number: int, *, seed: int) -> None:
    """Smooth random pictures, each class of a colour."""
    random = np.random.default_rng(seed)
    for index in range(number):
        path = folder / f"class{index % CLASSES}" / f"{index:06}.jpg"
        coarse = random.integers(0, 200, (7, 7, 3), dtype=np.uint8)
        coarse[..., 0] += np.uint8(5 * (index % CLASSES))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


if __name__ == "__main__":
    main()
