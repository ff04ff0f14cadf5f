# Paths of files, by wildcards.

SEEDS = list(range(SETTINGS["seeds"]))  # of networks that are trained


def seeds_of(network):
    """The seeds of a network; an adopted network has as many as it has files."""
    return list(range(SETTINGS["seeds_of"][network]))


def drawn_of(network):
    """Names of the figures of a network."""
    return catalogue.drawn(seeds=len(seeds_of(network)), epochs=SETTINGS["alignment"]["epochs"])


NETWORKS = dict(zip(["dataset", "network"], map(list, zip(*SETTINGS["runs"]))))
EACH = [(*run, seed) for run in SETTINGS["runs"] for seed in seeds_of(run[1])]
RUNS = dict(zip(["dataset", "network", "seed"], map(list, zip(*EACH))))
PARTS = SETTINGS["covariance"]["parts"]  # jobs that a pass over the images is split into

# Paths to collect. Outputs of rules cannot be collected if they are in a storage.
IMAGES = "<results>/resources/{dataset}.h5"
ARCHITECTURE = "<results>/{dataset}/{network}/architecture.json"
NETWORK = "<results>/{dataset}/{network}/seed{seed}/network.h5"
COVARIANCE = "<results>/{dataset}/{network}/seed{seed}/covariance.h5"
ALIGNMENT = "<results>/{dataset}/{network}/seed{seed}/alignment.h5"
CLIPPING = "<results>/{dataset}/{network}/seed{seed}/clipping.h5"
GENERATION = "<results>/{dataset}/{network}/seed{seed}/generation.h5"
CONSENSUS = "<results>/{dataset}/{network}/consensus.h5"
COMPARED_COVARIANCE = "<results>/comparisons/{comparison}/{member}/seed{seed}/covariance.h5"
COMPARED_ALIGNMENT = "<results>/comparisons/{comparison}/{member}/seed{seed}/alignment.h5"
SAMPLES = [f"<results>/figures/{{dataset}}/samples.{kind}" for kind in ("svg", "pdf")]
COMPARISON_FIGURE = [
    f"<results>/figures/comparisons/{{comparison}}/{{figure}}.{kind}" for kind in ("svg", "pdf")
]
FIGURE = [f"<results>/figures/{{dataset}}/{{network}}/{{figure}}.{kind}" for kind in ("svg", "pdf")]


def one_of(names):
    """A constraint of a wildcard; without names, one that nothing matches."""
    return "|".join(sorted(names)) or "(?!)"


wildcard_constraints:
    comparison="[A-Za-z0-9_-]+",
    member=r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+(@[\d.]+)?",
    part=r"\d+",
    dataset="[A-Za-z0-9_-]+",
    network="[A-Za-z0-9_-]+",
    seed=r"\d+",
    figure="|".join(catalogue.SOURCES),
    name="|".join(checksums.MD5),
