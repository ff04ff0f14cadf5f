"""Blocks of residual networks."""

from torch import Tensor, nn
from torch.nn import functional

from latentdims.models.blocks import Block, Convolution, Normalisation


class MeanOverPositions(nn.Module):
    """(N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Residual(nn.Module):
    """A basic block (He et al. 2016): two convolutions with norms, whose output is added to the
    input of the block. If shapes differ, the input passes through a 1 x 1 convolution."""

    def __init__(
        self,
        channels: int,
        neurons: int,
        *,
        size: int,
        stride: int,
        affine: bool,
        project: bool,
    ) -> None:
        super().__init__()
        padding = size // 2
        first = Convolution(channels, neurons, size=size, stride=stride, padding=padding)
        second = Convolution(neurons, neurons, size=size, padding=padding)
        norms = [Normalisation(neurons, affine=affine) for _ in range(2 + project)]
        self.first = Block(first, after=nn.Sequential(norms[0], nn.ReLU(inplace=True)))
        self.second = Block(second, after=norms[1])
        self.shortcut: nn.Module = nn.Identity()
        if project:
            self.shortcut = Block(
                Convolution(channels, neurons, size=1, stride=stride), after=norms[2]
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, neurons, H', W')."""
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))
