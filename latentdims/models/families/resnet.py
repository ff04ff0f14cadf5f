"""Residual networks for small images (He et al. 2016, section 4.2)."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentdims.errors import InputError
from latentdims.models.architecture import IMAGES, Architecture, Site, Weight

if TYPE_CHECKING:  # shapes are known without torch
    from torch import nn

CHANNELS = (16, 32, 64)  # of the three stages, at width 1
STRIDES = (1, 2, 2)
KERNEL = 3


@dataclass(frozen=True)
class Step:
    """A basic block: what it reads and makes, and its number among the layers."""

    number: int  # of its first map; the second is the next
    channels: int
    neurons: int
    stride: int
    side: tuple[int, int]  # of its output

    @property
    def projects(self) -> bool:
        """Whether what it adds has another shape, and passes through a map of its own."""
        return self.stride > 1 or self.channels != self.neurons


@dataclass(frozen=True, kw_only=True)
class Family:
    """A convolution, three stages of basic blocks, and a classifier of the mean over positions.

    Each block adds its input to the output of its two convolutions. depth: 6 n + 2, with n blocks
    in each stage. width: multiple of the published widths 16, 32 and 64. affine: whether batch norm
    learns a scale and a shift of each channel.
    """

    depth: int
    width: float = 1.0
    affine: bool = True

    def describe(self, *, image_shape: tuple[int, int, int], classes: int) -> Architecture:
        steps = list(self._steps(image_shape))
        stem = self._channels()[0]
        sites = [Site("layer1", "layer1", (stem, *image_shape[1:]))]
        weights = [_weight("layer1", (stem, image_shape[0]), IMAGES, "layer1", "layer1")]
        for at, step in enumerate(steps, start=1):
            before, first, second = (f"layer{step.number + more}" for more in (-1, 0, 1))
            shape = step.neurons, *step.side
            sites += [Site(first, f"block{at}.first", shape), Site(second, f"block{at}", shape)]
            size = step.neurons, step.channels
            weights.append(_weight(first, size, before, first, f"block{at}.first"))
            if step.projects:
                shortcut = f"block{at}.shortcut"
                weights.append(_weight(f"{second}_shortcut", size, before, None, shortcut, taps=1))
            size = step.neurons, step.neurons
            weights.append(_weight(second, size, first, None, f"block{at}.second"))
        last, size = sites[-1], (classes, steps[-1].neurons)
        sites.append(Site("classifier", "classifier", (classes,)))
        weights.append(_weight("classifier", size, last.name, "classifier", "classifier", taps=1))
        return Architecture(
            image_shape=image_shape,
            classes=classes,
            sites=tuple(sites),
            weights=tuple(weights),
            output="classifier",
            undrawn="its blocks add what they read to what they make of it, so that its layers "
            "are no chain",
        )

    def _channels(self) -> list[int]:
        """Of each stage."""
        found = [round(self.width * channels) for channels in CHANNELS]
        if min(found) < 1:
            raise InputError(f"width: {self.width} of {CHANNELS[0]} channels leaves none of layer1")
        return found

    def _steps(self, image_shape: tuple[int, int, int]) -> Iterator[Step]:
        blocks, rest = divmod(self.depth - 2, 6)
        if rest or blocks < 1:
            near = max(8, 6 * round((self.depth - 2) / 6) + 2)
            raise InputError(f"depth: {self.depth} is not 6 n + 2; give {near}, or another")
        _, height, width = image_shape
        channels, number = self._channels()[0], 2
        for neurons, stride in zip(self._channels(), STRIDES, strict=True):
            for place in range(blocks):
                step = stride if place == 0 else 1
                height, width = -(-height // step), -(-width // step)
                yield Step(number, channels, neurons, step, (height, width))
                channels, number = neurons, number + 2

    def build(self, *, image_shape: tuple[int, int, int], classes: int) -> "nn.Module":
        from torch import nn

        from latentdims.models.blocks import Block, Convolution, Dense, after
        from latentdims.models.residual import MeanOverPositions, Residual

        keys = {"nonlinearity": "relu", "norm": "batch", "norm_place": "before", "pooling": "none"}
        stem = self._channels()[0]
        learned = Convolution(image_shape[0], stem, size=KERNEL, padding=KERNEL // 2)
        parts = OrderedDict[str, nn.Module]()
        parts["layer1"] = Block(learned, after=after(stem, affine=self.affine, **keys))
        channels = stem
        for at, step in enumerate(self._steps(image_shape), start=1):
            channels = step.neurons
            parts[f"block{at}"] = Residual(
                step.channels,
                step.neurons,
                size=KERNEL,
                stride=step.stride,
                affine=self.affine,
                project=step.projects,
            )
        parts["classifier"] = Block(Dense(channels, classes), before=MeanOverPositions())
        return nn.Sequential(parts)


def _weight(
    name: str,
    size: tuple[int, int],
    reads: str,
    writes: str | None,
    module: str,
    *,
    taps: int = KERNEL**2,
) -> Weight:
    return Weight(name, (*size, taps), reads, writes, f"{module}.map.weight")
