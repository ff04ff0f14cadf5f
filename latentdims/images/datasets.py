"""A data set in the configuration: its keys, and what is known of its images in advance."""

from collections.abc import Mapping
from typing import Any

from latentdims.configuration.config_file import expanded
from latentdims.errors import InputError
from latentdims.images import selection
from latentdims.images.sources import embedded

SAMPLES = {"train_samples": 8000, "test_samples": 2000}  # of embedded images; all of others
SOURCE_KEYS = {
    "embedded": ("seed",),
    "torchvision": ("name", "path", "mirrors"),
    "imagefolder": ("path", "size", "range", "test_share", "split_seed"),
}
REQUIRED = {"embedded": (), "torchvision": ("name",), "imagefolder": ("path",)}
EMBEDDED = (3, embedded.SIZE, embedded.SIZE), len(embedded.SHAPES)
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
    kept |= _chosen(name, dataset)
    check_statistics(kept, key=f"datasets.{name}")
    return {key: expanded(kept[key]) if key == "path" and kept[key] else kept[key] for key in kept}


def _chosen(name: str, dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of any source, as far as they are given: which images, and whose labels."""
    kept: dict[str, Any] = {}
    if dataset.get("classes") is not None:
        kept["classes"] = _classes(dataset["classes"], key=f"datasets.{name}.classes")
    if dataset.get("labels") == selection.SHUFFLED:
        kept["labels"] = selection.SHUFFLED
    defaults: Mapping[str, int | None] = dict.fromkeys(SAMPLES)
    if dataset["source"] == "embedded":
        known = tuple(embedded.SHAPES)
        names = kept.get("classes", known)
        selection.check(names, known, key=f"datasets.{name}.classes")
        defaults = {key: number * len(names) // len(known) for key, number in SAMPLES.items()}
    asked = {key: dataset.get(key) or number for key, number in defaults.items()}
    return kept | {key: number for key, number in asked.items() if number is not None}


def _classes(given: list[Any], *, key: str) -> list[str]:
    """Names of classes as text. Raises InputError for fewer than two, and for one that YAML reads
    as something else."""
    for each in given:
        if not isinstance(each, str) and type(each) is not int:
            raise InputError(f"{key}: YAML reads a name as {each!r}; quote it")
    names = [str(each) for each in given]
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise InputError(f"{key}: '{twice}' is listed twice; remove one")
    if len(names) < 2:
        raise InputError(f"{key}: found {names}, expected at least two names; add one")
    return names


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
    if dataset["source"] == "imagefolder":
        return None
    shape, classes = EMBEDDED if dataset["source"] == "embedded" else SHAPES[dataset["name"]]
    return shape, len(dataset.get("classes") or ()) or classes


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
