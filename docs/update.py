"""Put the tables and the pictures of the last run of the study into the README: make readme."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FIGURES = ROOT / "results" / "figures"

table = (ROOT / "results" / "summary.md").read_text(encoding="utf-8")
readme = ROOT / "README.md"
block = f"<!-- results -->\n{table}<!-- /results -->"
text = re.sub(
    "<!-- results -->.*<!-- /results -->",
    block,
    readme.read_text(encoding="utf-8"),
    flags=re.DOTALL,
)
readme.write_text(text, encoding="utf-8")
for picture in ("cifar10/mlp/eigenvectors.svg", "cifar10/cnn/generation.svg", "reproduction.svg"):
    shutil.copy(FIGURES / picture, ROOT / "docs")
