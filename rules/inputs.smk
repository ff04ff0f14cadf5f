# What jobs read: settings, seeds and files, by wildcards.

from functools import cache

from latentdims import download

# Hashes of images, so that planning reads again only those that may have changed.
NOTES = Path(".snakemake", "content")


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
    """What a data set is: not where it lies, but what is there; nor how it is preprocessed."""
    dataset = SETTINGS["datasets"][wildcards.dataset]
    settings = {
        key: dataset[key] for key in dataset if key not in ("mirrors", "path", "preprocessing")
    }
    if dataset["source"] == "imagefolder":
        settings["content"] = content_of(dataset["path"], dataset["test_share"])
    return settings


@cache
def content_of(path, test_share):
    """Hash of the images of one's own, which a run notes, and a dry run or report does not."""
    runs = workflow.executor_plugin is not None and not workflow.dryrun
    return content.content(path, test_share=test_share, notes=NOTES, keep=runs)


def code_of_source(wildcards):
    """Fingerprint of what prepares images of a data set: of its own source alone."""
    return code(
        "prepare.py", f"latentdims.sources.{SETTINGS['datasets'][wildcards.dataset]['source']}"
    )


def path_of_source(wildcards):
    """The user's own files that a data set is read from, a file or a folder; or nothing."""
    return SETTINGS["datasets"][wildcards.dataset].get("path") or ""


def published_files(wildcards):
    """The files to download that a data set is read from."""
    dataset = SETTINGS["datasets"][wildcards.dataset]
    if dataset["source"] != "torchvision" or dataset["path"]:
        return []
    return collect(
        "resources/download/{name}/{file}",
        name=dataset["name"],
        file=published.files(dataset["name"]),
    )


def addresses(wildcards):
    """Where a published file lies, best first: mirrors of the data sets that are read from it."""
    mirrors = [
        mirror
        for dataset in SETTINGS["datasets"].values()
        if dataset.get("name") == wildcards.name
        for mirror in dataset["mirrors"]
    ]
    return " ".join(download.urls(wildcards.name, wildcards.file, mirrors))


def figure_sources(wildcards):
    """The artefacts of every seed that a figure is drawn from."""
    return {
        kind: collect(
            f"<results>/{wildcards.dataset}/{wildcards.network}/seed{{seed}}/{kind}.h5",
            seed=SEEDS,
        )
        for kind in figures.SOURCES[wildcards.figure]
    }
