"""Print what `make constraints` writes to latentdims.yaml: a file for conda with the pins for pip.

Conda could read requirements.txt by its path. But Snakemake copies the file for conda alone, to
.snakemake/conda/, and names the environment by its content: the path would lead nowhere, and other
versions would not be noticed.
"""

from pathlib import Path

HEAD = """\
# For `--software-deployment-method conda`: the versions of requirements.txt.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def environment(requirements: str) -> str:
    """The file for conda, with the pins of a file for pip."""
    pins = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return HEAD + "".join(f"      - {pin}\n" for pin in pins)


if __name__ == "__main__":
    place = Path(__file__).with_name("requirements.txt")
    print(environment(place.read_text(encoding="utf-8")), end="")
