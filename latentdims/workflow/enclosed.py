"""What an archive of results has besides them: the configuration, versions and a README."""

import platform
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from latentdims import __version__
from latentdims.storage import torch_version
from latentdims.workflow import tar

ROOT = Path(__file__).resolve().parents[2]
CODE = ("Snakefile", "Makefile", "rules", "scripts", "latentdims", "envs", "profiles", "report")
UNKNOWN = "unknown"
CHANGES = "versions/changes.diff"
IMAGES = "images.sha256"
README = """\
{top}: a finished run of latentdims {version}

VERIFY, in this folder

    sha256sum --check {sums}

prints OK for every file. On macOS: shasum --algorithm 256 --check {sums}

WHAT IS INSIDE

    results/summary.csv    every number, with 95 % intervals from three seeds on
    results/report.html    what was run and found, and every figure
    results/figures/       every figure as SVG and PDF
    results/**/*.h5        networks, covariances, alignments, clipping and generation as HDF5; each
                           file states its units, and the settings and code that made it
    results/logs/          what each job did, with its time and memory
    configuration/         given/ has the file of the configuration; resolved.yaml has every key
                           with the value that was used
    versions/              requirements.txt: every Python package; software.txt: Python, torch,
                           platform, commit, and files that were never committed, which are not
                           inside; changes.diff: changes of committed code, if any
    {sums}             checksums of all other files

{images}
Downloads are not inside, nor the files that the configuration names: images, checkpoints,
responses and modules.

MAKE THE RESULTS AGAIN

Unpack this archive beside a clone of latentdims. In the clone,

    {checkout}
    {run}

installs pinned versions into .venv and runs everything. The same versions on the same kind of
processor give the same bytes.
"""
WITH_IMAGES = "The prepared images are inside, in results/resources/.\n"
WITHOUT_IMAGES = f"""\
The prepared images are not inside: they may be large, and have licences of their own. {IMAGES}
has their checksums. Once they are in results/resources/ again, this verifies them:

    sha256sum --check {IMAGES}
"""


def place(path: Path, results: Path) -> str:
    """Where a file of the results lies in the archive."""
    return f"results/{path.relative_to(results).as_posix()}"


def texts(
    config: Path,
    arguments: Sequence[str],
    settings: Mapping[str, Any],
    top: str,
    images: Mapping[str, str] | None,
) -> dict[str, Path | str]:
    """Files by their places in an archive.

    config: the file that was given, with arguments for Snakemake. settings: the configuration,
    complete. top: the folder that the archive unpacks to. images: checksums of prepared images that
    are left out, by their places; None where they are inside.
    """
    commit, status, changes = code(ROOT)
    given = f"configuration/given/{config.name}"
    found: dict[str, Path | str] = {
        given: config,
        "configuration/resolved.yaml": yaml.safe_dump(settings, allow_unicode=True),
        "versions/requirements.txt": "".join(f"{each}\n" for each in packages()),
        "versions/software.txt": software(commit, status),
        "README.txt": README.format(
            top=top,
            version=__version__,
            sums=tar.SUMS,
            images=WITH_IMAGES if images is None else WITHOUT_IMAGES,
            checkout="\n    ".join(_checkout(commit, top, changed=bool(changes))),
            run=_run(f"../{top}/{given}", arguments),
        ),
    }
    found |= {CHANGES: changes} if changes else {}
    return found | ({IMAGES: tar.checksums(images)} if images else {})


def _checkout(commit: str, top: str, *, changed: bool) -> Iterator[str]:
    """Commands that give the code of a run."""
    known = commit != UNKNOWN
    yield f"git checkout {commit}" if known else f"# check out version {__version__}"
    if changed:
        yield shlex.join(["git", "apply", f"../{top}/{CHANGES}"])


def _run(config: str, arguments: Sequence[str]) -> str:
    """The command that makes the results."""
    given = [f"ARGS={shlex.join(arguments)}"] if arguments else []
    return shlex.join(["make", "run", f"CONFIG={config}", *given])


def packages() -> list[str]:
    """Every package of this Python with its version, as `pip freeze` lists them."""
    found = {f"{each.metadata['Name']}=={each.version}" for each in metadata.distributions()}
    return sorted(found, key=str.lower)


def software(commit: str, status: str) -> str:
    """Versions of all else, a line each."""
    tree = "not changed" if commit != UNKNOWN else UNKNOWN
    if status:
        tree = "changed, in the words of git status:\n" + status
    lines = {
        "latentdims": __version__,
        "commit": commit,
        "working tree": tree.rstrip(),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "torch": torch_version(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def code(root: Path) -> tuple[str, str, str]:
    """The commit of a clone, what git says of changes to its code, and the changes themselves.

    The last two are empty where nothing has changed; the commit is `UNKNOWN` where the folder is no
    clone.
    """
    if _git(root, "rev-parse", "--show-toplevel").rstrip("\n") != str(root):
        return UNKNOWN, "", ""
    commit = _git(root, "rev-parse", "HEAD").strip() or UNKNOWN
    status = _git(root, "status", "--porcelain", "--", *CODE)
    options = ("--no-color", "--no-ext-diff", "--binary")
    return commit, status, _git(root, "diff", *options, "HEAD", "--", *CODE)


def _git(root: Path, *arguments: str) -> str:
    """What git prints; nothing where it fails, or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
