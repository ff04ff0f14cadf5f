"""docs/workflow.svg: every rule of the default experiment, from left to right, as it is today."""

import importlib.util
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml
from test_figures import check_readable
from workflow import ROOT, Workflow

PICTURE = ROOT / "docs" / "workflow.svg"

GRAPH = """
digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
0 [ shape=none, margin=0, label=<<table border="2" color="#D8" cellborder="0">
<tr><td>
<b><font point-size="18">all</font></b>
</td></tr>
<hr/>
<tr><td align="left"> <b><font point-size="14">&#8618; input</font></b> </td></tr>
<tr>
<td align="left"><font face="monospace">r/last.txt</font></td>
</tr>
<hr/>
<tr><td align="right">  </td> </tr>
</table>>]
1 [ shape=none, margin=0, label=<<table border="2" color="#D8" cellborder="0">
<tr><td>
<b><font point-size="18">first</font></b>
</td></tr>
<hr/>
<tr><td align="left">  </td></tr>
<hr/>
<tr><td align="right"> <b><font point-size="14">output &rarr;</font></b> </td> </tr>
<tr>
<td align="left"><font face="monospace">r/{dataset,[a-z&gt;]+}/{seed,\\d+}.h5</font></td></tr>
</table>>]
2 [ shape=none, margin=0, label=<<table border="2" color="#D8" cellborder="0">
<tr><td>
<b><font point-size="18">last</font></b>
</td></tr>
<hr/>
<tr><td align="left"> <b><font point-size="14">&#8618; input</font></b> </td></tr>
<tr>
<td align="left"><font face="monospace">&lt;input function&gt;</font></td>
</tr>
<hr/>
<tr><td align="right"> <b><font point-size="14">output &rarr;</font></b> </td> </tr>
<tr>
<td align="left"><font face="monospace">r/last.txt</font></td></tr>
</table>>]
\t1 -> 2
\t1 -> 1
\t2 -> 0
\t1 -> 0
}
"""


@pytest.fixture(scope="module")
def module():
    """docs/workflow.py."""
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "workflow.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def printed(folder: Path, *arguments: str) -> str:
    """What snakemake prints of the default experiment."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    flow = Workflow(folder, config)
    done = flow.plan([*flow.flags, *arguments], flow.folder, flow.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(path: Path) -> list[str]:
    tree = ElementTree.parse(path)
    return [each.text for each in tree.iter("{http://www.w3.org/2000/svg}text")]


def test_every_rule_is_in_the_picture_and_no_other(module, tmp_path):
    graph = printed(tmp_path / "flow", "--rulegraph", "dot")
    names = set(re.findall(r'label = "(\w+)"', graph))
    assert {"prepare", "train", "figure", "summary", "all"} < names
    rules, _ = module.parsed(printed(tmp_path / "other", "--filegraph"))
    assert rules.keys() == names
    assert names <= {*texts(PICTURE)}
    bold = re.findall(r"font-weight: 700[^>]*>(\w+)</text>", PICTURE.read_text(encoding="utf-8"))
    assert sorted(bold) == sorted(names)


def test_the_picture_is_what_make_workflow_draws_today(module, tmp_path):
    """If not: make workflow."""
    graph = module.parsed(printed(tmp_path / "flow", "--filegraph"))
    module.write(module.drawn(*graph), tmp_path / "drawn.svg")
    assert (tmp_path / "drawn.svg").read_bytes() == PICTURE.read_bytes()


def test_a_graph_is_read_with_its_files(module):
    rules, edges = module.parsed(GRAPH)
    assert edges == {("first", "last"), ("last", "all"), ("first", "all")}
    assert rules["first"].files == ("r/{dataset}/{seed}.h5",)
    assert [rules[name].runs for name in ("first", "last")] == ["per seed", "once"]
    assert rules["first"].artefacts == ["<seed>.h5"] and rules["all"].files == ()


def test_arrows_that_follow_from_others_are_left_out(module):
    edges = {("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("a", "c"), ("e", "d")}
    assert module.reduced(edges) == edges - {("a", "d"), ("a", "c")}
    assert module.columns("abcde", edges) == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 2}


def test_boxes_stand_apart_and_arrows_lead_to_the_right(module, monkeypatch):
    rules, edges = module.parsed(GRAPH)
    more = {name: module.Rule(name, (f"{name}.h5",)) for name in ("covariance", "side", "longer")}
    edges |= {("first", "covariance"), ("covariance", "all"), ("first", "side"), ("side", "longer")}
    edges |= {("longer", "last"), ("covariance", "longer")}
    figure = module.drawn(rules | more, edges)
    words = check_readable(figure, monkeypatch)
    assert {*rules, *more} <= {*words}
    (axis,) = figure.axes
    boxes = [each for each in axis.patches if hasattr(each, "get_boxstyle")]
    arrows = [each for each in axis.patches if not hasattr(each, "get_boxstyle")]
    assert len(boxes) == 6 and len(arrows) == len(module.reduced(edges))
    for arrow in arrows:
        vertices = arrow._path_original.vertices
        assert (vertices[1:, 0] >= vertices[:-1, 0]).all()
        for box in boxes:  # no arrow crosses one: it passes above or below
            left, bottom, right, top = box.get_x(), box.get_y(), *corner(box)
            inside = (vertices[:, 0] > left + 0.01) & (vertices[:, 0] < right - 0.01)
            inside &= (vertices[:, 1] > bottom + 0.01) & (vertices[:, 1] < top - 0.01)
            assert not inside.any()


def corner(box) -> tuple[float, float]:
    return box.get_x() + box.get_width(), box.get_y() + box.get_height()


def test_no_graph_is_said(module, monkeypatch):
    monkeypatch.setattr(module.sys, "stdin", io.StringIO(""))
    with pytest.raises(SystemExit, match="no graph was read"):
        module.main()
