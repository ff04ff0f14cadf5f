"""Random changes of training images, drawn again in each epoch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def augment(
    images: Tensor, names: Sequence[str], generator: torch.Generator, padding: int = 4
) -> Tensor:
    """Change each image of a batch (N, C, H, W) on its own, by what `draw` gives; (N, C, H, W)."""
    if not names:
        return images
    return moved(images, draw(len(images), names, generator, padding=padding), padding=padding)


def draw(
    count: int, names: Sequence[str], generator: torch.Generator, *, padding: int = 4
) -> Tensor:
    """The change of each image: top and left of its window, and whether it is flipped.

    names: `crop` takes a random window of the original size from the padded image; `flip` swaps
    left and right with probability 1/2. Returns (3, count), int64 on the CPU. The generator, on the
    CPU, advances equally for all names, so one change does not depend on the other.
    """
    corners = torch.randint(2 * padding + 1, (2, count), generator=generator)
    flips = torch.randint(2, (1, count), generator=generator)
    if "crop" not in names:
        corners.fill_(padding)
    if "flip" not in names:
        flips.zero_()
    return torch.cat([corners, flips])


def moved(images: Tensor, drawn: Tensor, *, padding: int = 4) -> Tensor:
    """The window of each padded image, flipped if drawn: (N, C, H, W) and (3, N).

    Padding is 0 after preprocessing, which is the mean of the training images if it normalizes.
    (Recipes that pad first have black borders.)
    """
    height, width = images.shape[2:]
    top, left, flipped = drawn.to(images.device)[:, :, None]  # (N, 1) each
    rows = top + torch.arange(height, device=images.device)  # (N, H)
    columns = torch.arange(width, device=images.device)
    columns = left + torch.where(flipped == 1, columns.flip(0), columns)  # (N, W)
    pixels = rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]  # (N, H, W)
    index = pixels.flatten(1)[:, None].expand(-1, images.shape[1], -1)  # (N, C, H · W)
    padded = functional.pad(images, (padding,) * 4)
    return padded.flatten(2).gather(2, index).view(images.shape)
