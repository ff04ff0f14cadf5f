"""What made a file: stated in each kind of file, and compared."""

from pathlib import Path

import h5py
import pytest
from snakemake.iocontainers import InputFiles

from latentdims import record, storage
from latentdims.figures import style
from latentdims.workflow.recorded import difference, digest

ODD = 'a--b --> <c> & (d) \\( \\u00e9 é "q" \')\n'
PARAMS = {
    "code": "clip.py 0123",
    "ranks": [1, 2],
    "settings": {"seed": 3, "name": ODD},
    "rate": -1e-7,
}


def written(folder: Path, params: dict, inputs: str = "") -> list[Path]:
    """A file of each kind, made by a job of these parameters and inputs."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"file.{kind}" for kind in ("h5", "svg", "pdf", "md")]
    with record.made_by(params, inputs):
        with storage.create(paths[0], settings={}) as file:
            file["x"] = [1, 2]
        figure = style.Figure()
        figure.subplots().plot([1, 2])
        style.save(figure, svg=paths[1], pdf=paths[2])
        paths[3].write_text(f"| a |\n\n<!-- {record.statement()} -->\n", encoding="utf-8")
    return paths


def test_every_kind_of_file_states_what_made_it_and_is_compared_with_it(tmp_path):
    other = {**PARAMS, "ranks": "all", "settings": {"seed": 4, "name": ODD}, "more": None}
    for path in written(tmp_path, PARAMS):
        assert difference(path, dict(reversed(PARAMS.items()))) == ""
        assert difference(path, other) == "ranks, settings.seed"
        assert difference(path, {**PARAMS, "code": "clip.py 4567"}) == "code"
        assert difference(path, {}) == "code, ranks, rate, settings"


def test_every_kind_of_file_states_what_its_inputs_state(tmp_path):
    for inputs in ("", "0123456789abcdef"):
        for path in written(tmp_path / inputs, PARAMS, inputs):
            assert difference(path, PARAMS, inputs) == ""
            assert difference(path, PARAMS, "fedcba9876543210") == "inputs"
            assert difference(path, PARAMS) == ""  # where inputs are not there to be compared
            assert difference(path, {**PARAMS, "rate": 1}, "fedcba9876543210") == "rate, inputs"


def test_a_digest_is_of_statements_alone_and_goes_down_a_chain(tmp_path):
    def of(inputs: str, name: str, **params) -> str:
        path, *_ = written(tmp_path / name, {**PARAMS, **params}, inputs)
        return digest([str(path)])

    first = of("", "a")
    assert first == of("", "again")
    assert len({first, of("", "b", rate=1), of(first, "c"), of(of("", "d", rate=1), "e")}) == 4
    paths = [str(tmp_path / name / "file.h5") for name in "ab"]
    assert digest(paths) != digest(paths[::-1])


def test_inputs_that_state_nothing_or_are_temporary_are_left_out_of_a_digest(tmp_path):
    path, other, *_ = map(str, written(tmp_path, PARAMS))
    odd = [tmp_path / "table.csv", tmp_path / "own.h5", tmp_path / "cut.h5"]
    odd[0].write_text("x", encoding="utf-8")
    with h5py.File(odd[1], "w") as file:
        file["x"] = 1
    odd[2].write_bytes(Path(path).read_bytes()[:1000])
    assert digest([]) == digest([str(odd[0])]) == ""
    assert digest([path, *map(str, odd)]) == digest([path]) != ""
    parts = InputFiles(fromdict={"network": path, "parts": "0"})
    parts._set_name("parts", 1, end=2)
    assert digest(parts) == digest([path])
    with pytest.raises(FileNotFoundError):
        digest([path, other, str(tmp_path / "missing.h5")])


def test_the_same_parameters_give_the_same_bytes(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    pairs = zip(written(first, PARAMS), written(second, PARAMS), strict=True)
    assert all(one.read_bytes() == two.read_bytes() for one, two in pairs)


def test_a_file_that_states_nothing_is_made_again(tmp_path):
    for path in written(tmp_path, PARAMS):
        if path.suffix == ".h5":
            with h5py.File(path, "r+") as file:
                file.attrs["format_version"] = storage.FORMAT_VERSION - 1
            assert "of another version" in difference(path, PARAMS)
        path.write_bytes(path.read_bytes()[:100])
        assert difference(path, PARAMS)
        path.write_bytes(b"")
        assert difference(path, PARAMS)


def test_nothing_is_said_of_what_cannot_be_opened_nor_of_other_kinds(tmp_path, monkeypatch):
    path, *_ = written(tmp_path, PARAMS)
    table = tmp_path / "summary.csv"
    table.write_text("x", encoding="utf-8")
    assert difference(table, PARAMS) == ""
    assert difference(tmp_path / "missing.svg", PARAMS) == ""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    assert difference(path, PARAMS) == ""
    with pytest.raises(PermissionError):  # what follows from it is not to be compared
        digest([str(path)])


@pytest.mark.parametrize("value", [Path("folder"), {1, 2}])
def test_parameters_that_are_not_plain_are_refused(value):
    with pytest.raises(TypeError):
        record.text({"value": value})
