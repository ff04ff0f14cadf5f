"""Steps that are recorded as a CUDA graph, with one that is pretended."""

import logging
from contextlib import contextmanager

import pytest
import torch
from conftest import write_images

from latentdims.recipes import recorded
from latentdims.recipes.descent import Descent
from latentdims.recipes.recorded import Recorded
from latentdims.steps import training

FILE = """
import math
from torch import nn

def make(image_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(image_shape), 5), nn.ReLU(),
                         nn.Linear(5, classes))
"""


class Graph:
    """Runs what was recorded, on the memory that it was recorded with."""

    recording = None  # the graph that is being recorded

    def __init__(self):
        self.calls = []

    def replay(self):
        for call in self.calls:
            call()


@pytest.fixture
def graphs(monkeypatch):
    made = []

    @contextmanager
    def record(graph):
        Graph.recording = graph
        made.append(graph)
        try:
            yield
        finally:
            Graph.recording = None

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", record)
    return made


class Sums:
    """Adds up what it is given, as training does: nothing happens while it is recorded."""

    def __init__(self):
        self.total, self.waits = torch.zeros(()), False

    def __call__(self, x, y):
        output = torch.zeros(())

        def call():
            self.total += (x - 2 * y).sum()
            output.copy_(self.total)

        if Graph.recording is None:
            call()
        elif self.waits:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        else:
            Graph.recording.calls.append(call)
        return output


def given(step, length):
    return torch.arange(length) + 10.0 * step, torch.ones(length) * step


LENGTHS = [4, 4, 4, 2, 4, 4, 4, 2, 4, 2, 2, 4]  # the last batch of an epoch has fewer images


def test_replays_are_the_calls_themselves(graphs):
    plain, sums = Sums(), Sums()
    steps = Recorded(sums)
    outputs = []
    for number, length in enumerate(LENGTHS):
        expected = plain(*given(number, length))
        outputs.append((steps(*given(number, length)), expected.clone()))
        assert sums.total == plain.total
    assert all(torch.equal(*pair) for pair in outputs)  # none was overwritten by a later step
    assert len(graphs) == 2  # one for each shape
    assert all(len(graph.calls) == 1 for graph in graphs)


def test_the_first_calls_of_a_shape_are_not_recorded(graphs):
    steps = Recorded(Sums())
    for number in range(recorded.WARM):
        steps(*given(number, 3))
    assert not graphs
    steps(*given(9, 3))
    assert len(graphs) == 1


def test_what_cannot_be_recorded_runs_as_it_is(graphs, caplog):
    plain, sums = Sums(), Sums()
    sums.waits = True
    steps = Recorded(sums)
    with caplog.at_level(logging.INFO):
        for number, length in enumerate(LENGTHS):
            assert torch.equal(steps(*given(number, length)), plain(*given(number, length)))
    assert len(graphs) == 1  # it is tried once
    assert [each.message for each in caplog.records] == [
        "steps are not recorded as a CUDA graph: operation not permitted when stream is capturing"
    ]


@pytest.mark.parametrize(("network", "expected"), [("mlp", True), (FILE, False)])
def test_steps_of_modules_that_others_have_written_are_not_recorded(
    network, expected, tmp_path, settings, monkeypatch
):
    """Python may choose what they do, from step to step."""
    made = settings()
    if network == FILE:
        (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
        made["network"] = {"architecture": f"{tmp_path / 'mine.py'}:make", "sites": ["2"]}
    asked = []

    class Steps(Descent):
        def __init__(self, *given, recorded, **options):
            asked.append(recorded)
            super().__init__(*given, **options)

    monkeypatch.setattr(training, "Descent", Steps)
    images = write_images(tmp_path / "images.h5")
    training.train(images=images, output=tmp_path / "n.h5", settings=made, device="cpu")
    assert asked == [expected]
