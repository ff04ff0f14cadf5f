"""Locks of killed runs are freed, those of others are not."""

import subprocess
import sys
from pathlib import Path

from latentdims.workflow import lock

ROOT = Path(__file__).resolve().parents[1]
HOLDER = """
import sys
from pathlib import Path
from latentdims.workflow import lock
lock.free_stale(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_freed_when_its_run_has_ended_and_not_before(tmp_path):
    (tmp_path / "locks").mkdir()
    left = tmp_path / "locks" / "0.output.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    left.write_text("a file that is being made")
    lock.free_stale(tmp_path)
    assert left.exists()
    holder.kill()
    holder.communicate()
    lock.free_stale(tmp_path)
    assert not left.exists()
