"""What was run and what was found, on one page: the first page of the report."""

import html
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from latentdims import __version__, storage
from latentdims.models import architecture
from latentdims.results import markdown
from latentdims.results import table as words
from latentdims.results.quantities import ONE_RUN
from latentdims.results.table import Outputs, Row, read_csv

SHOWN = (  # of the headlines, in order; of layers, all but that of the logits
    "accuracy",
    "similarity",
    "variance_explained",
    "generated_accuracy",
    "generated_accuracy_flattened",
    "retention_above_chance",
    "retention_above_white",
)
PACKAGES = ("numpy", "scipy", "h5py", "pillow", "matplotlib", "snakemake")

Table = list[list[str]]  # the first line is the head
Files = dict[tuple[str, str], str]  # by data set and network


def write(
    path: str | Path,
    *,
    table: str | Path,
    inputs: Mapping[str, Sequence[str]],
    runs: Sequence[tuple[str, str, int]],
) -> None:
    """Write the page, a fragment of HTML.

    table: summary.csv. runs: (dataset, network, seed). inputs: for `network`, `alignment` and
    `generation` one file per run, for `images` one per data set. Settings and devices come from
    these files; other versions are those of the installed packages.
    """
    trained, drawn = _first(inputs["network"], runs), _first(inputs["generation"], runs)
    images = dict(
        zip(dict.fromkeys(dataset for dataset, _ in trained), inputs["images"], strict=True)
    )
    seeds = sorted({seed for _, _, seed in runs})
    aligned = _first(inputs["alignment"], runs)
    outputs = {network: architecture.of(path).output for network, path in aligned.items()}
    rows, software = read_csv(table), _software(inputs["network"])
    parts = [
        "<h2>What was run</h2>",
        _html(_data_sets(images, trained)),
        _html(_networks(trained, seeds)),
        _html([["", "settings"], *_settings(trained, drawn), ["software", software]]),
        "<h2>What was found</h2>",
        f"<p>{_explained(rows, len(seeds))}</p>",
    ]
    for dataset in images:
        parts += [
            f"<h3>{html.escape(dataset)}</h3>",
            _html(headline(rows, dataset, outputs=outputs)),
        ]
    compared = [row for row in rows if row.comparison]
    if compared:
        parts += ["<h3>Comparisons</h3>", _html(markdown.comparisons(compared))]
    Path(path).write_text("\n".join(parts) + "\n", encoding="utf-8")


def _first(paths: Sequence[str], runs: Sequence[tuple[str, str, int]]) -> Files:
    """A file of the first seed of each network, which has the settings of all of them."""
    found: Files = {}
    for path, (dataset, network, _) in zip(paths, runs, strict=True):
        found.setdefault((dataset, network), path)
    return found


def headline(rows: Sequence[Row], dataset: str, *, outputs: Outputs) -> Table:
    """The main numbers of a data set: a line for each, and a column for each network.

    outputs: the layer of the logits, which is left out, by data set and network. Published numbers
    have their own column after their network.
    """
    shown = [row for row in rows if row.dataset == dataset and _is_headline(row, outputs)]
    networks = list(dict.fromkeys(row.network for row in shown))
    published = {row.network for row in shown if row.published}
    order = [key for key in words.HEADLINES if key[0] in SHOWN]
    order += [row.key for row in shown]
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in sorted(shown, key=lambda row: order.index(row.key)):
        lines.setdefault((row.words, row.layer), {})[row.network] = row
    table = [["quantity", *(name for each in networks for name in _columns(each, published))]]
    for (quantity, layer), found in lines.items():
        where = f", {layer.replace('layer', 'layer ')}" if layer else ""
        cells = [quantity + where]
        for network in networks:
            own = found.get(network)
            cells.append(own.in_words() if own else "")
            if network in published:
                cells.append(", ".join(map(own.rounded, own.theirs)) if own else "")
        table.append(cells)
    return table


def _is_headline(row: Row, outputs: Outputs) -> bool:
    if row.comparison:
        return False
    known = row.quantity in SHOWN and row.key in words.HEADLINES
    known &= not words.is_of_output(row, outputs)
    if row.null == "unrelated" or row.quantity.endswith(ONE_RUN):  # summary.md has both
        return False
    return known or bool(row.published)


def _columns(network: str, published: set[str]) -> list[str]:
    return [network, f"{network}, published"] if network in published else [network]


