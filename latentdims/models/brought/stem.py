"""The first layers of a model of torchvision, adapted to other images."""

from torch import nn

from latentdims.errors import InputError


def fit(module: nn.Module, *, channels: int, small_images: bool) -> None:
    """Adapt the first convolution to the channels of images; for small images, keep their size.

    Then it is 3 x 3 with stride 1, and a max-pooling before the second convolution is removed, as
    is usual for CIFAR-10. The new convolution has PyTorch's default initialisation. Raises
    InputError if the stem already keeps the size of images, or cuts them into patches.
    """
    parts = list(module.named_modules())
    convolutions = [(name, part) for name, part in parts if isinstance(part, nn.Conv2d)]
    if not convolutions:
        if small_images:
            raise InputError("small_images: the model has no convolution; remove this key")
        return
    name, first = convolutions[0]
    if small_images and first.stride == (1, 1):
        raise InputError(
            f"small_images: the first convolution, {name}, already has stride 1; remove this key"
        )
    if small_images and first.stride == first.kernel_size:
        raise InputError(
            f"small_images: the first convolution, {name}, cuts images into patches of "
            f"{' x '.join(map(str, first.stride))}, and has no smaller form; remove this key"
        )
    if small_images:
        second = convolutions[1][0] if len(convolutions) > 1 else ""
        for place, part in parts[: [name for name, _ in parts].index(second)]:
            if isinstance(part, nn.MaxPool2d):
                _replace(module, place, nn.Identity())
    elif first.in_channels == channels:
        return
    shape = {"kernel_size": 3, "stride": 1, "padding": 1} if small_images else {
        "kernel_size": first.kernel_size, "stride": first.stride, "padding": first.padding
    }  # fmt: skip
    bias = first.bias is not None
    _replace(module, name, nn.Conv2d(channels, first.out_channels, bias=bias, **shape))


def check_size(module: nn.Module, *, image_shape: tuple[int, int, int]) -> None:
    """Raise InputError if the model takes images (C, H, W) of one size, and these have another."""
    size, patch = getattr(module, "image_size", None), getattr(module, "patch_size", 1)
    _, *sides = image_shape
    if size is None or sides == [size, size]:
        return
    fits = sides[0] == sides[1] and sides[0] % patch == 0
    key = f"give the network image_size: {sides[0]}, or " if fits else "give "
    raise InputError(
        f"image_size: the model takes images of {size} x {size}, found {sides[0]} x {sides[1]}; "
        f"{key}the data set (an imagefolder) size: {size}"
    )


def _replace(module: nn.Module, name: str, part: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, part)
