# Compares existing files with the current settings and code: if Snakemake has no record of a file, it
# takes the file for current.

from snakemake.io import is_callable
from snakemake.iocontainers import InputFiles

from latentdims.workflow import recorded

SAID = set()


def compared(maker):
    """An input function that adds nothing to a job, but has it run where others made its files."""

    # Of inputs, parameters need single files that are known by name alone.
    named = {
        name: path
        for name, path in maker.input.items()
        if isinstance(path, str) and not is_callable(path)
    }

    def nothing(wildcards):
        output, _ = maker.expand_output(dict(wildcards.items()))
        there = [path for path in map(Path, output) if path.exists()]
        if there:
            given = {name: path.apply_wildcards(wildcards) for name, path in named.items()}
            files = InputFiles(fromdict=given)
            params, _ = maker.expand_params(dict(wildcards.items()), files, output, None)
            for path in there:
                difference = recorded.difference(path, dict(params.items()))
                if difference:
                    workflow.dag.forcefiles.add(str(path))  # the engine's own list
                    say(maker.name, path, difference)
        return []

    return nothing


def say(name, path, difference):
    """The first of each rule, even if nothing is made, as for a report; the table of jobs says how
    many are made again."""
    if name not in SAID:
        SAID.add(name)
        tell(f"{name}: results of other settings or code, such as {path} ({difference})")


if workflow.is_main_process:  # its jobs on a cluster make what it found
    for each in rules._rules.values():
        if "code" in each.rule.params.keys():
            each.rule.set_input(compared(each.rule))
