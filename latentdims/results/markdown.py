"""The main numbers of a run, in tables of Markdown."""

import re
from collections.abc import Mapping, Sequence

from latentdims.results.quantities import ONE_RUN
from latentdims.results.table import HEADLINES, Outputs, Row, is_of_output


def tables(
    rows: Sequence[Row], reasons: Mapping[tuple[str, str], Sequence[str]], outputs: Outputs
) -> str:
    """Tables: main numbers with published ones; similarities by several measures, beside untrained
    networks and unrelated images; every way of drawing networks, with white covariances;
    comparisons. At the end, why cells are empty.

    rows: means. reasons: why numbers are undefined, by data set and network. outputs: the layers of
    logits, which are not among the main numbers.
    """
    compared = [row for row in rows if row.comparison]
    rows = [row for row in rows if not row.comparison]
    parts = {
        "Headline numbers": _headlines(rows, outputs),
        "Similarity s and variance explained s² of representations, beside the same networks "
        "untrained and on unrelated images": _similarities(rows),
        "Other measures on test images, centred": _measures(rows),
        "Networks drawn from covariances": _ways(rows),
    }
    if compared:
        heads, *lines = comparisons(compared)
        parts["Comparisons, on test images, centred"] = _table(heads, lines)
    if any(reasons.values()):
        parts["Undefined, so empty above"] = "".join(
            f"- {dataset}, {network}: {reason}\n"
            for (dataset, network), told in reasons.items()
            for reason in told
        )
    return "\n".join(f"**{title}**\n\n{part}" for title, part in parts.items())


def _headlines(rows: Sequence[Row], outputs: Outputs) -> str:
    """The headline numbers, and all that have a published one, with the interval of one run."""
    order = {key: number for number, key in enumerate(HEADLINES)}
    places = {where: number for number, where in enumerate(_places(rows))}
    runs = {
        (*row.of, row.layer, row.quantity.removesuffix(ONE_RUN), *row.key[1:], row.epoch): row
        for row in rows
        if row.quantity.endswith(ONE_RUN)
    }
    shown = [
        row
        for row in rows
        if not row.quantity.endswith(ONE_RUN)
        and (
            row.published
            or (row.key in HEADLINES and _is_at_end(row) and not is_of_output(row, outputs))
        )
    ]

    def place(row: Row) -> tuple[str, str, int, int]:
        layer = places.get((*row.of, row.layer), -1)
        return *row.of, layer, order.get(row.key, len(order))

    lines = []
    for row in sorted(shown, key=place):
        one = runs.get((*row.of, row.layer, *row.key, row.epoch))
        cells = [row.dataset, row.network, row.layer, row.words, row.in_words(), str(row.n)]
        cells += [_interval(one) if one else "", ", ".join(map(row.rounded, row.theirs))]
        lines.append(cells)
    heads = ["data set", "network", "layer", "quantity", "ours", "n"]
    return _table([*heads, "one run", "published"], lines)


def _interval(row: Row) -> str:
    if row.low is None or row.high is None:
        return ""
    return f"[{row.rounded(row.low)}, {row.rounded(row.high)}]"


NULLS = {"": "trained", "untrained": "untrained", "unrelated": "unrelated images"}


def _found(rows: Sequence[Row]) -> dict[tuple[str, ...], str]:
    """Numbers in words by data set, network, layer, quantity, split, centring and null."""
    return {(*row.of, row.layer, *row.key): row.in_words() for row in rows if _is_at_end(row)}


def _is_at_end(row: Row) -> bool:
    """Whether it is at the last epoch, where that is a choice."""
    return not (row.null == "unrelated" and row.epoch == 0)


def _places(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((*row.of, row.layer) for row in rows if row.layer))


