"""DOT text of a picture."""

import re
from collections.abc import Mapping

import pytest

from attractor.language.drawing.dot import dot_text
from attractor.language.drawing.picture import Annotation, Picture
from attractor.language.drawing.theme import AGENT, BOX_FILL, FAILED, INK, PLATE, Theme
from attractor.language.reading import parse

TEXT = """digraph G {
    goal="Everything"
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="Think\\nhard", color=red]
    test [shape=parallelogram, goal_gate=true, retry_target=plan, tool_command="make test"]
    table [shape=record, label="a|b"]
    subgraph cluster_x { label="Loop"; style=dashed; plan; test }
    start -> plan -> test -> exit -> table
    test -> plan [label="No", condition="outcome=fail", penwidth=3]
}"""


def drawn(text: str = TEXT, *, theme: Theme = Theme.AUTO, **marks: Annotation) -> Mapping[str, str]:
    """Return the line of each element by its id."""
    named = {key.replace("_", "-"): mark for key, mark in marks.items()}
    lines = dot_text(Picture(parse(text), named), theme=theme).splitlines()
    return {found[1]: line for line in lines if (found := re.search(r'id="([^"]*)"', line))}


def test_nodes_of_each_type() -> None:
    plan = drawn()["node-plan"]
    assert 'label="agent\\nplan"' in plan
    assert 'class="type-codergen"' in plan
    assert 'tooltip="plan (codergen)\\nThink\\nhard"' in plan
    assert 'label="start"' in drawn()["node-start"]
    assert 'shape="box"' in drawn()["node-table"]
    ranked = parse("digraph G { subgraph { rank=same; a; b } }")
    assert '{ rank=same; "a"; "b" }' in dot_text(Picture(ranked), theme=Theme.LIGHT)


def test_goal_gate_and_edges() -> None:
    lines = drawn()
    assert 'class="type-tool goal-gate"' in lines["node-test"]
    assert 'label="tool · goal gate\\ntest"' in lines["node-test"]
    assert 'peripheries="2"' in lines["node-test"]
    jump = lines["retry-test-plan"]
    assert '"test" -> "plan"' in jump
    assert 'label=" retry "' in jump
    assert 'constraint="false"' in jump
    assert 'style="dashed"' in jump
    edge = drawn()["edge-test-plan"]
    assert 'label=" No \\n outcome=fail "' in edge
    assert 'class="conditional"' in edge
    assert 'penwidth="3"' in edge


def test_box_has_label_and_nodes() -> None:
    text = dot_text(Picture(parse(TEXT)), theme=Theme.LIGHT)
    box = text[text.index("subgraph cluster_0 {") : text.index("    }\n")]
    assert 'id="subgraph-cluster_x";' in box
    assert 'label="Loop";' in box
    assert 'style="dashed,rounded,filled";' in box
    assert BOX_FILL.light in box
    assert '"plan" [' in box
    assert '"start" [' not in box


def test_colors_of_an_annotation_override_those_of_the_author() -> None:
    assert 'color="red"' in drawn()["node-plan"]
    mark = Annotation("state-failed", FAILED, sign="! ", note="failed · 3s", tooltip="failed: boom")
    plan = drawn(node_plan=mark)["node-plan"]
    assert 'color="red"' not in plan
    assert FAILED.line.light in plan
    assert 'class="type-codergen state-failed"' in plan
    assert 'label="agent\\n! plan\\nfailed · 3s"' in plan
    assert "failed: boom" in plan


@pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])
def test_themes_have_their_colors(theme: Theme) -> None:
    lines = drawn(theme=theme)
    assert f'bgcolor="{PLATE.on(theme)}"' in lines["graph-G"]
    assert f'fillcolor="{AGENT.fill.on(theme)}"' in lines["node-plan"]
    assert f'fontcolor="{INK.on(theme)}"' in lines["node-plan"]


def test_line_breaks_of_graphviz() -> None:
    text = r"""digraph G {
        label="a\lpipeline\r"; a [label="one\ltwo\rC:\\logs\l"]
        subgraph cluster_x { label="of\ltwo"; a -> a [label="so\lso"] }
    }"""
    lines = drawn(text)
    assert r'label="agent\none\ntwo\nC:\\logs"' in lines["node-a"]
    assert r'label=" so \n so "' in lines["edge-a-a"]
    assert r'label="a\npipeline"' in lines["graph-G"]
    assert r'label="of\ntwo"' in dot_text(Picture(parse(text)), theme=Theme.LIGHT)
