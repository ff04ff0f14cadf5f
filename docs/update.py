"""Put the table and the pictures of the last tutorial run into the README: make readme."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FIGURES = ROOT / "results" / "figures"

table = (ROOT / "results" / "summary.md").read_text()
readme = ROOT / "README.md"
block = f"<!-- results -->\n{table}<!-- /results -->"
text = re.sub("<!-- results -->.*<!-- /results -->", block, readme.read_text(), flags=re.DOTALL)
readme.write_text(text)
for picture in ("cifar10/mlp/eigenvectors.svg", "reproduction.svg"):
    shutil.copy(FIGURES / picture, ROOT / "docs")
