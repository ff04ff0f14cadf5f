"""One tidy table: every number with its unit, its interval and its number of networks."""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from latentdims import record, storage
from latentdims.models import architecture, epochs
from latentdims.models.epochs import UNTRAINED
from latentdims.results import curves, drawn, markdown, numbers, quantities
from latentdims.results.comparisons import PairOfMembers
from latentdims.results.numbers import Number
from latentdims.results.quantities import ONE_RUN, Name
from latentdims.results.table import Row, write_csv
from latentdims.statistics.intervals import Estimate, of_one_pair, of_one_run

logger = logging.getLogger(__name__)

KINDS = ("network", "alignment", "clipping", "generation")

Published = Sequence[Mapping[str, Any]]  # entries of `published`, of one network


def summarise(
    *,
    inputs: Mapping[str, Sequence[str]],
    runs: Sequence[tuple[str, str, int]],
    networks: Sequence[tuple[str, str]],
    table: str | Path,
    comparison: str | Path,
    published: Mapping[str, Any],
    averaged: Sequence[tuple[str, str]] | None = None,
    members: Sequence[tuple[str, str, int]] = (),
    comparisons: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the table of every number (CSV), and the table of main numbers (Markdown).

    runs: (dataset, network, seed). networks: (dataset, network). inputs: for each of `KINDS`, one
    file per run; for `consensus` one per network of `averaged`, or of all, or none. published:
    published numbers by dataset and network, as the configuration resolves them. members:
    (comparison, member, seed), with one file of `compared` each. comparisons: their pairs, as for
    `PairOfMembers`.

    Means come first, then single networks, then the points of curves. A mean is undefined, and its
    value empty, if it is for one of its networks. The Markdown ends with a comment that holds the
    parameters of the running job.
    """
    files: dict[tuple[str, str], dict[str, list[str]]] = {
        (dataset, network): {kind: [] for kind in (*KINDS, "consensus")}
        for dataset, network in networks
    }
    for run, (dataset, network, _) in enumerate(runs):
        for kind in KINDS:
            files[dataset, network][kind].append(inputs[kind][run])
    of_consensus = networks if averaged is None else averaged
    for (dataset, network), path in zip(of_consensus, inputs["consensus"], strict=False):
        files[dataset, network]["consensus"].append(path)
    means: list[Row] = []
    single: list[Row] = []
    points: list[Row] = []
    for (dataset, network), paths in files.items():
        beside = published.get(dataset, {}).get(network, [])
        columns = {"dataset": dataset, "network": network}
        for number in numbers.of(paths):
            means += [_row(columns, *each) for each in _means(number, beside)]
            single += [_row(columns, *each) for each in _networks(number)]
        for curve in curves.of(paths):
            for at, estimate in zip(curve.at, curve.estimates, strict=True):
                points.append(_row(columns, curve.name, estimate, {"at": at}))
    of_members = [(name, member, seed) for name, member, seed in members]
    compared = dict(zip(of_members, inputs.get("compared", ()), strict=True))
    for pair in map(PairOfMembers.of, comparisons):
        for number in pair.numbers(compared):
            means.append(_row(pair.columns, number.name, number.estimate))
        for curve in pair.curves(compared):
            for at, estimate in zip(curve.at, curve.estimates, strict=True):
                points.append(_row(pair.columns, curve.name, estimate, {"at": at}))
    reasons = {network: _reasons(paths) for network, paths in files.items()}
    for (name, member, _), path in compared.items():
        told = reasons.setdefault((f"comparison {name}", member), [])
        told += [reason for reason in _told([path]) if reason not in told]
    outputs = {of: architecture.of(paths["alignment"][0]).output for of, paths in files.items()}
    _log_undefined(means, reasons)
    write_csv(table, means + single + points)
    made_by = f"\n<!-- {record.statement()} -->\n"
    Path(comparison).write_text(
        markdown.tables(means, reasons, outputs) + made_by, encoding="utf-8"
    )


def _row(
    of: Mapping[str, Any], name: Name, found: Estimate, more: Mapping[str, Any] | None = None
) -> Row:
    """of: what it is of, by columns of the table."""
    unit = quantities.unit(name.quantity)
    return Row(**of, unit=unit, **name._asdict(), **found._asdict(), **(more or {}))


def _means(number: Number, beside: Published) -> Iterator[tuple[Name, Estimate, dict[str, Any]]]:
    """A number, and the interval of a single run where single runs are published."""
    values = [
        value
        for entry in beside
        for value in entry["values"]
        if number.name[:4] == tuple(entry[key] for key in number.name._fields[:4])
        and number.name.null == entry["null"]
        and (number.is_default if entry["epoch"] is None else entry["epoch"] == number.name.epoch)
    ]
    published = {"published": ";".join(f"{value:g}" for value in values)} if values else {}
    yield number.name, number.estimate, published
    if values and number.runs is not None:
        name = number.name._replace(quantity=f"{number.name.quantity}{ONE_RUN}")
        if isinstance(number.runs, Mapping):
            yield name, of_one_pair(number.runs, within=number.within), published
        else:
            yield name, of_one_run(number.runs, within=number.within), published


def _networks(number: Number) -> Iterator[tuple[Name, Estimate, dict[str, Any]]]:
    for seed, value in enumerate(number.networks):
        yield number.name, Estimate(value, None, None, 1), {"seed": seed}


def _reasons(paths: Mapping[str, Sequence[str]]) -> list[str]:
    """Why numbers in the files of a network are undefined, or left out, each reason once."""
    found = []
    if UNTRAINED not in epochs.of(paths["network"][0]):
        found.append("untrained networks are not known: comparisons with them are left out")
    found += _told([path for each in paths.values() for path in each])
    return list(dict.fromkeys([*found, *drawn.not_above(paths["generation"])]))


def _told(paths: Sequence[str]) -> list[str]:
    found = [reason for path in paths for reason in storage.reasons(path)]
    return list(dict.fromkeys(part for reason in found for part in reason.split("; ")))


def _log_undefined(rows: Sequence[Row], reasons: Mapping[tuple[str, str], Sequence[str]]) -> None:
    for (dataset, network), told in reasons.items():
        own = [
            row
            for row in rows
            if row.of == (dataset, network) and math.isnan(row.value) and not row.comparison
        ]
        names = [f"{row.quantity}/{row.layer}" if row.layer else row.quantity for row in own]
        if names:
            logger.info("%s, %s: undefined, so empty: %s", dataset, network, ", ".join(names))
        for reason in told:
            logger.warning("%s, %s: %s", dataset, network, reason)
