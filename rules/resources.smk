# Resources of jobs, which double when a job is tried again.

import math
from functools import cache

from latentdims.workflow import memory


def growing(amount):
    """A fixed amount."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


@cache
def shapes(path, modified, network, dataset, architecture=None):
    """What a network computes, by the first input of its job, and by its description where it has
    one; read once for all jobs."""
    return memory.Shapes.read(path, settings_of(dataset, network), architecture)


def needed(estimate, **options):
    """Memory in MB by an estimate of latentdims/workflow/memory.py, given options by functions of wildcards.

    Known once the first input is there; before that, Snakemake asks again later.
    """

    def amount(wildcards, input, attempt):
        files = [input[0], *input.get("architecture", [])]
        modified = max(Path(file).stat().st_mtime_ns for file in files)
        found = shapes(files[0], modified, wildcards.network, wildcards.dataset, *files[1:])
        given = {name: option(wildcards) for name, option in options.items()}
        return declared(estimate(found, **given) if found else memory.UNKNOWN, attempt)

    return amount


def to_prepare(wildcards, input, attempt):
    """The same for preparing the images of a data set."""
    files = LOCAL_FILES[wildcards.dataset] or list(input)
    return declared(memory.prepare(SETTINGS["datasets"][wildcards.dataset], files), attempt)


def declared(estimate, attempt):
    return math.ceil(memory.MARGIN * (memory.RUNNER + estimate)) * 2 ** (attempt - 1)