def _explained(rows: Sequence[Row], seeds: int) -> str:
    """What the numbers are, over how many networks."""
    networks = f"{seeds} network{'s' * (seeds > 1)}"
    intervals = (
        "Brackets are 95 % intervals over networks and test images; of unrelated images, the "
        "middle 95 % of the pairings."
        if any(row.low is not None for row in rows if row.null != "unrelated")
        else "An interval needs at least three networks."
    )
    return (
        f"Each number is a mean over {networks}, or over pairs of them. {intervals} "
        "<em>summary.csv</em> has every number."
    )


def _data_sets(images: Mapping[str, str], trained: Files) -> Table:
    heads = ["data set", "training images", "test images", "shape", "classes", "source"]
    table = [[*heads, "preprocessing"]]
    for name, path in images.items():
        with storage.read(path, needs=["train/images", "test/images"]) as file:
            train, test = file["train/images"].shape, file["test/images"].shape
            source, classes = json.loads(file.attrs["source"]), len(storage.class_names(file))
        seen = [path for (dataset, _), path in trained.items() if dataset == name]
        ways = dict.fromkeys(_listed(_made_with(path)["preprocessing"]) for path in seen)
        shape = "\u00a0×\u00a0".join(map(str, train[1:]))  # on one line
        counts = [f"{train[0]:,}", f"{test[0]:,}", shape, str(classes)]
        table.append([name, *counts, _listed(source), "; ".join(ways)])
    return table


def _networks(trained: Files, seeds: Sequence[int]) -> Table:
    """Each network once: its settings are the same on every data set."""
    found = {}
    for (_, network), path in trained.items():
        with storage.read(path) as file:
            found[network] = _listed(storage.settings(file)["network"])
    numbers = ", ".join(map(str, seeds))
    return [["network", "settings", "seeds"], *([*each, numbers] for each in found.items())]


def _settings(trained: Files, drawn: Files) -> Iterator[list[str]]:
    """Lines on training and generation."""
    training: dict[str, list[str]] = {}
    adopted: dict[str, str] = {}
    for (_, network), path in trained.items():
        made = _made_with(path)
        if "training" in made:
            training.setdefault(_listed(made["training"]), []).append(network)
        else:
            asked = made["checkpoints"]
            known = {**asked, "trained": None, "untrained": bool(asked["untrained"])}
            adopted[network] = _listed(known) or "one of each seed"
    for text, networks in training.items():
        several = len(training) + len(adopted) > 1
        of = f" of {', '.join(dict.fromkeys(networks))}" if several else ""
        yield [f"training{of}", text]
    for network, text in adopted.items():
        yield [f"checkpoints of {network}", text]
    ways: dict[str, list[str]] = {}
    for (_, network), path in drawn.items():
        ways.setdefault(_generation(path), []).append(network)
    for text, networks in ways.items():
        of = f" of {', '.join(dict.fromkeys(networks))}" if len(ways) > 1 else ""
        yield [f"generation{of}", text]


def _made_with(path: str) -> dict[str, Any]:
    with storage.read(path) as file:
        return storage.settings(file)


def _generation(path: str) -> str:
    """How networks were drawn, or why not."""
    with storage.read(path) as file:
        if "undefined" in file.attrs:
            return f"none: {file.attrs['undefined']}"
        procedure = _listed(json.loads(file.attrs["procedure"]))
        variants = ", ".join(file.get("variants", {}))
    return procedure + (f"; other ways: {variants}" if variants else "")


def _software(paths: Sequence[str]) -> str:
    """What trained the networks of some files, and what wrote this page."""
    found = [f"latentdims {__version__}", f"Python {platform.python_version()}"]
    for path in paths:
        with storage.read(path) as file:
            found.append(f"torch {file.attrs['torch_version']} on {file.attrs['device']}")
    found += [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return ", ".join(dict.fromkeys(found))


def _listed(settings: Mapping[str, Any]) -> str:
    """Settings as text, without those that are not given."""
    first = ("architecture", "source")
    order = sorted(settings.items(), key=lambda item: item[0] not in first)
    shown = {name: value for name, value in order if value not in (None, False, 0, [], {})}
    return ", ".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in shown.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(_value, value)).join("[]") if isinstance(value, list) else str(value)


def _html(table: Table) -> str:
    """A table in HTML, whose first line is the head."""
    lines = [
        "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        for tag, cells in zip(["th", *["td"] * (len(table) - 1)], table, strict=True)
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines[1:])
    return f"<table>\n<thead><tr>{lines[0]}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
