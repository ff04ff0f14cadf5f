"""A network of one's own: convolutions with group norm and GELU, and the mean over positions."""

from itertools import pairwise

from torch import Tensor, nn


class Stage(nn.Module):
    """A convolution that halves the image, group norm, GELU."""

    def __init__(self, channels: int, width: int, *, groups: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(groups, width)
        self.activation = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.convolution(x)))


class GroupNormed(nn.Module):
    """Stages of some widths, the mean over positions, and a classifier."""

    def __init__(self, widths: list[int], classes: int, *, groups: int) -> None:
        super().__init__()
        stages = [Stage(*each, groups=groups) for each in pairwise(widths)]
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stages(images).mean((2, 3))
        return self.classifier(self.dropout(features))


def make(
    image_shape: tuple[int, int, int],
    classes: int,
    width: int = 32,
    stages: int = 3,
    groups: int = 8,
) -> nn.Module:
    """What the configuration names."""
    widths = [image_shape[0], *(width * 2**n for n in range(stages))]
    return GroupNormed(widths, classes, groups=groups)
