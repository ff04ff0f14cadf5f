"""Every quantity of the summary is explained, and nothing else is."""

import re
from pathlib import Path

from known_files import files, rows  # noqa: F401 (fixtures)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "numbers.md"
ANY = {
    "<basis>": r"\w+",
    "<bound>": "(theory|simulation|bulk|initial)",
    "[_by_epoch]": "(_by_epoch)?",
    "[_<way>]": "(_flattened|_wide|_few_1|_few_2)?",
    "[_<procedure>]": "(_wide|_few_1|_few_2)?",
    "<generated …>": r"generated_\w+",
    "<quantity>": r"\w+",
}


def test_every_quantity_has_a_paragraph(rows):  # noqa: F811
    patterns = []
    for bold in re.findall(r"^\*\*(.*?)\*\* —", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for name in re.findall(r"`(.*?)`", bold):
            for part, choices in ANY.items():
                name = name.replace(part, choices)
            patterns.append(name)
    quantities = {key[0] for key in rows}
    matched = {p: [q for q in quantities if re.fullmatch(p, q)] for p in patterns}
    assert quantities - {q for found in matched.values() for q in found} == set()
    assert [p for p, found in matched.items() if not found and "power_law" not in p] == []
