"""What brought_models.py imports from beside it."""

from torch import nn


class Grouped(nn.Module):
    """Group norm and GELU, twice."""

    def __init__(self, channels, width):
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = nn.GroupNorm(2, width)
        self.first = nn.GELU()
        self.conv = nn.Conv2d(width, width + 3, 2, stride=2)
        self.second = nn.GELU()

    def forward(self, x):
        return self.second(self.conv(self.first(self.norm(self.stem(x)))))
