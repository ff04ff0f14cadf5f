"""Every quantity of the summary is explained, and nothing else is."""

import re
from pathlib import Path

from test_summary import files, rows  # noqa: F401 (fixtures)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "numbers.md"
ANY = {
    "<split>": "(train|test)",
    "<centring>": "(uncentred|centred)",
    "<kind>": "(trained|initial|shuffled)",
    "<initial or trained>": "(initial|trained)",
    "<moment>": "(second_moment|covariance)",
    "<basis>": r"\w+",
    "<way>": "(theory|simulation|bulk|initial)",
    "[_by_epoch]": "(_by_epoch)?",
    "[_<variant>]": "(_flattened|_wide|_few_1|_few_2)?",
    "<spectrum>": "((second_moment|covariance)(_held_out)?|weight)",
    "<of>": "(activation|weight)",
    "<generated …>": r"generated_\w+",
}


def test_every_quantity_has_a_paragraph(rows):  # noqa: F811
    patterns = []
    for bold in re.findall(r"^\*\*(.*?)\*\* —", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        for name in re.findall(r"`(.*?)`", bold):
            for part, choices in ANY.items():
                name = name.replace(part, choices)
            patterns.append(name)
    quantities = {quantity for _, quantity, _ in rows}
    matched = {p: [q for q in quantities if re.fullmatch(p, q)] for p in patterns}
    assert quantities - {q for found in matched.values() for q in found} == set()
    assert [p for p, found in matched.items() if not found and "power_law" not in p] == []
