"""The file of a configuration: read as written, or refused in one line."""

import os
from pathlib import Path

import pytest

from latentdims.configuration import config_file
from latentdims.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATIONS = [
    "config.yaml",
    *(str(path.relative_to(ROOT)) for path in ROOT.glob("configs/**/*.yaml")),
]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "c.yaml: is empty"),
        (b"# nothing yet\n", "c.yaml: is empty"),
        (b"- seeds: 3\n", "c.yaml: holds list alone; give keys"),
        (b"words\n", "c.yaml: holds str alone; give keys"),
        (b"a: [b\n", "c.yaml, line 2: .*expected ',' or ']'"),
        (b"a:\n\t- b\n", r"c.yaml, line 2: .*'\\t' that cannot start"),
        (b"a: \xff\xfe\n", "c.yaml: not a text file in UTF-8"),
        (b"a: \x01\n", "c.yaml: not valid YAML"),
        (b"a: &x {b: *y}\n", "c.yaml, line 1: found undefined alias 'y'"),
        (b"a: &x {b: *x}\n", "c.yaml: Circular reference"),
        (b"a: &x [*x]\n", "c.yaml: Circular reference"),
        (b"[" * 3000 + b"]" * 3000, "c.yaml: is nested too deeply"),
        (b"seeds: 2\nseeds: 3\n", "c.yaml, line 2: 'seeds' is also in line 1; keep one"),
        (b"n:\n  a: {w: 1}\n  b: 1\n  a: {w: 2}\n", "c.yaml, line 4: 'a' is also in line 2"),
        (b"n: {no: 1}\n", "c.yaml, line 1: YAML reads no as False; quote it"),
        (b"n:\n  1.5: 1\n", "c.yaml, line 2: YAML reads 1.5 as 1.5; quote it"),
        (b"n: {~: 1}\n", "YAML reads ~ as None; quote it"),
        (b"n: {2024-01-02: 1}\n", "YAML reads 2024-01-02 as 2024-01-02; quote it"),
        (b"n: {010: 1}\n", "YAML reads 010 as 8; quote it"),
        (b"n: {1_000: 1}\n", "YAML reads 1_000 as 1000; quote it"),
        (b"n: {12:30: 1}\n", "YAML reads 12:30 as 750; quote it"),
        (b"n: {[a]: 1}\n", "a key is text; quote it"),
        (b"n: !!python/name:os.system x\n", "could not determine a constructor"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(content, message, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        config_file.read(path)
    assert "\n" not in str(refused.value)


def test_names_that_are_text_or_whole_numbers_are_read(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("\ufeffn: {64: 1, 'no': 2, 1e3: 3, größe: 4}\nm: {<<: {a: 1}, b: 2}\n")
    found = config_file.read(path)
    assert found == {"n": {64: 1, "no": 2, "1e3": 3, "größe": 4}, "m": {"a": 1, "b": 2}}


def test_json_is_read_too(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"seeds":\t3}')
    assert config_file.read(path) == {"seeds": 3}
    path.write_text('{"seeds": 3, "seeds": 4}')
    with pytest.raises(InputError, match="'seeds' is given twice"):
        config_file.read(path)
    path.write_text('{"seeds": 3,')
    with pytest.raises(InputError, match=r"c\.json: "):
        config_file.read(path)


def test_a_file_that_is_missing_or_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="is a pipe or a device; give a file"):
            config_file.read(path)
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(InputError, match=r"there is no such file; there are .*mine\.yaml"):
        config_file.read(tmp_path / "my.yaml")
    with pytest.raises(InputError, match=r"there is no such file$"):
        config_file.read(tmp_path / "nowhere" / "my.yaml")
    with pytest.raises(InputError, match="Is a directory; give a file"):
        config_file.read(tmp_path)


@pytest.mark.parametrize("path", CONFIGURATIONS)
def test_shipped_configurations_are_read(path):
    assert config_file.read(ROOT / path)["datasets"]
