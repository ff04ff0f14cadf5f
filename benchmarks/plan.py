"""How long Snakemake plans nine networks of fifty seeds, before anything is done and after all is.

python -m benchmarks.plan FOLDER [--pairs first]
The workflow is copied to the folder with scripts that write nothing but what made the file, since
only the plan is timed; running all of its 2,335 jobs takes some minutes.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.workflow import Workflow

STUB = """
from pathlib import Path

from latentdims import record, storage
from latentdims.workflow.job import running

with running(snakemake):
    made_by = record.statement()
    for output in map(Path, snakemake.output):
        if output.suffix == ".h5":
            with storage.create(output, settings={}):
                pass
        else:
            ways = ("<dc:description>%s</dc:description>", "/Subject (%s)", "<!-- %s -->")
            output.write_text("".join(way % made_by + "\\n" for way in ways), encoding="utf-8")
"""
REPEATS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", choices=["all", "first"], default="all")
    given = parser.parse_args()
    widths = [round(8 * 2 ** (step / 2)) for step in range(9)]
    workflow = Workflow(
        given.folder / given.pairs,
        {
            "datasets": {"shapes": {"source": "embedded"}},
            "networks": {f"w{w}": {"architecture": "mlp", "widths": [w, w]} for w in widths},
            "seeds": 50,
            "alignment": {"pairs": given.pairs},
        },
    )
    for script in (workflow.folder / "scripts").glob("*.py"):
        script.write_text(STUB, encoding="utf-8")
    print(f"pairs: {given.pairs}")
    print(f"to plan all jobs: {timed(workflow):.1f} s")
    workflow.complete("--quiet", "all")
    assert not workflow.planned()
    print(f"to find that all is done: {timed(workflow):.1f} s")


def timed(workflow: Workflow) -> float:
    """Median of seconds that a dry run takes."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        workflow.run("--dry-run", "--quiet")
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
