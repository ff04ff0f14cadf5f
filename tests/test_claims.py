"""Claims of the documentation follow from the rows that they name."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
HEAD = (
    "comparison,dataset,network,seed,partner,layer,quantity,split,centring,epoch,null,at,"
    "value,low,high,n,unit,published"
)
ROWS = f"""{HEAD}
,d,n,,,,accuracy,train,,4,,,71.0,70,72,3,percent,
,d,n,,,,accuracy,test,,4,,,61.26,60,62.5,3,percent,
,d,n,2,,,accuracy,test,,4,,,59.0,,,1,percent,
,d,other,,,,accuracy,test,,4,,,11.0,,,3,percent,
,d,n,,,layer1,cka,test,centred,4,,,0.8,0.7,0.9,3,1,
,d,n,,,layer1,cka,test,centred,0,untrained,,0.5,0.4,0.6,3,1,
,d,n,,,layer2,cka,test,centred,4,,,0.3,0.2,0.4,3,1,
,d,n,,,,generated_accuracy,test,,4,,,30.0,29,31,3,percent,
,d,n,,,,generated_accuracy,test,,4,white,,20.0,19,21,3,percent,
"""


@pytest.fixture(scope="module")
def claims():
    spec = importlib.util.spec_from_file_location("claims", ROOT / "docs" / "claims.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(folder: Path, text: str, formula: str) -> Path:
    (folder / "table.csv").write_text(ROWS)
    path = folder / "page.md"
    path.write_text(f'It is [{text}](table.csv "{formula}") of it.\n')
    return path


@pytest.mark.parametrize(
    ("text", "formula", "says"),
    [
        ("61.3 %", "d/n: accuracy[test]", "61.3 %"),
        ("61 %", "d/n: accuracy[test]", "61 %"),
        ("about 60 points", "d/n: accuracy[test].low", "about 60 points"),
        ("50 %", "d/n: 100 * cka[layer1, untrained]", "50 %"),
        ("0.80", "d/n: cka[layer1]", "0.80"),
        (
            "48 %",
            "d/n: 100 * (accuracy[train] - accuracy[test]) / generated_accuracy[white]",
            "49 %",
        ),
        ("more alike", "d/n: cka[layer1] > cka[layer1, untrained]", "more alike"),
        ("clearly", "d/n: cka[layer1].low > cka[layer1, untrained].high", "clearly"),
        ("less alike", "d/n: cka[layer1] < cka[layer2]", "False"),
        ("11", "d/other: accuracy[test]", "11"),
    ],
)
def test_claims_are_what_the_rows_say(claims, tmp_path, text, formula, says):
    path = page(tmp_path, text, formula)
    assert bool(list(claims.wrong(path))) == (says != text)
    if says == "False":
        with pytest.raises(ValueError, match=re.escape(f"[{text}]: does not hold")):
            claims.renewed(path)
    else:
        assert f"[{says}](" in claims.renewed(path)


@pytest.mark.parametrize(
    "formula", ["d/n: accuracy", "d/n: nothing", "d/n: cka", "x/n: accuracy[test]"]
)
def test_a_claim_names_one_row(claims, tmp_path, formula):
    with pytest.raises(ValueError, match="rows; name one"):
        claims.renewed(page(tmp_path, "1", formula))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_claim_nothing_that_their_tables_do_not_carry(claims, path):
    assert list(claims.wrong(path)) == []
