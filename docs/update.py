"""Write what was found into README.md, docs/gallery.md and docs/results.md: make readme.

README.md shows the results of configs/tutorial.yaml, and docs/gallery.md its figures;
docs/results.md shows the results of configs/study.yaml, whose means are copied to
docs/study/summary.csv for the claims of its sentences. A page whose experiment has not run stays as
it is.
"""

import csv
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import claims  # noqa: E402

from latentdims.models import architecture  # noqa: E402
from latentdims.results import overview  # noqa: E402
from latentdims.results.table import Row, read_csv  # noqa: E402

GALLERY = {  # figures of the tutorial below cifar10/, and what they show
    "mlp/first_layer": "what the first layer looks for: leading eigenvectors of the weights of two "
    "fully connected networks, as images of 32 x 32 pixels, trained and untrained",
    "cnn/first_layer": "the same of two convolutional networks, as kernels of 5 x 5 pixels",
    "mlp/eigenvectors": "which eigenvectors of their representations two networks share",
    "mlp/weight_eigenvectors": "which eigenvectors of their weights they share",
    "mlp/alignment": "how alike two networks are after one rotation per layer, beside untrained "
    "ones and unrelated images",
    "mlp/measures": "the same by CKA and CCA",
    "mlp/depth": "the same from the first layer to the last",
    "mlp/spectra": "eigenvalues of representations, trained and untrained, with power laws",
    "mlp/clipping": "accuracy against the number of dimensions that a representation keeps",
    "mlp/weights": "eigenvalues of weights, and accuracy against the number of components kept",
    "mlp/generation": "accuracy of networks that are drawn from covariances alone",
    "mlp/training": "accuracy and loss over epochs",
}
PICTURES = {  # from the figures of an experiment into docs/
    "tutorial": {
        **{f"cifar10/{name}.svg": f"gallery/{name}.svg" for name in GALLERY},
        "cifar10/mlp/eigenvectors.svg": "eigenvectors.svg",  # of README.md, too
    },
    "study": {
        "reproduction.svg": "study/reproduction.svg",
        "cifar10/cnn/generation.svg": "study/generation.svg",
        "cifar10/mlp/eigenvectors.svg": "study/eigenvectors.svg",
    },
}


def main() -> None:
    tutorial, study = (results(name) for name in PICTURES)
    if (tutorial / "summary.csv").exists():
        write("README.md", headline(tutorial))
        copy("tutorial", tutorial)
        write("docs/gallery.md", gallery())
    if (study / "summary.md").exists():
        text = re.sub("<!--.*?-->", "", (study / "summary.md").read_text(encoding="utf-8"))
        write("docs/results.md", text.strip())
        copy("study", study)
        copy_means(study / "summary.csv", ROOT / "docs" / "study" / "summary.csv")
        page = ROOT / "docs" / "results.md"
        page.write_text(claims.renewed(page), encoding="utf-8")
    if not (tutorial / "summary.csv").exists() and not (study / "summary.md").exists():
        sys.exit("error: no results; first: make run CONFIG=configs/tutorial.yaml")


def results(name: str) -> Path:
    """The results folder of a file in configs/."""
    config = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    return ROOT / yaml.safe_load(config)["results"]


def write(page: str, text: str) -> None:
    """Text, between the marks for results of a page."""
    path = ROOT / page
    block = f"<!-- results -->\n{text}\n<!-- /results -->"
    before, _, after = re.split(
        "(<!-- results -->.*<!-- /results -->)", path.read_text(encoding="utf-8"), flags=re.S
    )
    path.write_text(before + block + after, encoding="utf-8")
    print(f"written: {page}")


def headline(folder: Path) -> str:
    """The table of the README, from a folder, and over how many networks its means are."""
    rows = read_csv(folder / "summary.csv")
    outputs = {
        ("cifar10", name): architecture.of(folder / f"cifar10/{name}/seed0/network.h5").output
        for name in {row.network for row in rows}
    }
    networks = next(row.n for row in rows if row.quantity == "accuracy")
    intervals = ", with 95 % intervals" if _has_intervals(rows) else ""
    said = f"Ours are means over {networks} networks{intervals}; published are single runs."
    return f"{said}\n\n{markdown(overview.headline(rows, 'cifar10', outputs=outputs))}"


def _has_intervals(rows: Sequence[Row]) -> bool:
    """Whether there are networks enough; the null of unrelated images has a band in any case."""
    return any(row.low is not None for row in rows if row.null != "unrelated")


def markdown(table: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, whose first line is the head."""
    lines = [table[0], ["---"] * len(table[0]), *table[1:]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def gallery() -> str:
    """Pictures that there are, two side by side, each with a sentence, and a link to itself."""
    cells = []
    for name, shown in GALLERY.items():
        picture = PICTURES["tutorial"][f"cifar10/{name}.svg"]
        if (ROOT / "docs" / picture).exists():
            cells.append(f"[![{name}]({picture})]({picture})<br>`{name}`: {shown}")
    rows = [cells[at : at + 2] for at in range(0, len(cells), 2)]
    return markdown([["", ""], *(row + [""] * (2 - len(row)) for row in rows)])


def copy(name: str, folder: Path) -> None:
    """The pictures of an experiment, into docs/."""
    for figure, picture in PICTURES[name].items():
        (ROOT / "docs" / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "figures" / figure, ROOT / "docs" / picture)


def copy_means(table: Path, copied: Path) -> None:
    """The rows of a table that are means over networks, but for the points of curves."""
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if not row["seed"] and not row["at"]]
    with copied.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
