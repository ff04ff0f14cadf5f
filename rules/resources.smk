# What jobs need; all of it doubles where a job is tried again.

import math
from functools import cache

from latentdims.workflow import memory


def growing(amount):
    """An amount that is known beforehand."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


@cache
def shapes(path, modified, network, dataset):
    """What a network computes, by the first input of its job; read once for all jobs."""
    return memory.Shapes.read(path, settings_of(dataset, network))


def needed(estimate, **options):
    """Memory in MB by an estimate of latentdims/workflow/memory.py, given options by functions of wildcards.

    Known once the first input is there; before that, Snakemake asks again later.
    """

    def amount(wildcards, input, attempt):
        modified = Path(input[0]).stat().st_mtime_ns
        found = shapes(input[0], modified, wildcards.network, wildcards.dataset)
        given = {name: option(wildcards) for name, option in options.items()}
        return declared(estimate(found, **given) if found else memory.UNKNOWN, attempt)

    return amount


def to_prepare(wildcards, input, attempt):
    """The same for the images of a data set."""
    files = LOCAL_FILES[wildcards.dataset] or list(input)
    return declared(memory.prepare(SETTINGS["datasets"][wildcards.dataset], files), attempt)


def declared(estimate, attempt):
    return math.ceil(memory.MARGIN * (memory.RUNNER + estimate)) * 2 ** (attempt - 1)
