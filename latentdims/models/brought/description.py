"""A user's module as plain data, found by passing random images through it."""

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latentdims.errors import InputError
from latentdims.models.architecture import IMAGES
from latentdims.models.brought.parts import Map, Parts, Read
from latentdims.models.brought.visits import Visit, visits

TOLERANCE = 1e-5  # of the largest value: float32, in another order of sums
BATCHED = 1e-3  # the same, through all layers
SAMPLES, FEWER = 3, 2  # images in two passes, which no number of channels must depend on

PARALLEL = ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel")

Seen = Mapping[str, Visit]


def describe(module: nn.Module, *, image_shape: tuple[int, int, int], classes: int) -> Parts:
    """All parts of a module, and the outputs that its linear maps read.

    Raises InputError for a module that cannot be measured.
    """
    passes = _passes(module, image_shape=image_shape, classes=classes)
    reasons = {name: unmeasured(visit, passes) for name, visit in passes.seen.items()}
    found = {name: visit for name, visit in passes.seen.items() if not reasons[name]}
    made = [math.prod(visit.shape) for visit in passes.seen.values() if visit.shape]
    if not made:
        raise InputError(
            "architecture: the module has no submodule that runs, so there is nothing to name as a "
            "site; write what is to be compared as a submodule, such as nn.Identity()"
        )
    return Parts(
        image_shape=image_shape,
        classes=classes,
        shapes={name: visit.shape or () for name, visit in found.items()},
        unmeasured={name: reason for name, reason in reasons.items() if reason},
        outputs=tuple(name for name in found if _same(found[name].made, passes.output)),
        maps=tuple(_maps(found, passes)),
        parameters=sum(tensor.numel() for tensor in module.state_dict().values()),
        values=sum(made),
        widest=max(made),
    )


def check_drawn(first: nn.Module, again: nn.Module, other: nn.Module) -> None:
    """Raise InputError unless modules of the same seed are equal, and modules of different seeds
    have different weights.

    Numbers from other generators than torch's would differ between runs.
    """
    tensors, others = first.state_dict(), dict(other.named_parameters())
    if all(torch.equal(tensor, others[name]) for name, tensor in first.named_parameters()):
        raise InputError(
            "architecture: all seeds start from the same weights; leave torch.manual_seed out of "
            "the function, and draw weights at random: each seed starts PyTorch's generator anew"
        )
    for name, tensor in again.state_dict().items():
        if not torch.equal(tensor, tensors[name]):
            raise InputError(
                f"architecture: {name} is another each time that the module is made, also from "
                "the same seed; draw it from PyTorch's generator, such as with torch.randn"
            )


def check_trained(module: nn.Module, *, image_shape: tuple[int, int, int], classes: int) -> None:
    """Raise InputError for a module that cannot be trained here."""
    frozen = [name for name, each in module.named_parameters() if not each.requires_grad]
    if frozen:
        raise InputError(
            f"architecture: {frozen[0]} is frozen (requires_grad is false), and would be trained; "
            "make it a buffer"
        )
    made, _ = passed(module.train(), _images(image_shape))
    _check_output(made, classes, "while it is trained")


def check_stored(first: nn.Module, other: nn.Module, *, image_shape: tuple[int, int, int]) -> None:
    """Raise InputError unless a module of another seed equals the first, once it has the tensors of
    the first.

    Random numbers outside parameters and buffers would differ in each job that reads the file.
    """
    other.load_state_dict(first.state_dict())
    images = _images(image_shape)
    found, loaded = (passed(each.eval(), images)[0] for each in (first, other))
    if not _same(found, loaded):
        raise InputError(
            "architecture: what the module makes depends on something random that is neither a "
            "parameter nor a buffer, and would not be stored with it; make it a buffer"
        )


@dataclass(frozen=True)
class Passes:
    """The outputs for random images in evaluation mode, and for a smaller batch."""

    images: Tensor
    output: Tensor
    seen: Seen
    others: Seen


def _passes(module: nn.Module, *, image_shape: tuple[int, int, int], classes: int) -> Passes:
    """Raises InputError for a module that cannot be measured."""
    _check_plain(module)
    _check_learned(module)
    _check_copied(module)
    images = _images(image_shape)
    with suppress(InputError):  # norms get statistics, without which they hand on what they read
        passed(module.train(), images)
    output, seen = passed(module.eval(), images)
    _check_output(output, classes, "in evaluation mode")
    if not output.isfinite().all():
        raise InputError(
            "architecture: in evaluation mode, the module makes values of random images that are "
            "not finite, before it is trained"
        )
    again, _ = passed(module, images)
    if not torch.equal(output, again):
        raise InputError(
            "architecture: in evaluation mode, the module makes something else of the same images "
            "each time; have what is random happen only where self.training is true"
        )
    fewer, others = passed(module, images[:FEWER])
    if not _same(output[:FEWER], fewer, tolerance=BATCHED):
        raise InputError(
            "architecture: in evaluation mode, what the module makes of an image depends on the "
            "others of its batch; use statistics of training images (track_running_stats=True)"
        )
    return Passes(images, output, seen, others)


def _images(shape: tuple[int, int, int]) -> Tensor:
    return torch.randn(SAMPLES, *shape, generator=torch.Generator().manual_seed(0))


