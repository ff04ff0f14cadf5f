"""A data set in the configuration: its keys, and what is known of its images in advance."""

from collections.abc import Mapping
from typing import Any

from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError

SAMPLES = {"train_samples": 8000, "test_samples": 2000}  # of embedded images; all of others
SOURCE_KEYS = {
    "embedded": ("seed",),
    "torchvision": ("name", "path", "mirrors"),
    "imagefolder": ("path", "size", "range", "test_share", "split_seed"),
}
REQUIRED = {"embedded": (), "torchvision": ("name",), "imagefolder": ("path",)}
SHAPES = {  # of one image, and the number of classes
    "CIFAR10": ((3, 32, 32), 10),
    "CIFAR100": ((3, 32, 32), 100),
    "MNIST": ((1, 28, 28), 10),
    "FashionMNIST": ((1, 28, 28), 10),
    "SVHN": ((3, 32, 32), 10),
}

Shape = tuple[int, int, int]  # (C, H, W)


def of_source(name: str, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """A data set without the keys of other sources.

    Raises InputError for a missing key of its source, and for values that do not fit.
    """
    source = dataset["source"]
    for key in REQUIRED[source]:
        if dataset.get(key) is None:
            raise InputError(f"datasets.{name}: source '{source}' needs the key '{key}'; add it")
    values = dataset.get("range")
    if source == "imagefolder" and values and not values[0] < values[1]:
        raise InputError(
            f"datasets.{name}.range: {values} is not [black, white], the lower value first"
        )
    kept = {key: dataset[key] for key in ("preprocessing", "source", *SOURCE_KEYS[source])}
    embedded = SAMPLES if source == "embedded" else dict.fromkeys(SAMPLES)
    asked = {key: dataset.get(key) or number for key, number in embedded.items()}
    kept |= {key: number for key, number in asked.items() if number is not None}
    check_statistics(kept, key=f"datasets.{name}")
    return {key: expanded(kept[key]) if key == "path" and kept[key] else kept[key] for key in kept}


def seen(dataset: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    """A data set with the preprocessing of a network, which overrides keys."""
    given = {key: value for key, value in (own or {}).items() if value is not None}
    return {**dataset, "preprocessing": {**dataset["preprocessing"], **given}}


def image_shape(dataset: Mapping[str, Any]) -> tuple[Shape, int] | None:
    """Shape (C, H, W) after preprocessing, and number of classes, if known in advance."""
    known = _stored(dataset)
    if known is None:
        return None
    shape, classes = known
    return ((1, *shape[1:]) if "gray" in dataset["preprocessing"]["steps"] else shape), classes


def _stored(dataset: Mapping[str, Any]) -> tuple[Shape, int] | None:
    if dataset["source"] == "embedded":
        return (3, 32, 32), 10
    return SHAPES[dataset["name"]] if dataset["source"] == "torchvision" else None


def check_statistics(dataset: Mapping[str, Any], *, key: str) -> None:
    """Raise InputError if the number of values differs from the number of channels, if that is
    known before images are read. key: the owner of the preprocessing, for the message."""
    known, preprocessing = _stored(dataset), dataset["preprocessing"]
    steps = preprocessing["steps"]
    if known is None or "normalize" not in steps:
        return
    gray = "gray" in steps[: steps.index("normalize")]
    channels = 1 if gray else known[0][0]
    for name in ("mean", "std"):
        given = preprocessing[name]
        if given != "dataset" and len(given) != channels:
            raise InputError(
                f"{key}.preprocessing.{name}: found {len(given)} number(s), expected "
                f"{channels}, one for each channel at step 'normalize'; give {channels} or "
                "'dataset'"
            )
