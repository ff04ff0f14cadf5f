"""Modules as others write them: those that can be measured, and those that cannot."""

import random

import torch
from brought_parts import Grouped
from torch import nn


def grouped(image_shape, classes, width=6, dropout=0.0):
    side = (image_shape[1] // 2) * (image_shape[2] // 2)
    head = [nn.Flatten(), nn.Dropout(dropout), nn.Linear((width + 3) * side, classes)]
    return nn.Sequential(Grouped(image_shape[0], width), *head)


class Tokens(nn.Module):
    """Patches as tokens, a layer of each, and a classifier of their mean."""

    def __init__(self, image_shape, classes, size=4, width=5):
        super().__init__()
        self.patches = nn.Conv2d(image_shape[0], width, size, stride=size)
        self.first = nn.Linear(width, width + 2)
        self.second = nn.Linear(width + 2, width + 1)
        self.head = nn.Linear(width + 1, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = self.second(torch.tanh(self.first(x)))
        return self.head(x.mean(1))


class Normed(nn.Module):
    """Batch norm, an activation in place, and a mean over positions."""

    def __init__(self, image_shape, classes):
        super().__init__()
        self.stem = nn.Conv2d(image_shape[0], 5, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(5)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(5, 7, 3, stride=2)
        self.head = nn.Linear(7, classes)

    def forward(self, x):
        x = self.second(self.relu(self.norm(self.stem(x))))
        return self.head(x.mean((2, 3)))


class Broken(nn.Module):
    """What goes wrong by the word that it is given."""

    def __init__(self, image_shape, classes, how=""):
        super().__init__()
        self.how = how
        self.stem = nn.Conv2d(image_shape[0], 4, 3)
        self.twice = nn.Conv2d(4, 4, 1)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.idle = nn.Linear(3, 3)
        self.head = nn.Linear(4, classes + 2 * (how == "classes"))
        if how == "frozen":
            self.stem.weight.requires_grad_(False)

    def forward(self, x):
        if self.how == "raises":
            raise RuntimeError("no such size")
        x = self.twice(self.twice(self.stem(x)))
        x += 1
        self.pool(x)
        if self.how == "random":
            x = x + torch.rand(())
        logits = self.head(x.mean((2, 3)))
        if self.how == "several" and self.training:
            return logits, x
        return None if self.how == "nothing" else logits


class Odd(nn.Module):
    """What others would not expect of a module, by the word that it is given."""

    def __init__(self, image_shape, classes, how=""):
        super().__init__()
        self.how = how
        self.images = nn.Conv2d(image_shape[0], 4, 3)
        self.last = nn.LazyLinear(classes) if how == "lazy" else nn.Linear(4, classes)
        self.scale = torch.rand(()) if how == "unstored" else 1.0
        if how == "old":
            self.weight = self.images.weight / 2  # as torch.nn.utils.weight_norm has
        if how == "short":
            self.images.bfloat16()
        if how == "elsewhere":
            with torch.no_grad():
                self.last.weight[0, 0] = random.random()

    def forward(self, x):
        x = self.images(x).mean((2, 3)) * self.scale
        if self.how == "batch":
            x = x - x.mean(0)
        return self.last(x.log() if self.how == "infinite" else x)


class Unread(nn.Module):
    """No linear map reads the images, or an activation: norms lie between."""

    def __init__(self, image_shape, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(image_shape[0])
        self.stem = nn.Conv2d(image_shape[0], 5, 3, stride=3)
        self.act = nn.ReLU()
        self.between = nn.GroupNorm(1, 5)
        self.head = nn.Linear(5, classes)

    def forward(self, x):
        x = self.act(self.stem(self.norm(x)))
        return self.head(self.between(x).mean((2, 3)))


class Bare(nn.Module):
    """No submodules."""

    def __init__(self, image_shape, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, image_shape[0]))

    def forward(self, x):
        return x.mean((2, 3)) @ self.weight.T


class Named(nn.Module):
    """Calls its parts by the names of what they take."""

    def __init__(self, image_shape, classes):
        super().__init__()
        self.stem = nn.Conv2d(image_shape[0], 5, 3, stride=2)
        self.act = nn.GELU()
        self.head = nn.Linear(5, classes)

    def forward(self, x):
        x = self.act(input=self.stem(input=x))
        return self.head(input=x.mean((2, 3)))


def seeded(image_shape, classes):
    torch.manual_seed(5)
    return grouped(image_shape, classes)


def constant(image_shape, classes):
    module = grouped(image_shape, classes)
    for number, parameter in enumerate(module.parameters()):
        nn.init.constant_(parameter, 0.1 * number)
    return module


def wrapped(image_shape, classes, how=""):
    module = grouped(image_shape, classes)
    if how == "compiled":
        return torch.compile(module)
    if how == "compiled in place":
        module[0].compile()
        return module
    return nn.Sequential(nn.DataParallel(module))


def leaving(image_shape, classes):
    raise SystemExit("usage: train.py [--epochs EPOCHS]")


def no_module(image_shape, classes):
    return "a network"


def failing(image_shape, classes):
    raise ValueError("too small")


def unlearned(image_shape, classes):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def needy(image_shape, classes, width):
    return grouped(image_shape, classes, width)


number = 3
