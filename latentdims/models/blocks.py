"""Blocks of a network: an operation on positions, a learned linear map, then anything."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

MOMENTUM, EPS = 0.1, 1e-5  # of batch norm: PyTorch's defaults
NONLINEARITIES: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}
POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


class Map(nn.Module):
    """A learned linear map of channels, at one or several taps: weight (neurons, channels · taps),
    or of more axes, the channels slowest."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def applied(self, x: Tensor, weight: Tensor) -> Tensor:
        """The map with another weight, and without bias: (N, C, ...) -> (N, neurons, ...)."""
        raise NotImplementedError

    def columns(self, x: Tensor) -> Tensor:
        """What a neuron reads: (N, C, ...) -> (C · taps, rows), a row for each output position."""
        raise NotImplementedError

    def output_size(self, x: Tensor) -> tuple[int, ...]:
        """The positions of the output for an input (N, C, ...): none, or (height, width)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, neurons, ...)."""
        found = self.applied(x, self.weight)
        if self.bias is not None:
            found = found + self.bias.view(-1, *(1,) * (found.ndim - 2))
        return found


class Dense(Map):
    """Reads all positions of all channels: weight (neurons, channels · positions)."""

    def __init__(self, inputs: int, neurons: int, *, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(neurons, inputs))
        self.bias = nn.Parameter(torch.empty(neurons)) if bias else None

    def applied(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.linear(x.flatten(1), weight)

    def columns(self, x: Tensor) -> Tensor:
        return x.flatten(1).T

    def output_size(self, x: Tensor) -> tuple[int, ...]:
        return ()


class Convolution(Map):
    """Reads a square of positions around each place: weight (neurons, channels, size, size)."""

    # For which CPUs and GPUs have their fast kernels, forwards and backwards.
    memory_format = torch.channels_last

    def __init__(
        self,
        channels: int,
        neurons: int,
        *,
        size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        empty = torch.empty(neurons, channels, size, size)
        self.weight = nn.Parameter(empty.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.empty(neurons)) if bias else None
        self.size, self.stride, self.padding = size, stride, padding

    def applied(self, x: Tensor, weight: Tensor) -> Tensor:
        stride, padding = self.stride, self.padding
        if self.size == 1 < stride:  # where oneDNN's gradient can be wrong (its issue 6035)
            x = functional.pad(x, [padding] * 4)[..., ::stride, ::stride]
            stride, padding = 1, 0
        x = x.to(memory_format=self.memory_format)
        return functional.conv2d(x, weight, stride=stride, padding=padding)

    def columns(self, x: Tensor) -> Tensor:
        if self.padding:
            x = functional.pad(x, [self.padding] * 4)
        patches = x.unfold(2, self.size, self.stride).unfold(3, self.size, self.stride)
        return patches.permute(1, 4, 5, 0, 2, 3).flatten(3).flatten(0, 2)

    def output_size(self, x: Tensor) -> tuple[int, ...]:
        return tuple(
            (length + 2 * self.padding - self.size) // self.stride + 1 for length in x.shape[2:]
        )


class Block(nn.Module):
    """One step of a chain: its output is a representation, which the next block reads.

    before: acts only on positions, so that a rotation of channels commutes with it. after: a
    non-linearity, a normalisation, or anything else.
    """

    def __init__(
        self, learned: Map, *, before: nn.Module | None = None, after: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.before = before or nn.Identity()
        self.map = learned
        self.after = after or nn.Identity()

    def preactivation(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """What comes out of the map, also with another weight: (N, C, ...) -> (N, neurons, ...)."""
        x = self.before(x)
        return self.map(x) if weight is None else self.map.applied(x, weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, channels, ...)."""
        return self.after(self.map(self.before(x)))

    @torch.no_grad()
    def measure_statistics(self, batches: Sequence[Tensor]) -> None:
        """Replace the statistics of its norms by exact ones over all its inputs (N, C, ...)."""
        steps = list(self.after) if isinstance(self.after, nn.Sequential) else [self.after]
        for place, step in enumerate(steps):
            if isinstance(step, Normalisation):
                first = nn.Sequential(*steps[:place])
                step.measure(first(self.preactivation(batch)) for batch in batches)


@torch.no_grad()
def set_statistics(module: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the statistics of all norms of a module to their means over batches of images (N, C, H,
    W)."""
    kinds = Normalisation | _BatchNorm
    norms = {part: part.momentum for part in module.modules() if isinstance(part, kinds)}
    if not norms:
        return
    for norm in norms:
        norm.train()
    for number, batch in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 / number
        module(batch)
    module.eval()
    for norm, momentum in norms.items():
        norm.momentum = momentum


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """PyTorch's default initialisation: weights and biases uniform in ±1/√fan-in, of variance
    1/(3 fan-in), drawn on the CPU, so that a seed names the same network on every device."""
    for part in module.modules():
        weight = getattr(part, "weight", None)
        if not isinstance(weight, nn.Parameter) or weight.ndim < 2:
            continue
        bound = 1 / math.sqrt(weight[0].numel())
        for tensor in (weight, getattr(part, "bias", None)):
            if tensor is not None:
                drawn = torch.empty(tensor.shape).uniform_(-bound, bound, generator=generator)
                with torch.no_grad():
                    tensor.copy_(drawn)


class Normalisation(nn.Module):
    """Batch norm (Ioffe and Szegedy 2015): each channel minus its mean, divided by its deviation.

    mean, var: (C,), running averages over training batches, or exact. affine: whether a scale and a
    shift of each channel are learned.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__()
        self.momentum = MOMENTUM
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C, ...)."""
        return functional.batch_norm(
            x, self.mean, self.var, self.weight, self.bias, self.training, self.momentum, EPS
        )

    def measure(self, batches: Iterable[Tensor]) -> None:
        """Take the exact statistics of inputs (N, C, ...), whose positions are further samples.

        Batches are merged by the formula of Chan, Golub and LeVeque (1983).
        """
        count, mean, square = 0, torch.zeros(()), torch.zeros(())
        for batch in batches:
            rows = self.rows(batch).double()  # (C, parts, n)
            own = rows.mean(2)
            spread = (rows - own[..., None]).square().sum(2)
            total = count + rows.shape[2]
            step = own - mean if count else own
            square = square + spread + step**2 * (count * rows.shape[2] / total)
            mean = mean + step * (rows.shape[2] / total)
            count = total
        self.mean, self.var = (x.to(self.mean) for x in self.statistics(mean, square / count))

    def rows(self, x: Tensor) -> Tensor:
        """What is normalised alike: (N, C, ...) -> (C, parts, N · positions)."""
        return x.movedim(1, 0).flatten(1)[:, None]

    def statistics(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance as they are kept, from those of each channel and part, (C, parts)."""
        return mean[:, 0], variance[:, 0]


def after(
    channels: int, *, nonlinearity: str, norm: str, norm_place: str, affine: bool, pooling: str
) -> nn.Module:
    """The non-linearity, with the norm before or after it, then pooling over windows of 2 x 2."""
    nonlinear = NONLINEARITIES[nonlinearity]()
    steps = [nonlinear]
    if norm == "batch":
        steps.insert(0 if norm_place == "before" else 1, Normalisation(channels, affine=affine))
    if pooling != "none":
        steps.append(POOLINGS[pooling](2))
    return nonlinear if len(steps) == 1 else nn.Sequential(*steps)
