"""The stored table of the tiny experiment, and what has changed since."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

GOLDEN = Path(__file__).with_name("golden.csv")
NUMBERS = ("value", "low", "high", "n", "published")  # all other columns name the row

# With kernels of another kind of processor, the largest change of a number was 1e-5 of it, or 7e-6;
# no image changed its class. One of 100 may, and one eigenvalue cross a threshold.
RELATIVE = 1e-4
ABSOLUTE = {"percent": 1.0, "1": 3e-5}
COUNTS = ("learned_components", "identified_eigenvectors", "rank_within", "similarity_p")
# The ten outputs of the classifier of eight features span eight dimensions: what further
# eigenvectors share is arbitrary.
ARBITRARY = {"network=mlp", "layer=classifier", "at=9"}

Row = tuple[str, ...]
Table = dict[Row, dict[str, float]]


def read(path: Path) -> Table:
    """Numbers by the columns that name their row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        tuple(f"{key}={text}" for key, text in row.items() if key not in NUMBERS and text): {
            key: float(row[key]) if row[key] else math.nan for key in NUMBERS if key in row
        }
        for row in rows
    }


def changes(old: Table, new: Table) -> list[str]:
    """A line for each row that has gone, has come, or has other numbers."""
    found = [f"gone: {' '.join(row)}" for row in old if row not in new]
    found += [f"new: {' '.join(row)}" for row in new if row not in old]
    for row in old.keys() & new.keys():
        found += [
            f"{' '.join(row)}: {number} was {old[row][number]:g}, is {new[row].get(number):g}"
            for number in differing(row, old[row], new[row])
        ]
    return sorted(found)


def differing(row: Row, old: Mapping[str, float], new: Mapping[str, float]) -> list[str]:
    """Which numbers of a row are further from the old ones than processors differ."""
    wide = 1e-9 + max((abs(old[key]) for key in ("low", "high") if old[key] == old[key]), default=0)
    return [
        key
        for key in old
        if not (math.isnan(old[key]) and math.isnan(new.get(key, math.nan)))
        and not abs(old[key] - new.get(key, math.nan))
        <= tolerance(row) + RELATIVE * max(abs(old[key]), wide if key in ("low", "high") else 0)
    ]


def tolerance(row: Row) -> float:
    """Absolute, of the numbers of a row."""
    if set(row) >= ARBITRARY:
        return 1.0
    named = dict(each.partition("=")[::2] for each in row)
    if named["quantity"].startswith(COUNTS):
        return 1.0
    if named["quantity"].startswith("retention"):  # of one image of 100, over a gain of ten points
        return 0.1
    if named["quantity"] == "mutual_neighbours":  # three of 300 neighbours
        return 0.01
    return ABSOLUTE.get(named["unit"], 0.0)