def passed(module: nn.Module, images: Tensor) -> tuple[Any, dict[str, Visit]]:
    """As `visits`. Raises InputError where the module fails."""
    try:
        return visits(module, images)
    except Exception as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"architecture: the module raised {type(error).__name__} for images of shape "
            f"{tuple(images.shape[1:])}: {text}; if they are too small for it, enlarge them (the "
            "key `size` of an imagefolder)"
        ) from error


def _check_plain(module: nn.Module) -> None:
    """Raise InputError for wrappers that hide the parts of a module, or run without them."""
    for name, part in module.named_modules():
        kind, where = type(part).__name__, name or "the module"
        if kind == "OptimizedModule" or part._compiled_call_impl is not None:
            raise InputError(
                f"architecture: {where} is compiled (torch.compile), which hides its parts; "
                "return it as it is"
            )
        if kind in PARALLEL:
            raise InputError(
                f"architecture: {where} is a {kind}; return what it holds, its attribute `module`: "
                "each job runs on one device"
            )


def _check_learned(module: nn.Module) -> None:
    if not list(module.parameters()):
        raise InputError("architecture: nothing is learned: the module has no parameters")
    lazy = [name for name, each in module.named_parameters() if nn.parameter.is_lazy(each)]
    if lazy:
        raise InputError(
            f"architecture: {lazy[0]} has no shape before images pass through the module; use a "
            "layer that is not lazy, with the number of its inputs"
        )


def _check_copied(module: nn.Module) -> None:
    """Raise InputError for a module that cannot be copied or stored."""
    for name, tensor in module.state_dict().items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"architecture: {name} is {_kind(tensor)}, expected only tensors")
        try:
            tensor.numpy()
        except (TypeError, RuntimeError):
            raise InputError(
                f"architecture: {name} is of {tensor.dtype}, which no file holds; make it float32"
            ) from None
    try:
        copy.deepcopy(module)
    except Exception as error:
        text = str(error).split(". ")[0]
        raise InputError(
            f"architecture: the module cannot be copied ({type(error).__name__}: {text}); write "
            "torch.nn.utils.parametrizations.weight_norm for torch.nn.utils.weight_norm, if it has "
            "that"
        ) from error


def _check_output(output: Any, classes: int, when: str) -> None:
    if not isinstance(output, Tensor):
        auxiliary = "aux_logits" in " ".join(getattr(output, "_fields", ()))  # of torchvision
        key = "; give it the key aux_logits: false" if auxiliary else ""
        raise InputError(
            f"architecture: the module returns {_kind(output)} {when}, expected only logits{key}"
        )
    if output.ndim != 2 or output.shape[1] != classes:
        raise InputError(
            f"architecture: the module returns {tuple(output.shape[1:])} for each image {when}, "
            f"expected {classes} logits, one for each class"
        )


def _kind(found: Any) -> str:
    return "nothing" if found is None else f"a {type(found).__name__}"


def unmeasured(visit: Visit, passes: Passes) -> str:
    """Why a part cannot be a site; empty if it can."""
    if visit.name == IMAGES:
        return f"'{IMAGES}' means the images that the network reads; give the part another name"
    if visit.runs > 1:
        return f"runs {visit.runs} times in a pass, and has several outputs; name another part"
    if not isinstance(visit.made, Tensor):
        return f"returns {_kind(visit.made)}, expected a tensor; name a part within it"
    if visit.shape is None or len(visit.made) != SAMPLES:
        return f"makes {tuple(visit.made.shape)} of {SAMPLES} images, expected a row for each"
    other = passes.others.get(visit.name)
    if other is None or other.shape != visit.shape:
        return "its output has another shape for fewer images"
    if visit.overwritten:
        return "what follows changes its output in place; name the part that does"
    return ""


def _maps(found: Seen, passes: Passes) -> Iterator[Map]:
    """Linear maps and convolutions that run once, in order, each with what it reads: an output
    directly, flattened, averaged over positions, or of the first token. A rotation of channels
    commutes with each of these."""
    for name, visit in passes.seen.items():
        weight = visit.part._parameters.get("weight")
        mapped = isinstance(visit.part, nn.Linear | nn.Conv2d) and visit.runs == 1
        if not mapped or weight is None or getattr(visit.part, "groups", 1) != 1:
            continue
        linear = isinstance(visit.part, nn.Linear)
        sources = {IMAGES: passes.images, **{name: found[name].made for name in found}}
        reads = [
            Read(of, axis, made.shape[axis])
            for of, made in sources.items()
            for axis in ([1] if of == IMAGES else sorted({1, made.ndim - 1}))
            if any(_same(way, visit.read) for way in _ways(made, axis, linear))
        ]
        neurons, channels, *taps = weight.shape
        yield Map(name, neurons, channels, math.prod(taps), tuple(reads))


def _ways(made: Tensor, axis: int, linear: bool) -> list[Tensor]:
    """What a map with the channels at an axis of an output may read of it."""
    if not linear:
        return [made] if axis == 1 else []
    if made.ndim == 2:
        return [made]
    if axis == made.ndim - 1:
        return [made, made.flatten(1, -2).mean(1), made[:, 0]]
    return [made.flatten(1), made.flatten(2).mean(2)]


def _same(found: Any, other: Any, *, tolerance: float = TOLERANCE) -> bool:
    """Whether two tensors hold the same values, up to rounding."""
    if not (isinstance(found, Tensor) and isinstance(other, Tensor)) or found.shape != other.shape:
        return False
    return bool((found - other).abs().max() <= tolerance * found.abs().max())
