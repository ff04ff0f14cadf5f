"""Every figure is drawn from any shape, can be read, says what it must, and has the same bytes."""

import csv
import logging
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from itertools import combinations, pairwise
from pathlib import Path

import fabricated
import h5py
import numpy as np
import pytest
from conftest import CLASSES, write_images

from latentdims import figures, storage
from latentdims.figures import style
from latentdims.table import Row, write_csv

WORDS = {  # what must stand on each, of three networks
    "training": ["epoch", "accuracy (%)", "cross-entropy (nats)", "test images"],
    "spectra": ["rank", "eigenvalue", "layer 1, second moment", "layer 1, covariance"],
    "clipping": ["rank kept", "test accuracy (%)", "random directions", "chance", "whole network"],
    "weights": ["Marchenko-Pastur edge", "untrained", "trained", "test accuracy (%)", "classifier"],
    "alignment": ["variance explained", "trained", "untrained", "unrelated images", "one pair"],
    "eigenvectors": ["eigenvector, seed 0", "eigenvector, seed 1", "|cosine|", "chance, k/d"],
    "weight_eigenvectors": ["eigenvector, seed 0", "eigenvector, seed 1", "classifier"],
    "generation": ["seed", "trained", "similarity", "channels", "flattened", "components drawn"],
}
INTERVAL = "95 % interval over networks"
WITH_INTERVALS = [name for name in WORDS if name != "spectra"]  # a line for each network there


def draw(name: str, files: dict) -> style.Figure:
    kinds = figures.SOURCES.get(name, files)
    return import_module(f"latentdims.figures.{name}").draw({kind: files[kind] for kind in kinds})


@contextmanager
def recorded(monkeypatch):
    """Every text that is drawn, with its box in pixels."""
    texts: dict = {}  # by artist: the layout is drawn before the figure is
    original = style.Text.draw

    def record(self, renderer, *arguments, **options):
        original(self, renderer, *arguments, **options)
        if self.get_visible() and self.get_text().strip():
            texts[self] = self.get_text(), self.get_window_extent(renderer)

    with monkeypatch.context() as patch:
        patch.setattr(style.Text, "draw", record)
        yield texts


def check_readable(figure: style.Figure, path: Path, monkeypatch) -> list[str]:
    """No text touches another or leaves the figure, no datum leaves its axes, no legend covers
    them; returns all texts."""
    figure.savefig(path)  # solves the layout
    with recorded(monkeypatch) as texts:
        figure.savefig(path)
    for (one, box), (other, second) in combinations(texts.values(), 2):
        width = min(box.x1, second.x1) - max(box.x0, second.x0)
        height = min(box.y1, second.y1) - max(box.y0, second.y0)
        assert width < 1 or height < 1, f"{one!r} and {other!r} overlap by {width} x {height}"
    for text, box in texts.values():
        inside = box.x0 > -1 and box.y0 > -1
        inside &= box.x1 < figure.bbox.x1 + 1 and box.y1 < figure.bbox.y1 + 1
        assert inside, f"{text!r} leaves the figure: {box}"
    for axis in figure.axes:
        box = axis.get_window_extent()
        for points in drawn(axis):
            low, high = points.min(axis=0), points.max(axis=0)
            inside = (low > (box.x0 - 1, box.y0 - 1)).all()
            inside &= (high < (box.x1 + 1, box.y1 + 1)).all()
            assert inside, f"{axis.get_title()}: {low}, {high} leave {box}"
        assert min(box.width, box.height) > 40, f"{axis.get_title()}: hardly anything is left"
        for legend in [*figure.legends, *filter(None, [axis.get_legend()])]:
            assert not legend.get_window_extent().overlaps(box), "the legend covers data"
    return [text for text, _ in texts.values()]


def drawn(axis):
    """Points of every line and band in pixels."""
    for line in axis.lines:
        points = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
        if len(points):
            yield points
    for collection in axis.collections:
        for path in collection.get_paths():
            points = collection.get_transform().transform(path.vertices)
            if len(points) and np.isfinite(points).all():
                yield points


SHAPES = [  # layers, width, seeds, draws
    (1, 1, 1, 1),
    (2, 2, 3, 2),
    (4, 8, 2, 1),
    pytest.param(8, 2, 10, 3, marks=pytest.mark.slow),
    pytest.param(1, 512, 10, 1, marks=pytest.mark.slow),
    pytest.param(2, 512, 2, 2, marks=pytest.mark.slow),
    pytest.param(8, 512, 3, 2, marks=pytest.mark.slow),
    pytest.param(4, 1, 3, 1, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("layers", "width", "seeds", "draws"), SHAPES)
def test_shapes(layers, width, seeds, draws, tmp_path, monkeypatch):
    files = fabricated.files(tmp_path, layers=layers, width=width, seeds=seeds, draws=draws)
    for name in figures.SOURCES:
        if seeds > 1 or name not in figures.OF_PAIRS:
            drawing = draw(name, files)
            assert drawing.get_figwidth() < 14, name
            texts = check_readable(drawing, tmp_path / f"{name}.png", monkeypatch)
            assert not any(text in ("0.9", "0.5") for text in ticks(drawing, "rank")), name
            if seeds >= 3 and name in WITH_INTERVALS:
                assert any(INTERVAL in text for text in texts), name


def ticks(figure, label):
    """Labels and places of ticks along horizontal axes of ranks."""
    for axis in figure.axes:
        if label in axis.get_xlabel():
            low, high = axis.get_xlim()
            for tick in [*axis.get_xticks(), *axis.get_xticks(minor=True)]:
                assert tick >= 1 or tick < low, f"a tick at rank {tick}"
            yield from (label.get_text() for label in axis.get_xticklabels())
