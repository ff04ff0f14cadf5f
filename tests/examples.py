"""The examples of a page, run as they are printed."""

import contextlib
import io
import re
from pathlib import Path

import torch


def run(page: Path, heading: str) -> int:
    """Run the Python of a section, in order; how many lines it printed, each of which must be what
    the comment behind its `print` says."""
    text = page.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    code = "".join(
        re.findall(r"^```python\n(.*?)^```", sections[heading], re.DOTALL | re.MULTILINE)
    )
    told = io.StringIO()
    with contextlib.redirect_stdout(told), torch.random.fork_rng():
        exec(compile(code, f"{page.name}: {heading}", "exec"), {})
    said = re.findall(r"^print\(.*\)  +# (.*)$", code, re.MULTILINE)
    assert told.getvalue().splitlines() == said
    return len(said)