def _similarities(rows: Sequence[Row]) -> str:
    """A line for each layer, measure and null, a column for each split and centring."""
    measures = {"similarity": "s", "variance_explained": "s²"}
    views = list(dict.fromkeys(row.key[1:3] for row in rows if row.quantity == "similarity"))
    found = _found(rows)
    lines = [
        [*where, symbol, name, *(found.get((*where, measure, *view, null), "") for view in views)]
        for where in _places(rows)
        for measure, symbol in measures.items()
        for null, name in NULLS.items()
        if any((*where, measure, *view, null) in found for view in views)
    ]
    heads = ["data set", "network", "layer", "", "networks"]
    return _table([*heads, *map(", ".join, views)], lines)


def _measures(rows: Sequence[Row]) -> str:
    """A line for each layer and null, a column for each measure."""
    view = "test", "centred"
    named = {
        "variance_explained": "s²",
        "cka": "CKA, debiased",
        "cca": "CCA, mean ρ²",
        "mutual_neighbours": "mutual neighbours",
    }
    measured = {row.quantity for row in rows}
    measures = {name: words for name, words in named.items() if name in measured}
    found = _found(rows)
    lines = [
        [
            *where,
            name,
            *(found.get((*where, each, "test", "centred", null), "") for each in measures),
        ]
        for where in _places(rows)
        for null, name in NULLS.items()
        if (*where, "cka", *view, null) in found
    ]
    return _table(["data set", "network", "layer", "networks", *measures.values()], lines)


WAYS = {
    "generated_accuracy{}": "test accuracy",
    "retention_above_chance{}": "above chance",
    "retention_above_white{}": "above white",
    "generated_loss{}": "cross-entropy",
    "generated_calibration_error{}": "calibration error",
}
DRAWN = r"generated_accuracy(?!_above_white)(?!.*_deviation_over_draws$).*"
TRAINED = ("accuracy", "", "", "loss", "calibration_error")


def _ways(rows: Sequence[Row]) -> str:
    """A line for the trained networks, and for each way of drawing networks from them."""
    found = {(*row.of, row.quantity, row.null): row.in_words() for row in rows if _of_test(row)}
    lines = []
    for of in dict.fromkeys(row.of for row in rows):
        ways = [
            (quantity.removeprefix("generated_accuracy"), null)
            for *key, quantity, null in found
            if tuple(key) == of and re.fullmatch(DRAWN, quantity)
        ]
        lines.append([*of, "trained", *(found.get((*of, each, ""), "") for each in TRAINED)])
        for way, null in sorted(ways, key=_order):
            name = ", ".join(filter(None, ["drawn", way[1:] or "channels", null]))
            lines.append([*of, name, *(found.get((*of, w.format(way), null), "") for w in WAYS)])
    return _table(["data set", "network", "networks", *WAYS.values()], lines)


def _of_test(row: Row) -> bool:
    return row.split == "test" and not row.layer and not row.quantity.endswith(ONE_RUN)


COMPARED = {"variance_explained": "s²", "cka": "CKA"}


def comparisons(rows: Sequence[Row]) -> list[list[str]]:
    """A line for each pair of members and of their layers, beside untrained networks and unrelated
    images; the first line is the head.

    rows: of comparisons alone.
    """
    shown = [(quantity, null) for quantity in COMPARED for null in NULLS]
    found: dict[tuple[str, ...], dict[tuple[str, str], str]] = {}
    for row in rows:
        of = row.comparison, "/".join(row.of), row.partner, row.layer
        cells = found.setdefault(of, {})
        if row.key[1:3] == ("test", "centred") and _is_at_end(row):
            cells[row.quantity, row.null] = row.in_words()
    heads = ["comparison", "member", "partner", "layer"]
    heads += [f"{COMPARED[quantity]}, {NULLS[null]}" for quantity, null in shown]
    return [
        heads,
        *([*of, *(cells.get(each, "") for each in shown)] for of, cells in found.items()),
    ]


def _order(way: tuple[str, str]) -> list[str]:
    """By name, with numbers in the order of their size."""
    return [part.zfill(9) for part in re.split(r"(\d+)", "".join(way))]


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ["---"] * len(heads)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (heads, rule, *lines))
