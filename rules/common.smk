import math
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

from latentdims import download, figures, memory, storage
from latentdims.config import resolve
from latentdims.errors import InputError
from latentdims.provenance import stamp
from latentdims.sources import local

try:
    SETTINGS = resolve({key: config[key] for key in config if key != "pathvars"})
    LOCAL_FILES = {
        name: local.files(dataset, key=f"datasets.{name}.path")
        for name, dataset in SETTINGS["datasets"].items()
    }
except InputError as error:
    raise WorkflowError(f"configuration: {error}") from None

NETWORK = "<results>/{dataset}/{network}/seed{seed}/network.h5"  # one path, however it is trained
SCRIPTS = Path(workflow.current_basedir).parent / "scripts"
SEEDS = list(range(SETTINGS["seeds"]))
NETWORKS = {
    "dataset": [name for name in SETTINGS["datasets"] for _ in SETTINGS["networks"]],
    "network": list(SETTINGS["networks"]) * len(SETTINGS["datasets"]),
}
RUNS = {name: [value for value in NETWORKS[name] for _ in SEEDS] for name in NETWORKS}
RUNS["seed"] = SEEDS * len(NETWORKS["network"])
ALL_PAIRS = SETTINGS["alignment"]["pairs"] == "all" and len(SEEDS) > 2  # a mean of the others
DRAWN = [name for name in figures.SOURCES if len(SEEDS) > 1 or name not in figures.OF_PAIRS]

COVARIANCE = "<results>/{dataset}/{network}/seed{seed}/covariance.h5"
PARTS = SETTINGS["covariance"]["parts"]


wildcard_constraints:
    part=r"\d+",
    dataset="[A-Za-z0-9_-]+",
    network="[A-Za-z0-9_-]+",
    seed=r"\d+",
    figure="|".join(figures.SOURCES),


def code(script, *modules):
    """Fingerprint of the code that a script reaches; an edit of it re-runs the rule."""
    return stamp(SCRIPTS / script, *modules)


def growing(amount):
    """A resource that doubles where a job is tried again."""
    return lambda wildcards, attempt: amount * 2 ** (attempt - 1)


@cache
def shapes(path, modified, network, dataset):
    """What a network computes, by the first input of its job; read once for all jobs."""
    return memory.Shapes.read(path, settings_of(dataset, network))


def needed(estimate, **options):
    """Memory in MB by an estimate of latentdims/memory.py, given options by functions of wildcards.

    Known once the first input is there; before that, Snakemake asks again later.
    """

    def amount(wildcards, input, attempt):
        modified = Path(input[0]).stat().st_mtime_ns
        found = shapes(input[0], modified, wildcards.network, wildcards.dataset)
        given = {name: option(wildcards) for name, option in options.items()}
        return declared(estimate(found, **given), attempt)

    return amount


def to_prepare(wildcards, input, attempt):
    """The same for the images of a data set."""
    return declared(memory.prepare(source(wildcards), list(input)), attempt)


def declared(estimate, attempt):
    return math.ceil(memory.MARGIN * estimate) * 2 ** (attempt - 1)


def settings_of(dataset, network):
    """What trained networks depend on besides their seed."""
    return {
        "network": SETTINGS["networks"][network],
        "preprocessing": SETTINGS["datasets"][dataset]["preprocessing"],
        "training": SETTINGS["training"],
    }


def settings_of_all_seeds(wildcards):
    return settings_of(wildcards.dataset, wildcards.network)


def network_settings(wildcards):
    """What a trained network depends on."""
    return {**settings_of_all_seeds(wildcards), "seed": int(wildcards.seed)}


def partner_seeds(wildcards):
    """The earlier seeds that a network is compared with."""
    earlier = SEEDS[: int(wildcards.seed)]
    return earlier if SETTINGS["alignment"]["pairs"] == "all" else earlier[:1]


def number_of_partners(wildcards):
    return len(partner_seeds(wildcards))


def of_partners(path):
    """An input function: a path with {seed}, for each of the partners."""
    return lambda wildcards: [
        path.format(dataset=wildcards.dataset, network=wildcards.network, seed=seed)
        for seed in partner_seeds(wildcards)
    ]


def other_seeds(wildcards):
    """The seeds whose weight covariances are averaged with those of a network."""
    averaged = any(
        options["covariances"] == "averaged" for options in SETTINGS["generation"].values()
    )
    return [seed for seed in SEEDS if averaged and seed != int(wildcards.seed)]


def of_others(path):
    """An input function: a path with {seed}, for each of the other seeds that are averaged."""
    return lambda wildcards: collect(
        path, dataset=wildcards.dataset, network=wildcards.network, seed=other_seeds(wildcards)
    )


def of_seeds(path):
    """An input function: a path with {seed}, for each of the seeds."""
    return lambda wildcards: collect(
        path, dataset=wildcards.dataset, network=wildcards.network, seed=SEEDS
    )


def source(wildcards):
    """Where a data set comes from, without how it is preprocessed."""
    dataset = SETTINGS["datasets"][wildcards.dataset]
    return {key: dataset[key] for key in dataset if key != "preprocessing"}


def source_files(wildcards):
    """The files that a data set is read from: the user's own, or those to download."""
    settings = source(wildcards)
    if settings["source"] != "torchvision" or settings["path"]:
        return LOCAL_FILES[wildcards.dataset]
    return collect(
        "<resources>/download/{dataset}/{file}",
        dataset=wildcards.dataset,
        file=[remote.name for remote in download.files(settings["name"])],
    )


def remote_file(wildcards):
    """A file of a data set on the internet."""
    settings = source(wildcards)
    remotes = download.files(settings["name"], settings["mirrors"])
    return next(remote for remote in remotes if remote.name == wildcards.file)


def figure_sources(wildcards):
    """The artefacts of every seed that a figure is drawn from."""
    return {
        kind: collect(
            f"<results>/{wildcards.dataset}/{wildcards.network}/seed{{seed}}/{kind}.h5",
            seed=SEEDS,
        )
        for kind in figures.SOURCES[wildcards.figure]
    }
