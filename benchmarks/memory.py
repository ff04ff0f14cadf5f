"""What the jobs of a run took beside what their rules declare: python -m benchmarks.memory RESULTS.

RESULTS is the results folder of a finished run, whose logs tell both. What is declared has room for
Snakemake itself, which runs beside the script of a job on a cluster; figures and the summary are
made where the run was started.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from latentdims.workflow.memory import RUNNER

LOCAL = ("figures", "summary")
LINE = re.compile(r"with at most (\d+) of (\d+) MB")


def main(folder: Path) -> None:
    jobs = defaultdict(list)
    for path in sorted((folder / "logs").rglob("*.log")):
        found = LINE.search(path.read_text(encoding="utf-8"))
        if found:
            place = path.relative_to(folder / "logs").with_suffix("").parts
            rule, network = place[0], place[2] if len(place) > 2 else ""
            jobs[rule, network].append((int(found[1]), int(found[2])))
    print("| rule | network | with Snakemake, at most (MB) | declared (MB) | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for (rule, network), both in jobs.items():
        taken, declared = max(both)
        taken += 0 if rule in LOCAL else RUNNER
        print(f"| {rule} | {network} | {taken} | {declared} | {declared / taken:.2f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
