# Where images come from, by wildcards: a change of content re-runs their rules, a new path does not.

from functools import cache

from latentdims.steps import download

# Hashes of images, so that planning reads again only those that may have changed.
NOTES = Path(".snakemake", "content")
APART = ("mirrors", "path", "preprocessing")


def source(wildcards):
    """What a data set is: not where it lies, but what is there; nor how it is preprocessed."""
    dataset = SETTINGS["datasets"][wildcards.dataset]
    settings = {key: value for key, value in dataset.items() if key not in APART}
    if dataset["source"] == "imagefolder":
        settings["content"] = content_of(dataset["path"], dataset["test_share"])
    return settings


@cache
def content_of(path, test_share=None):
    """Hash of the user's own images, or of another file; a run records it, a dry run or report does
    not."""
    runs = workflow.executor_plugin is not None and not workflow.dryrun
    return content.content(path, test_share=test_share, notes=NOTES, keep=runs)


def contents_of_checkpoints(wildcards):
    """The same of each file of a network that is adopted."""
    return [content_of(path) for path in checkpoints_of(wildcards)]


def code_of_source(wildcards):
    """Fingerprint of what prepares images of a data set: of its own source alone."""
    return code(
        "prepare.py",
        f"latentdims.images.sources.{SETTINGS['datasets'][wildcards.dataset]['source']}",
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
        "<downloads>/{name}/{file}",
        name=dataset["name"],
        file=checksums.files(dataset["name"]),
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
