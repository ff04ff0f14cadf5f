"""The speed of this machine, measured in fractions of a second, on one thread as in jobs."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from latentdims.models import networks, responses
from latentdims.models.architecture import Architecture
from latentdims.workflow import heap

SIZE = 512  # of the matrices that are multiplied
WORK = 8e9  # operations of a network that are timed: a tenth of a second
BATCH = 128  # images, at most


@dataclass(frozen=True)
class Pace:
    """Seconds of one image through a network: forward, and forward and back in a training step."""

    forward: float
    step: float


@cache
def products() -> float:
    """Operations a second of large matrix products in float32, two for a multiply and add."""
    matrix = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with _as_in_jobs():
        return 2 * SIZE**3 / _seconds(lambda: matrix @ matrix, times=20)


def of(settings: Mapping[str, Any], network: Architecture) -> Pace:
    """The pace of a network, with random weights, on random images."""
    if responses.are_given(settings):
        return Pace(0.0, 0.0)
    module = networks.initial(
        settings, image_shape=network.image_shape, classes=network.classes, seed=0
    ).module
    with _as_in_jobs():
        return _timed(module, network.image_shape)


@contextmanager
def _as_in_jobs() -> Iterator[None]:
    """One thread, which reuses memory."""
    heap.keep()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _timed(module: nn.Module, shape: tuple[int, ...]) -> Pace:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        module(torch.randn(1, *shape, generator=generator))
    number = max(2, min(BATCH, int(WORK / max(1, counted.get_total_flops()))))
    images = torch.randn(number, *shape, generator=generator)
    with torch.no_grad():
        forward = _seconds(lambda: module(images), times=2) / number
    module.train().requires_grad_(True)
    return Pace(forward, _seconds(lambda: _step(module, images), times=1) / number)


def _step(module: nn.Module, images: Tensor) -> None:
    module.zero_grad()
    module(images).sum().backward()


def _seconds(work: Callable[[], object], *, times: int) -> float:
    """Of the fastest, in time of the processor, so that other programs count for less."""
    work()
    took = []
    for _ in range(times):
        start = time.process_time()
        work()
        took.append(time.process_time() - start)
    return max(min(took), 1e-9)
