# Inputs of figures, and values in their captions.

import h5py


def classes_shown(wildcards, input):
    """Names of the classes in the picture of a data set, for its caption."""
    Path(input.images).stat()  # if it does not exist yet, Snakemake asks again later
    try:
        with h5py.File(input.images, "r", locking=False) as file:
            return figures.in_caption(storage.class_names(file))
    except (OSError, KeyError):
        return []  # its own job will report the problem


def figure_sources(wildcards):
    """The files of every seed that a figure is drawn from."""
    return {
        kind: collect(
            f"<results>/{wildcards.dataset}/{wildcards.network}/seed{{seed}}/{kind}.h5",
            seed=seeds_of(wildcards.network),
        )
        for kind in catalogue.SOURCES[wildcards.figure]
    }


def numbered(wildcards):
    """The label of a figure: its number comes first, since the report sorts by labels."""
    number = list(catalogue.SOURCES).index(wildcards.figure) + 1
    return {"figure": f"{number:02} {wildcards.figure.replace('_', ' ')}"}
