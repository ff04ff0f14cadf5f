"""Where a network can be read, and what can be done there: what `make sites` prints."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py

from latentdims.configuration import adopted, config_file
from latentdims.configuration.config import resolve
from latentdims.errors import InputError, nearest
from latentdims.images import datasets
from latentdims.models import families
from latentdims.models.architecture import IMAGES, Site
from latentdims.models.brought.family import Family

HEADER = ("site", "of one image", "channels", "clipped", "weights that read it")


def main() -> int:
    """Print the table of NETWORK in CONFIG; the exit status."""
    try:
        print(table(os.environ.get("CONFIG") or "config.yaml", os.environ.get("NETWORK") or ""))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def table(config: str, name: str) -> str:
    """A line for each place where a network of a configuration can be read, or why it cannot.

    Raises InputError if the configuration has no such network, or its images are not known.
    """
    given = config_file.read(config)
    networks = given.get("networks") or {}
    if not name:
        raise InputError(f"NETWORK=: name a network of {config}: {', '.join(networks)}")
    if name not in networks:
        raise InputError(f"NETWORK={name}: {config} has no such network; {nearest(name, networks)}")
    if families.is_brought(networks[name]):  # they are what is looked for
        networks[name].setdefault("sites", ["all"])
    settings = resolve(given)
    dataset = next(dataset for dataset, network in settings["runs"] if network == name)
    shape, classes = _images(dataset, name, settings)
    rows = [HEADER, *_rows(settings["networks"][name], shape, classes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    undrawn = families.outline(settings["networks"][name]).undrawn
    return "\n".join(
        [
            f"{name}, for images of {dataset}: {_sizes(shape)}, {classes} classes",
            *lines,
            f"Networks cannot be drawn from it: {undrawn}." if undrawn else "Networks are drawn.",
        ]
    )


def check(settings: Mapping[str, Any], folder: Path, code: Callable[[str], str]) -> None:
    """Raise InputError for an unknown site of a user's module, if a file of the current code lists
    its sites; otherwise the job that writes this file checks them.

    settings: the configuration, complete. folder: of the results. code: fingerprint of the code
    that describes a network, by its name.
    """
    for dataset, name in settings["runs"]:
        network, path = settings["networks"][name], folder / dataset / name / "architecture.json"
        if not families.is_brought(network) or not path.exists():
            continue
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["params"]
            same = found["settings"]["network"] == families.as_trained(network)
            if same and found["code"] == code(name):
                families.chosen(network, path)
        except (KeyError, TypeError, ValueError):
            continue  # it is made again
        except InputError as error:
            raise InputError(f"networks.{name}.{error}") from None


def _images(
    dataset: str, network: str, settings: Mapping[str, Any]
) -> tuple[tuple[int, int, int], int]:
    """Shape (C, H, W) of the images as a network sees them, and the number of its classes."""
    seen = datasets.seen(settings["datasets"][dataset], settings["preprocessing"][dataset][network])
    found = datasets.image_shape(seen) or _stored(dataset, seen, settings)
    return found[0], adopted.classes(settings["adopted"].get(network), found[1])


def _stored(
    dataset: str, seen: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[tuple[int, int, int], int]:
    path = Path(settings["results"], "resources", f"{dataset}.h5")
    if not path.exists():
        raise InputError(
            f"datasets.{dataset}: the size of its images is not known yet; run `make run "
            f"TARGET={path}` with the same CONFIG first"
        )
    with h5py.File(path, "r", locking=False) as file:
        _, channels, height, width = file["train/images"].shape
        gray = "gray" in seen["preprocessing"]["steps"]
        return (1 if gray else channels, height, width), len(file["classes"])


def _rows(
    settings: Mapping[str, Any], shape: tuple[int, int, int], classes: int
) -> list[tuple[str, ...]]:
    if not families.is_brought(settings):
        found = families.described(settings, image_shape=shape, classes=classes)
        readers = {
            name: [weight.name for weight in found.weights if weight.reads == name]
            for name in (IMAGES, *(site.name for site in found.sites))
        }
        return _listed(shape, found.sites, readers, outputs=[found.output])
    parts = Family.of(settings).parts(image_shape=shape, classes=classes)
    sites = [parts.site(name) for name in parts.shapes]
    readers = {
        name: [each.name for each in parts.maps if name in {read.of for read in each.reads}]
        for name in (IMAGES, *parts.shapes)
    }
    rows = _listed(shape, sites, readers, outputs=parts.outputs)
    return rows + [(name, reason, "", "", "") for name, reason in parts.unmeasured.items()]


def _listed(
    shape: tuple[int, int, int],
    sites: Sequence[Site],
    readers: Mapping[str, Sequence[str]],
    *,
    outputs: Sequence[str | None],
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (IMAGES, _sizes(shape), str(shape[0]), "", ", ".join(readers[IMAGES]))
    ]
    for site in sites:
        clipped = "output" if site.name in outputs else "yes"
        read = ", ".join(readers[site.name])
        rows.append((site.name, _sizes(site.shape), str(site.channels), clipped, read))
    return rows


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


if __name__ == "__main__":
    sys.exit(main())
