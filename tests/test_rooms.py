"""The folders of the package: their picture, and the layering that docs/design.md promises."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def loaded(name: str):
    """A script of docs/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


rooms = loaded("rooms")
FOLDERS = {path.parent.name for path in (ROOT / "latentdims").glob("*/__init__.py")}


def test_every_folder_is_on_one_floor_and_in_the_picture():
    on_floors = [name for floor in rooms.FLOORS for name in floor]
    assert sorted(on_floors) == sorted({*FOLDERS, rooms.BASE})
    assert rooms.PLACES.keys() == set(on_floors)
    picture = rooms.PICTURE.read_text(encoding="utf-8")
    assert {name for name in FOLDERS if f">{name}/<" not in picture} == set()


def test_the_picture_is_up_to_date(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "PICTURE", tmp_path / "rooms.svg")
    rooms.draw()
    drawn = (tmp_path / "rooms.svg").read_text(encoding="utf-8")
    kept = (ROOT / "docs" / "rooms.svg").read_text(encoding="utf-8")
    assert drawn == kept, "docs/rooms.svg is out of date; run: make pages"


def test_only_four_modules_are_imported_from_above():
    named = re.search(r"import four modules from above:(.*?)\(\[", PAGE, re.DOTALL)[1]
    assert set(re.findall(r"`([\w.]+)`", named)) == rooms.upward()


def test_imports_are_counted_by_folder():
    counted = rooms.counted()
    assert counted["steps", "models"] > counted["images", "configuration"] == 1
    assert counted["statistics", rooms.BASE] == 1 and counted["statistics", "models"] == 0


def test_an_import_from_above_and_a_folder_without_a_floor_are_noticed(tmp_path, monkeypatch):
    package = tmp_path / "latentdims"
    for place, code in {
        "statistics/low.py": "from latentdims.figures.high import draw\n",
        "figures/high.py": "import latentdims.statistics.low\n",
    }.items():
        (package / place).parent.mkdir(parents=True)
        (package / place).write_text(code, encoding="utf-8")
    monkeypatch.setattr(rooms, "ROOT", tmp_path)
    monkeypatch.setattr(rooms, "PACKAGE", package)
    assert rooms.upward() == {"figures.high"}
    assert rooms.counted() == {("statistics", "figures"): 1, ("figures", "statistics"): 1}
    with pytest.raises(LookupError, match="latentdims/cellar/ is on no floor"):
        rooms.floor("cellar")
