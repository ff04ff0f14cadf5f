"""Alignment and covariances of your own arrays: what the pipeline measures of networks."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentdims import sizes
from latentdims.comparison import null, pair, unrelated
from latentdims.comparison.measured import Measured, centre
from latentdims.comparison.moments import Centred, Moments
from latentdims.comparison.procrustes import similarity
from latentdims.errors import InputError
from latentdims.models.architecture import Architecture, Site

Array = NDArray[np.float64]
Given = Tensor | NDArray[Any]  # (N, C, ...)

FIT = "train"  # what the pipeline calls the images of a fit
ROWS = "rows"  # the only site of an array
WIDER = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


@dataclass(frozen=True, eq=False)
class Alignment:
    """The rotation between two representations of the same images, which `align` fits.

    rotation: A (C, D), for rows φ of x and ψ of y: φ A is near ψ. Semi-orthogonal: A Aᵀ = 1 for
    C ≤ D, Aᵀ A = 1 for C ≥ D. similarity: s = tr S / √(E‖φ‖² E‖ψ‖²), the cosine between φ A and ψ
    on the images of the fit; s² is the variance that the best scaled rotation explains (Guth et al.
    2024). NaN where x or y is zero, or, centred, where its variance is below
    1e-10 of its second moment: the same for all images. centred: whether the
    means were taken away. Keeps x and y, not copies of them, for `null`.
    """

    rotation: Array
    similarity: float
    centred: bool
    _x: Tensor = field(repr=False)
    _y: Tensor = field(repr=False)
    _fit: tuple[Measured, Measured] = field(repr=False)

    @property
    def _centring(self) -> str:
        return "centred" if self.centred else "uncentred"

    def score(self, x: Given, y: Given) -> float:
        """The similarity of other images, with the rotation of the fit.

        x (N, C, ...), y (N, D, ...): of held-out images. If centred, their own means are taken
        away, not those of the fit, as the pipeline does for test images. Raises InputError as
        `align`, and for other numbers of channels than those of the fit.
        """
        partner, own, cross = _measured(*_both(x, y, channels=self.rotation.shape))
        moment = centre(cross, partner.means(FIT), own.means(FIT), self._centring)
        powers = (each.power(FIT, self._centring) for each in (partner, own))
        return similarity(moment, self.rotation, power=next(powers), partner_power=next(powers))

    def transform(self, x: Given) -> Any:
        """x (N, C, ...) rotated onto y: (N, D, ...), a tensor for a tensor, else an array.

        If centred, (x - mean of x) A + mean of y, by the means of the fit; else x A. The scale
        stays that of x.
        """
        values = tensor(x, name="x", channels=len(self.rotation), least=1)
        turned = values.movedim(1, -1)
        of_x, of_y = (torch.from_numpy(each.mean[FIT]).to(values) for each in self._fit)
        if self.centred:
            turned = turned - of_x
        turned = turned @ torch.from_numpy(self.rotation).to(values)
        if self.centred:
            turned = turned + of_y
        found = turned.movedim(-1, 1)
        return found if isinstance(x, Tensor) else found.numpy()

    def null(self, pairings: int = 20, seed: int = 0) -> Array:
        """Similarities (P,) that unrelated images have: the null of `similarity`.

        In each pairing every image of x meets another image of y, and the rotation is fitted anew,
        in sample. No two pairings have a pair of images in common, so P is less than `pairings`
        where there are few images: at most N / 8 - 1, rounded down (of fewer than 16 images, 1 or
        2). seed: of the order in which images are paired; 0 is that of the pipeline. Computed in
        float32. Raises InputError for pairings below 1.
        """
        if pairings < 1:
            raise InputError(f"pairings: found {pairings}; give 1 or more")
        theirs, ours = _Shown(self._x), _Shown(self._y)
        number = unrelated.pairings(len(ours), pairings)
        (paired,) = unrelated.paired([theirs], ours, pairings=number, seed=seed)
        crosses = {FIT: paired[ROWS].covariance[1:]}
        found, _ = null.similarities(*self._fit, crosses, self._centring)
        return found[FIT]


@dataclass(frozen=True)
class _Shown:
    """A representation as a view of images that are shown by their indices."""

    values: Tensor

    @property
    def architecture(self) -> Architecture:
        site = Site(ROWS, ROWS, tuple(self.values.shape[1:]))
        return Architecture((1, 1, 1), classes=1, sites=(site,), weights=(), output=None)

    @property
    def device(self) -> str:
        return str(self.values.device)

    def __len__(self) -> int:
        return len(self.values)

    def representations(self, samples: Tensor) -> Iterator[tuple[Site, Tensor]]:
        yield self.architecture.sites[0], self.values[samples].float()


def align(x: Given, y: Given, *, centred: bool = True) -> Alignment:
    """Fit the rotation that best takes x to y.

    x (N, C) or (N, C, H, W), y (N, D) or (N, D, H, W): row i of both is what image i evokes; arrays
    or tensors, of other numbers of channels if need be. Positions are further samples, as in the
    pipeline, so both need the same ones. centred: rotate about the means; else about zero, as the
    published tutorial does. Raises InputError for other shapes, for values that are not finite, and
    for fewer than two images.
    """
    both = _both(x, y)
    partner, own, cross = _measured(*both)
    centring = "centred" if centred else "uncentred"
    rotations, scores = pair.fit(partner, own, {FIT: cross}, centrings=[centring])
    return Alignment(
        rotations[centring], float(scores[FIT][0]), centred, *both, _fit=(partner, own)
    )


def covariance(x: Given) -> Moments:
    """Count, mean and covariance of the rows of x (N, C) or (N, C, H, W), where positions are
    further samples: `count`, and `mean` (C,), `covariance` and `second_moment` (C, C), which are
    tensors in float64 on the device of x.

    The covariance divides by the count. `Moments.total([covariance(a), covariance(b)])` is that of
    the rows of both. Raises InputError as `align`.
    """
    total = Moments()
    for (rows,) in _batches(tensor(x, name="x")):
        total.merge(Moments.of([rows], [rows]))
    return total


def tensor(given: Given, *, name: str, channels: int | None = None, least: int = 2) -> Tensor:
    """An array or a tensor (N, C, ...) as a tensor in float32 or float64.

    name: in messages. channels: C, where it is known. least: images. Raises InputError for anything
    else, and for values that are not finite.
    """
    found = given.detach() if isinstance(given, Tensor) else _of_array(given, name)
    if found.is_complex():
        raise InputError(f"{name}: found values of type {found.dtype}; give real numbers")
    if not found.is_floating_point():
        found = found.double()
    found = found.to(WIDER.get(found.dtype, found.dtype))
    shape = tuple(found.shape)
    if len(shape) < 2 or 0 in shape:
        raise InputError(
            f"{name}: found the shape {shape}; give (images, channels) or (images, channels, "
            "height, width)"
        )
    if len(found) < least:
        raise InputError(f"{name}: found {len(found)} image; give {least} or more")
    if channels is not None and shape[1] != channels:
        raise InputError(
            f"{name}: found {shape[1]} channels, but {channels} in the fit; give the same channels"
        )
    wrong = ~found.isfinite()
    if wrong.any():
        image = int(wrong.flatten(1).any(1).nonzero()[0])
        raise InputError(
            f"{name}: {int(wrong.sum())} of {wrong.numel()} values are not finite, the first of "
            f"them in image {image}; leave out these images or channels"
        )
    return found


def _of_array(given: Any, name: str) -> Tensor:
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: found values of type {array.dtype}; give real numbers")
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    # A copy of what cannot be written, of which torch warns.
    return torch.from_numpy(
        np.require(array, np.float32 if single else np.float64, requirements=["C", "W"])
    )


def _both(
    x: Given, y: Given, *, channels: tuple[int, ...] | tuple[None, None] = (None, None)
) -> tuple[Tensor, Tensor]:
    """Both in the same precision, on the device of x. Raises InputError where they do not belong
    together."""
    theirs = tensor(x, name="x", channels=channels[0])
    ours = tensor(y, name="y", channels=channels[1]).to(theirs.device)
    if len(theirs) != len(ours):
        raise InputError(
            f"x has {len(theirs)} images and y has {len(ours)}; give what the same images evoke, "
            "in the same order"
        )
    if theirs.shape[2:] != ours.shape[2:]:
        places = [" x ".join(map(str, each.shape[2:])) or "no" for each in (theirs, ours)]
        raise InputError(
            f"x has {places[0]} positions and y has {places[1]}; average over positions where "
            "there are some, as by x.mean((2, 3)), or resize one to the other"
        )
    precision = torch.promote_types(theirs.dtype, ours.dtype)
    return theirs.to(precision), ours.to(precision)


def _batches(*given: Tensor) -> Iterator[tuple[Centred, ...]]:
    """The rows of some images of each, without their means, so that few are copied at once."""
    largest = max(math.prod(each.shape[1:]) for each in given)
    size = max(1, sizes.of(given[0].device).measured // largest)
    for batch in zip(*(each.split(size) for each in given), strict=True):
        yield tuple(map(Centred.of, batch))


def _measured(x: Tensor, y: Tensor) -> tuple[Measured, Measured, Array]:
    """What is known of both, and their cross-covariance (C, D)."""
    of_x, of_y, shared = Moments(), Moments(), Moments()
    for theirs, ours in _batches(x, y):
        of_x.merge(Moments.of([theirs], [theirs]))
        of_y.merge(Moments.of([ours], [ours]))
        shared.merge(Moments.of([theirs], [ours]))
    return _of_moments(of_x), _of_moments(of_y), shared.covariance.cpu().numpy()


def _of_moments(found: Moments) -> Measured:
    mean, own = found.mean.cpu().numpy(), found.covariance.cpu().numpy()
    return Measured({FIT: mean}, {FIT: (own + own.T) / 2})
