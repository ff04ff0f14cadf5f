"""Run the embedded experiment on the cluster of cluster.sh, and write docs/slurm.md: what each job
asked for, as the cluster recorded it. python tests/slurm/record.py"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from test_slurm import jobs, on_cluster
from workflow import ROOT, TINY

PAGE = ROOT / "docs" / "slurm.md"
COLUMNS = ("state", "partition", "tres-per-job", "minmemory", "numcpus", "timelimit")
TEXT = """# A run on SLURM, as the cluster recorded it

`python tests/slurm/record.py` wrote this page. It ran the embedded experiment with two networks and
two seeds through `profiles/slurm` in {seconds:.0f} s, on a throw-away cluster of {version} with two
simulated GPUs (`tests/slurm/cluster.sh start`). Figures and the summary are made on the machine
where the run starts.

| job | {heads} |
| --- |{rules}
{table}
"""


def main() -> None:
    before = {job["jobid"] for job in jobs()}
    with tempfile.TemporaryDirectory() as scratch:
        start = time.monotonic()
        on_cluster(Path(scratch) / "code", TINY).complete("--quiet")
        seconds = time.monotonic() - start
    lines = []
    for job in sorted(jobs(), key=lambda job: int(job["jobid"])):
        if job["jobid"] not in before:
            name = re.sub("^rule_", "", job["comment"]).replace("_wildcards_", ": ")
            lines.append(f"| {' | '.join([name, *(job[column] for column in COLUMNS)])} |")
    version = subprocess.run(
        ["sinfo", "--version"], capture_output=True, encoding="utf-8", check=True
    )
    PAGE.write_text(
        TEXT.format(
            version=version.stdout.strip(),
            seconds=seconds,
            heads=" | ".join(COLUMNS),
            rules=" --- |" * len(COLUMNS),
            table="\n".join(lines),
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
