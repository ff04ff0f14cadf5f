"""Refuse a folder or a Python that cannot work, before installing. Runs under any Python."""

import os
import sys

# Snakemake hands the path of its Python to a shell without quotes (its issue 2645), and takes
# braces for its own names; a virtual environment cannot be in a path with a colon.
BREAKING = set(" \t\n\r'\"$`\\&;|()<>*?[]{}:")


def problem(folder):
    """The reason why nothing can run here; None if there is none."""
    breaking = sorted(BREAKING & set(folder))
    if breaking:
        names = " and ".join("a space" if each == " " else repr(each)[-2:-1] for each in breaking)
        return (
            "the project folder %s has %s in its path, with which Snakemake starts no job (its "
            "issue 2645); move the project" % (folder, names)
        )
    if sys.version_info < (3, 11):
        return (
            "Python 3.11 or newer is needed, this is %d.%d: make run PYTHON=python3.11"
            % (sys.version_info[:2])
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return "%s has no module %s; install it (Debian: apt install python3-venv)" % (
            sys.executable,
            error.name,
        )
    return None


if __name__ == "__main__":
    found = problem(os.getcwd())
    if found:
        sys.exit("error: " + found)
