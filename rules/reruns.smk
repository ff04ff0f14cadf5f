# Compares existing files with the current settings, code and inputs: if Snakemake has no record of a
# file, it takes the file for current.

from copy import copy

from snakemake.iocontainers import InputFiles

from latentdims.workflow import recorded

SAID = set()


def checked(maker):
    """An input function that adds no input, but runs a job whose files were made differently."""

    before = copy(maker)  # without this function among its inputs
    before._input = InputFiles(toclone=maker.input)

    def nothing(wildcards):
        output, _ = maker.expand_output(dict(wildcards.items()))
        there = [path for path in map(Path, output) if path.exists()]
        if there:
            files, *_ = before.expand_input(dict(wildcards.items()))
            params, _ = maker.expand_params(dict(wildcards.items()), files, output, None)
            inputs = stated(files)
            for path in there:
                difference = recorded.difference(path, dict(params.items()), inputs)
                if difference:
                    workflow.dag.forcefiles.add(str(path))  # the engine's own list
                    say(maker.name, path, difference)
        return []

    return nothing


def stated(files):
    """The statements of inputs; None if one is missing: if it is needed, all that follows is made."""
    try:
        return recorded.digest(files)
    except OSError:
        return None


def say(name, path, difference):
    """Print the first of each rule, even if nothing is made, as for a report. The table of jobs counts
    all of them."""
    if name not in SAID:
        SAID.add(name)
        tell(f"{name}: results of other settings, code or inputs, such as {path} ({difference})")


if workflow.is_main_process:  # its jobs on a cluster make what it found
    for each in rules._rules.values():
        if "code" in each.rule.params.keys():
            each.rule.set_input(checked(each.rule))
