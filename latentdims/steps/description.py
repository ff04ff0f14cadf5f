"""The architecture of a user's module, found by a forward pass before anything is trained."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentdims import record
from latentdims.images import data
from latentdims.models.brought.family import Family

logger = logging.getLogger(__name__)


def describe(
    *, images: str | Path, output: str | Path, settings: Mapping[str, Any], sites: str
) -> None:
    """Write all sites that a network can have for the images of a data set, and the weights that
    read them, as JSON.

    settings: {network, preprocessing, adopted, classes}: the network without sites; whether it is
    adopted; and the number of outputs, if they are not the classes of the data set. sites: those to
    be measured, as NAME or NAME=AXIS; the file does not depend on them. Raises InputError if the
    network, or one of the sites, cannot be measured or trained.
    """
    named = [each.partition("=") for each in sites.split()]
    axes = {name: int(axis) if axis else None for name, _, axis in named}
    family = Family.of({**settings["network"], "sites": axes})
    with data.opened(images, preprocessing=settings["preprocessing"], device="cpu") as stored:
        shape, classes = stored.shape, settings["classes"] or len(stored.classes)
        found = family.parts(image_shape=shape, classes=classes)
        trained = not settings["adopted"]
        family.check_made(image_shape=shape, classes=classes, trained=trained)
    chosen = found.chosen(family.sites, undrawn="")
    for site in chosen.sites:
        of_output = " (the output)" if site.name == chosen.output else ""
        logger.info("site %s: %s, %d channels%s", site.name, site.shape, site.channels, of_output)
    for weight in chosen.weights:
        logger.info("weights %s read %s", weight.name, weight.reads)
    every = found.chosen(dict.fromkeys(found.shapes), undrawn="")
    told = {
        "sites": [dataclasses.asdict(site) for site in every.sites],
        "weights": [dataclasses.asdict(weight) for weight in every.weights],
        "parts": found.plain(),
        "params": record.params(),
        "inputs": record.inputs(),
    }
    Path(output).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
