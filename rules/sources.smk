# Sources of images, by wildcards: a change of content re-runs their rules, a new path does not.

from functools import cache

from latentdims.steps import download

# Hashes of images, so that planning only reads images that may have changed.
NOTES = Path(".snakemake", "content")
APART = ("mirrors", "path", "preprocessing")


def source(wildcards):
    """The identity of a data set: its content, without its path and its preprocessing."""
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
    """The same for each file of an adopted network."""
    return [content_of(path) for path in checkpoints_of(wildcards)]


def code_of_source(wildcards):
    """Fingerprint of the code that prepares images of a data set, with its own source only."""
    return code(
        "prepare.py",
        f"latentdims.images.sources.{SETTINGS['datasets'][wildcards.dataset]['source']}",
    )


def path_of_source(wildcards):
    """The user's file or folder that a data set is read from; or nothing."""
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
    """URLs of a published file, best first: mirrors of the data sets that are read from it."""
    mirrors = [
        mirror
        for dataset in SETTINGS["datasets"].values()
        if dataset.get("name") == wildcards.name
        for mirror in dataset["mirrors"]
    ]
    return " ".join(download.urls(wildcards.name, wildcards.file, mirrors))
