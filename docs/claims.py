"""Claims of the documentation: numbers in its sentences, and the rows of a table that carry them.

A claim is a link to a table, whose title is a formula of its rows, after data set and network:

    [65 %](study/summary.csv "cifar10/cnn: 100 * retention_above_white")
    [more alike](study/summary.csv "cifar10/mlp: cka[layer1, test] > cka[layer1, test, untrained]")

A row is named by its quantity and, in brackets, by values of its columns layer, split, centring,
epoch and null. What is left out is empty for layer and null, and for the others the only choice, or
the last epoch. `.low` and `.high` are the ends of its interval. A formula with a comparison must
hold; any other gives the number of the sentence, with its decimals.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CLAIM = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<table>[^)\s]+\.csv)\s+\"(?P<formula>[^\"]+)\"\)")
ROW = re.compile(r"(?P<quantity>[a-z]\w*)(?:\[(?P<columns>[^\]]*)\])?(?:\.(?P<end>low|high))?")
NUMBER = re.compile(r"[-−]?\d+(?:\.(?P<decimals>\d+))?")
COLUMNS = ("layer", "split", "centring", "epoch", "null")

Row = Mapping[str, str]


def wrong(page: Path) -> Iterator[str]:
    """The claims of a page that its tables do not carry, each with what they say."""
    for claim in CLAIM.finditer(page.read_text(encoding="utf-8")):
        found = carried(claim, page.parent)
        if found != claim["text"]:
            yield f"{page.name}: [{claim['text']}]: {claim['formula']}: the table says {found}"


def renewed(page: Path) -> str:
    """The text of a page with its numbers as the tables have them now.

    Raises ValueError where a comparison does not hold: then its sentence is to be written anew.
    """

    def replace(claim: re.Match) -> str:
        found = carried(claim, page.parent)
        if found == "False":
            raise ValueError(f"{page.name}: [{claim['text']}]: does not hold: {claim['formula']}")
        return claim[0].replace(f"[{claim['text']}]", f"[{found}]", 1)

    return CLAIM.sub(replace, page.read_text(encoding="utf-8"))


def carried(claim: re.Match, folder: Path) -> str:
    """What the table says in place of the text of a claim; the text itself where it holds."""
    of, _, formula = " ".join(claim["formula"].split()).partition(": ")
    with (folder / claim["table"]).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if f"{row['dataset']}/{row['network']}" == of]

    def number(name: re.Match) -> str:
        columns = [word.strip() for word in (name["columns"] or "").split(",") if word.strip()]
        return f"({float(chosen(rows, name['quantity'], columns)[name['end'] or 'value'])!r})"

    value = eval(ROW.sub(number, formula), {"__builtins__": {}})
    if isinstance(value, bool):
        return claim["text"] if value else "False"
    written = NUMBER.search(claim["text"])
    if written is None:
        raise ValueError(f"[{claim['text']}]: holds no number, and its formula no comparison")
    return NUMBER.sub(f"{value:.{len(written['decimals'] or '')}f}", claim["text"], count=1)


def chosen(rows: Sequence[Row], quantity: str, columns: Sequence[str]) -> Row:
    """The one row of means with a quantity and values of its columns."""
    means = [row for row in rows if row["quantity"] == quantity and not row["seed"] + row["at"]]
    found = [row for row in means if {*columns} <= {row[column] for column in COLUMNS}]
    for column in ("layer", "null"):
        if not {*columns} & {row[column] for row in found if row[column]}:
            found = [row for row in found if not row[column]]
    last = max((float(row["epoch"] or 0) for row in found), default=0)
    if len(found) > 1:
        found = [row for row in found if float(row["epoch"] or 0) == last]
    if len(found) != 1:
        raise ValueError(f"{quantity}[{', '.join(columns)}]: {len(found)} rows; name one")
    return found[0]
