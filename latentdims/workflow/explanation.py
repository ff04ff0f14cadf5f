"""The error in the output of a Snakemake that has run nothing."""

import re

from latentdims.workflow.console import TOLD

# What Snakemake prints around an error.
DECORATION = re.compile(
    rf"{TOLD}|Using (workflow specific|profile|shell)|Workflow defines|Config file .* is extended|"
    r"(Results|Part of the results): |SNAKEMAKE$|=+$|  [A-Z][\w ]+(\(s\))?: |Assuming unrestricted|"
    r"Building DAG|Provided |Rules claiming|Conda environments|host: |Select jobs|Execute |"
    r" *(local)?rule \w+:$|\[\w{3} \w{3} +\d|Finished jobid|\d+ of \d+ steps|Shutting down|"
    r"Exiting because|Complete log|Elapsed time|At least one job did not|  File |During handling|"
    r"The above exception|\w+(Error|Exception)( in (rule|file) .*)?:$"
)
USAGE = re.compile(r"[\w.]+: error: (.*)")
TARGETS = "give a file as TARGET: docs/files.md lists them"
IN_WORDS = {  # what Snakemake says of a target that it cannot make
    r"No rule to produce (.+?) \(if you use input functions.*": rf"nothing makes \1; {TARGETS}",
    "Target rules may not contain wildcards.*": f"this rule makes several files; {TARGETS}",
    r"(?s)Write-protected output files for rule (\w+):.*affected files:\s*(\S+).*": (
        r"\2: rule \1 would replace this file, and you may not write to it: it is another user's, "
        "or write-protected"
    ),
}


def explained(lines: list[str]) -> str:
    """The error in the output of a Snakemake that has run nothing, without headings and tracebacks.
    Empty if there is none."""
    kept: list[str] = []
    inside = False  # of a traceback
    for line in lines:
        if line.startswith("Traceback"):
            inside, kept = True, []
        elif inside and line[:1].strip():
            inside = False
        if not inside and line.strip() and not DECORATION.match(line):
            kept.append(line)
    usage = [found[1] for line in kept if (found := USAGE.match(line))]
    said = "\n".join(usage or kept).removeprefix("Error: ")
    for pattern, words in IN_WORDS.items():
        said = re.sub(pattern, words, said)
    return said
