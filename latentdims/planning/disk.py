"""Sizes of the files of a job, from shapes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from latentdims.models.architecture import Architecture, Site
from latentdims.planning.costs import ranks_of
from latentdims.planning.jobs import Job
from latentdims.planning.known import Known
from latentdims.statistics.folds import FOLDS

SINGLE, DOUBLE = 4, 8  # bytes of a number
DATASET = 1500  # bytes of a dataset in HDF5 besides its numbers: attributes, and axes
TEXT = 15_000  # of settings, and of the description of a network
FIGURE, PICTURES = 50_000, 300_000  # an SVG or a PDF, of curves and of images
ROWS = 1250  # bytes of the summary for a channel at one epoch: most of its numbers are by rank
ARCHIVES = {"CIFAR10": 170e6, "CIFAR100": 169e6, "MNIST": 12e6, "FashionMNIST": 31e6}
ARCHIVES |= {"SVHN": 250e6}  # all files of a data set
FILES = {"CIFAR10": 1, "CIFAR100": 1, "SVHN": 2}  # how many these are; 4 of others

Pairs = Sequence[tuple[Site, Site]]  # of the partner and the own


def size(job: Job, known: Known) -> float | None:
    """Bytes of one output of a job, whose outputs are all alike; None if unknown."""
    try:
        return RULES[job.rule](job, known)
    except KeyError:  # of another workflow, or of a network that is not known
        return None


def _own(job: Job, known: Known) -> tuple[Architecture, int]:
    """The network of a job, and at how many epochs it is measured. Raises KeyError where it is not
    known."""
    place = job.wildcards["dataset"], job.wildcards["network"]
    found = known.shapes(*place)
    if found is None:
        raise KeyError(place)
    return found.network, known.measured(*place)


def _members(job: Job, known: Known) -> tuple[Architecture, int, list[Pairs]]:
    """The same of a member of a comparison, with the sites that are compared with each partner."""
    members = known.settings["comparisons"][job.wildcards["comparison"]]["members"]

    def of(name: str) -> Architecture:
        found = known.shapes(members[name]["dataset"], members[name]["network"])
        if found is None:
            raise KeyError(name)
        return found.network

    own = of(job.wildcards["member"])
    pairs: list[Pairs] = []
    for each in job.params["partners"]:
        partner = of(each["place"].rpartition("/seed")[0])
        pairs.append([(partner.site(a), own.site(b)) for a, b in each["matches"].values()])
    return own, 1 if job.params["settings"].get("epoch") is not None else 2, pairs


def _same(job: Job, known: Known, sites: Iterable[Site]) -> list[Pairs]:
    """Each site with that of each partner of other seeds."""
    last = known.settings["alignment"]["epochs"] == "kept"  # of itself
    return [[(site, site) for site in sites]] * (len(job.params["partners"]) + last)


def _images(job: Job, known: Known) -> float:
    images = known.images(job.wildcards["dataset"])
    if images is None:
        raise KeyError(job.wildcards["dataset"])
    each = math.prod(images.shape) + DOUBLE
    axes = DOUBLE  # the number of each image
    return TEXT + sum(images.samples.values()) * (each + axes)


def _download(job: Job, known: Known) -> float:
    return ARCHIVES[job.wildcards["name"]] / FILES.get(job.wildcards["name"], 4)


def _describe(job: Job, known: Known) -> float:
    return TEXT


def _network(job: Job, known: Known) -> float:
    place = job.wildcards["dataset"], job.wildcards["network"]
    shapes = known.shapes(*place)
    if shapes is None:
        raise KeyError(place)
    tensors = len(shapes.network.weights) * (5 if shapes.network.parameters else 1) + 12
    return TEXT + tensors * DATASET + 1e6 * shapes.weights * known.kept(*place)


def _covariance(job: Job, known: Known) -> float:
    network, epochs = _own(job, known)
    return _moments(network, epochs, _same(job, known, network.sites))


def _compare_covariance(job: Job, known: Known) -> float:
    return _moments(*_members(job, known))


def _moments(network: Architecture, epochs: int, partners: Sequence[Pairs]) -> float:
    """Of all images and each fold; with partners, of all images."""
    own = sum(site.channels**2 for site in network.sites)
    own += sum(math.prod(site.shape) for site in network.sites if site.positions > 1)
    crosses = sum(a.channels * b.channels for pairs in partners for a, b in pairs)
    numbers = 2 * (1 + FOLDS) * own + 2 * crosses
    weights = sum(math.prod(weight.shape) for weight in network.weights)
    datasets = 16 * len(network.sites) + 2 * sum(map(len, partners)) + len(network.weights)
    return TEXT + epochs * (DOUBLE * numbers + SINGLE * weights) + DATASET * datasets


def _alignment(job: Job, known: Known) -> float:
    network, epochs = _own(job, known)
    partners = _same(job, known, network.sites)
    found = _pairs(network, epochs, partners, job.params["options"])
    vectors, pairings = (job.params["options"][name] for name in ("vectors", "pairings"))
    for weight in network.weights:
        overlaps = 2 * min(vectors, weight.rank) ** 2 + (1 + pairings) * weight.rank
        read = weight.reads is not None
        found += read * len(partners) * (epochs * DOUBLE * overlaps + 4 * DATASET)
    return found


def _compare_align(job: Job, known: Known) -> float:
    return _pairs(*_members(job, known), job.params["options"])


def _pairs(
    network: Architecture, epochs: int, partners: Sequence[Pairs], options: Mapping[str, Any]
) -> float:
    """Spectra with those of each fold, and of each pair rotations, overlaps and spans."""
    pairings, vectors = options["pairings"], options["vectors"]
    numbers = sum(2 * (3 + FOLDS) * site.channels for site in network.sites)
    for a, b in (pair for pairs in partners for pair in pairs):
        least = min(a.channels, b.channels)
        numbers += len(options["centrings"]) * a.channels * b.channels
        numbers += 2 * min(vectors, least) ** 2 + (1 + pairings) * least
    datasets = 10 * len(network.sites) + 22 * sum(map(len, partners))
    return TEXT + epochs * DOUBLE * numbers + DATASET * datasets


def _consensus(job: Job, known: Known) -> float:
    network, epochs = _own(job, known)
    seeds = known.settings["seeds_of"][job.wildcards["network"]]
    numbers = epochs * seeds * sum(site.channels**2 for site in network.sites)
    return TEXT + DOUBLE * numbers + 4 * DATASET * len(network.sites)


def _clipping(job: Job, known: Known) -> float:
    network, _ = _own(job, known)
    options = job.params["options"]
    most = None if network.is_chain else options["rerun_ranks"]
    dimensions = [site.channels for site in network.hidden]
    curves = [
        ranks_of(dimension, options["ranks"], most)
        for basis in options["bases"]
        for dimension in (
            [weight.rank for weight in network.weights] if basis == "weight" else dimensions
        )
    ]
    numbers = (2 + FOLDS) * sum(curves)
    return TEXT + DOUBLE * numbers + 4 * DATASET * len(curves)


def _generation(job: Job, known: Known) -> float:
    network, _ = _own(job, known)
    if network.undrawn:
        return TEXT
    measures = 5 + len(network.hidden)
    found = 0.0
    for options in job.params["procedures"].values():
        each = DATASET * measures + DOUBLE * options["draws"] * (measures + 2 * FOLDS)
        found += each * (1 + len(options["classifiers"]))
    return TEXT / 2 + found


def _figure(job: Job, known: Known) -> float:
    return FIGURE


def _samples(job: Job, known: Known) -> float:
    return PICTURES


def _summary(job: Job, known: Known) -> float:
    found = float(TEXT)
    for run in known.settings["runs"]:
        shapes = known.shapes(*run)
        if shapes is None:
            raise KeyError(run)
        found += ROWS * known.measured(*run) * sum(site.channels for site in shapes.network.sites)
    return found / len(job.outputs)


RULES: Mapping[str, Callable[[Job, Known], float]] = {
    "prepare": _images,
    "download": _download,
    "describe": _describe,
    "train": _network,
    "adopt": _network,
    "covariance": _covariance,
    "merge": _covariance,
    "align": _alignment,
    "consensus": _consensus,
    "clip": _clipping,
    "generate": _generation,
    "compare_covariance": _compare_covariance,
    "compare_align": _compare_align,
    "summary": _summary,
    "samples": _samples,
    **dict.fromkeys(("figure", "comparison_figure", "reproduction"), _figure),
}
