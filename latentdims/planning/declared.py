"""Memory of jobs whose rules cannot declare it yet, as the rules will (rules/resources.smk)."""

import math
from collections.abc import Callable, Mapping

from latentdims.planning.jobs import Job
from latentdims.planning.known import Known
from latentdims.workflow import memory
from latentdims.workflow.memory import Shapes


def megabytes(job: Job, known: Known) -> float | None:
    """Memory that a job declares, or will declare when its first input exists; None if unknown."""
    if job.memory is not None:
        return job.memory
    try:
        estimate = _of_members(job, known) if "member" in job.wildcards else _of_own(job, known)
    except KeyError:
        return None
    return math.ceil(memory.MARGIN * (memory.RUNNER + estimate))


def _of_own(job: Job, known: Known) -> float:
    place = job.wildcards["dataset"], job.wildcards["network"]
    shapes = known.shapes(*place)
    if shapes is None:
        raise KeyError(place)
    adopted = job.wildcards["network"] in known.settings["adopted"]
    every = known.settings["alignment"]["epochs"] == "kept"
    kept = [None] * known.measured(*place) if every or adopted else None
    return RULES[job.rule](job, shapes, kept, known)


def _of_members(job: Job, known: Known) -> float:
    members = known.settings["comparisons"][job.wildcards["comparison"]]["members"]
    partners = job.params["partners"]
    names = [job.wildcards["member"], *(each["place"].rpartition("/seed")[0] for each in partners)]
    found = [known.shapes(members[name]["dataset"], members[name]["network"]) for name in names]
    shapes = [each for each in found if each is not None]
    if len(shapes) < len(names):
        raise KeyError(job.wildcards["member"])
    if job.rule == "compare_covariance":
        return memory.compare_covariance(shapes, partners=len(partners))
    pairings = job.params["options"]["pairings"]
    return memory.compare_align(shapes, partners=len(partners), pairings=pairings)


def _train(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    training = job.params["settings"]["training"]
    return memory.train(shapes, training=training, networks=len(job.outputs))


def _adopt(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    return memory.adopt(shapes, epochs=len(job.params["contents"]))


def _covariance(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    return memory.covariance(shapes, partners=len(job.params["partners"]), kept=kept)


def _align(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    return memory.align(
        shapes,
        partners=len(job.params["partners"]),
        pairings=job.params["options"]["pairings"],
        kept=kept,
        neighbours=job.params["options"]["neighbours"],
    )


def _consensus(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    seeds = known.settings["seeds_of"][job.wildcards["network"]]
    return memory.consensus(shapes, seeds=seeds, kept=kept)


def _clip(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    return memory.clip(shapes)


def _generate(job: Job, shapes: Shapes, kept: memory.Kept, known: Known) -> float:
    return memory.generate(shapes, procedures=job.params["procedures"])


RULES: Mapping[str, Callable[[Job, Shapes, memory.Kept, Known], float]] = {
    "train": _train,
    "adopt": _adopt,
    "covariance": _covariance,
    "merge": _covariance,
    "align": _align,
    "consensus": _consensus,
    "clip": _clip,
    "generate": _generate,
}
