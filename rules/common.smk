from pathlib import Path

from snakemake.exceptions import WorkflowError

from latentdims import figures, published, storage
from latentdims.config import resolve
from latentdims.errors import InputError
from latentdims.workflow.provenance import stamp
from latentdims.sources import content, local

try:
    SETTINGS = resolve({key: config[key] for key in config if key != "pathvars"})
    LOCAL_FILES = {
        name: local.files(dataset, key=f"datasets.{name}.path")
        for name, dataset in SETTINGS["datasets"].items()
    }
    if workflow.is_main_process:  # jobs need not list all images again
        for dataset in SETTINGS["datasets"].values():
            content.check_layout(dataset)
except InputError as error:
    raise WorkflowError(f"configuration: {error}") from None


# Of a rule of another workflow that this one is a module of, its own `results` counts.
pathvars:
    results=SETTINGS["results"],


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
PARTS = SETTINGS["covariance"]["parts"]  # jobs that a pass over the images is split into

# One path each, by whichever rules it is made.
NETWORK = "<results>/{dataset}/{network}/seed{seed}/network.h5"
COVARIANCE = "<results>/{dataset}/{network}/seed{seed}/covariance.h5"


wildcard_constraints:
    part=r"\d+",
    dataset="[A-Za-z0-9_-]+",
    network="[A-Za-z0-9_-]+",
    seed=r"\d+",
    figure="|".join(figures.SOURCES),
    name="|".join(published.PUBLISHED),


def code(script, *modules):
    """Fingerprint of the code that a script reaches; an edit of it re-runs the rule."""
    return stamp(SCRIPTS / script, *modules)
