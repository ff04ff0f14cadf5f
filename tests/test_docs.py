"""What the pages promise: links that lead somewhere, and a README that begins with use."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
from fabricated import described

from latentdims import storage
from latentdims.figures import catalogue
from latentdims.models import architecture
from latentdims.results import table

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub names them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_and_picture_is_linked():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    kept = {path for kind in ("*.md", "*.svg") for path in (ROOT / "docs").rglob(kind)}
    assert kept - linked == set()


def test_readme_begins_with_use_and_is_short():
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 160
    assert any(line.startswith("make run") for line in lines[:40])


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_results_stand_between_marks(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall("<!-- results -->(.*?)<!-- /results -->", text, re.DOTALL)
    rows = re.findall(r"^\|", block, re.MULTILINE)
    assert page != "README.md" or 3 < len(rows) <= 2 + 12  # below the head


def test_readme_shows_every_configuration_there_is():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for config in (ROOT / "configs").rglob("*.yaml"):
        assert str(config.relative_to(ROOT)) in text


@pytest.fixture
def update(tmp_path):
    """docs/update.py, of a repository where nothing has run."""
    spec = importlib.util.spec_from_file_location("update", ROOT / "docs" / "update.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "docs" / "study").mkdir(parents=True)
    for page in ("README.md", "docs/gallery.md", "docs/results.md"):
        (tmp_path / page).write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    return module


def found(folder: Path, pictures) -> None:
    for picture in pictures:
        (folder / "figures" / picture).parent.mkdir(parents=True, exist_ok=True)
        (folder / "figures" / picture).write_text("new picture")
    with storage.create(folder / "cifar10/mlp/seed0/network.h5", settings={}) as file:
        architecture.write(file, described({"layer1": 3, "classifier": 2}))
    heads = ",".join(table.COLUMNS)
    numbers = ",cifar10,mlp,,,,accuracy,test,,5,,,43.21,,,2,percent,42.7;42.4"
    (folder / "summary.csv").write_text(f"{heads}\n{numbers}\n")
    (folder / "summary.md").write_text("**Tables** \\1\n<!-- {} -->\n")


def test_make_readme_needs_results(update):
    with pytest.raises(SystemExit, match=r"configs/tutorial\.yaml"):
        update.main()


def test_make_readme_writes_the_tutorial_into_the_readme_and_nothing_else(update, tmp_path):
    found(tmp_path / "results" / "tutorial", update.PICTURES["tutorial"])
    update.main()
    row = "| test accuracy, trained | 43.2 % | 42.7 %, 42.4 % |"
    said = "Ours are means over 2 networks; published are single runs."
    block = f"{said}\n\n| quantity | mlp | mlp, published |\n| --- | --- | --- |\n{row}"
    assert (tmp_path / "README.md").read_text() == (
        f"before\n<!-- results -->\n{block}\n<!-- /results -->\nafter\n"
    )
    assert "old" in (tmp_path / "docs" / "results.md").read_text()
    assert (tmp_path / "docs" / "eigenvectors.svg").read_text() == "new picture"


def test_make_readme_writes_the_study_into_its_page(update, tmp_path):
    found(tmp_path / "results" / "study", update.PICTURES["study"])
    page = tmp_path / "docs" / "results.md"
    claim = '[{} %](study/summary.csv "cifar10/mlp: accuracy[test]")\n'
    page.write_text(page.read_text() + claim.format("41.0"))
    update.main()
    assert page.read_text() == (
        "before\n<!-- results -->\n**Tables** \\1\n<!-- /results -->\nafter\n"
        + claim.format("43.2")
    )
    assert "old" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "docs" / "study" / "generation.svg").read_text() == "new picture"


def test_the_gallery_has_a_sentence_for_every_figure_of_the_tutorial(update):
    names = {name.partition("/")[2] for name in update.GALLERY}
    assert names == {*catalogue.drawn(seeds=2)}
    assert {f"cifar10/{name}.svg" for name in update.GALLERY} == {*update.PICTURES["tutorial"]}


def test_make_readme_writes_the_gallery(update, tmp_path):
    found(tmp_path / "results" / "tutorial", update.PICTURES["tutorial"])
    update.main()
    page = tmp_path / "docs" / "gallery.md"
    pictures = re.findall(r"\[!\[(.*?)\]\((.*?)\)\]\((.*?)\)<br>`(.*?)`", page.read_text())
    assert [name for name, *_ in pictures] == list(update.GALLERY)
    for name, picture, full, said in pictures:
        assert said == name and picture == full
        assert (page.parent / picture).read_text() == "new picture"
    (page.parent / "gallery/mlp/training.svg").unlink()
    assert "training" not in update.gallery()


def test_the_gallery_is_what_make_readme_wrote():
    """Of the pictures that are here."""
    spec = importlib.util.spec_from_file_location("update", ROOT / "docs" / "update.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert f"<!-- results -->\n{module.gallery()}\n<!-- /results -->" in text
