"""Inputs and outputs of the parts of a module while images pass through it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Visit:
    """One submodule in a forward pass: how often it ran, its first input and its last output, with
    the version of the latter, which changes in place increase."""

    name: str
    part: nn.Module
    runs: int = 0
    read: Any = None
    made: Any = None
    version: int = 0

    @property
    def overwritten(self) -> bool:
        """Whether its output was changed in place afterwards."""
        return isinstance(self.made, Tensor) and self.made._version != self.version

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of what it makes of one image; None where that is no tensor of one row for each."""
        found = self.made
        rows = isinstance(found, Tensor) and found.ndim > 1
        return tuple(found.shape[1:]) if rows and found.is_floating_point() else None


@torch.no_grad()
def visits(module: nn.Module, images: Tensor) -> tuple[Any, dict[str, Visit]]:
    """The output for images (N, C, H, W), and what was seen of each submodule that ran, in order of
    their ends. Everything that is made stays in memory."""
    found: dict[str, Visit] = {}
    with _watched(module, found):
        output = module(images)
    return output, found


@contextmanager
def _watched(module: nn.Module, found: dict[str, Visit]) -> Iterator[None]:
    with ExitStack() as hooks:
        for name, part in module.named_modules():
            if name:
                hook = part.register_forward_hook(partial(_note, found, name), with_kwargs=True)
                hooks.callback(hook.remove)
        yield


def _note(
    found: dict[str, Visit], name: str, part: nn.Module, read: Any, named: Any, made: Any
) -> None:
    visit = found.setdefault(name, Visit(name, part))
    visit.runs += 1
    if visit.runs == 1:
        visit.read = next(iter((*read, *named.values())), None)
    visit.made = made
    visit.version = made._version if isinstance(made, Tensor) else 0
