"""Steps of training on a GPU, recorded as a CUDA graph, which starts as fast as one kernel."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

Function = Callable[..., Tensor]

WARM = 2  # calls before a recording: libraries make what they need


class Recording(NamedTuple):
    """A graph, the memory that it reads, and the memory that it writes."""

    graph: torch.cuda.CUDAGraph
    given: Sequence[Tensor]
    output: Tensor


class Recorded:
    """A function that changes tensors in place, recorded for each shape of its arguments.

    Only the arguments and the seed of the generator may change between calls. A function that
    cannot be recorded, because it waits for the device, is called directly, with the same effect.
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._recordings: dict[Sequence[torch.Size], Recording] = {}
        self._calls: Counter[Sequence[torch.Size]] = Counter()
        self._refused = False

    def __call__(self, *given: Tensor) -> Tensor:
        shapes = tuple(each.shape for each in given)
        self._calls[shapes] += 1
        if self._calls[shapes] > WARM and shapes not in self._recordings and not self._refused:
            self._record(shapes, given)
        if shapes not in self._recordings:
            return self._function(*given)
        recording = self._recordings[shapes]
        for place, each in zip(recording.given, given, strict=True):
            place.copy_(each)
        recording.graph.replay()
        return recording.output.clone()

    def _record(self, shapes: Sequence[torch.Size], given: Sequence[Tensor]) -> None:
        graph, places = torch.cuda.CUDAGraph(), [each.clone() for each in given]
        try:
            with torch.cuda.graph(graph):
                output = self._function(*places)
        except RuntimeError as error:
            self._refused = True
            logger.info("steps are not recorded as a CUDA graph: %s", str(error).splitlines()[0])
            return
        self._recordings[shapes] = Recording(graph, places, output)
        logger.info("steps are recorded as a CUDA graph, of %s", " and ".join(map(_text, shapes)))


def _text(shape: torch.Size) -> str:
    return " x ".join(map(str, shape))
