import re
from collections.abc import Mapping

import pytest

from attractor.language.drawing.dot_text import dot_text
from attractor.language.drawing.palette import AGENT, BOX_FILL, FAILED, INK, PLATE, Theme
from attractor.language.drawing.picture import Mark, Picture
from attractor.language.parsing import parse

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


def drawn(text: str = TEXT, *, theme: Theme = Theme.AUTO, **marks: Mark) -> Mapping[str, str]:
    """Return the line of each element by its id."""
    named = {key.replace("_", "-"): mark for key, mark in marks.items()}
    lines = dot_text(Picture(parse(text), named), theme=theme).splitlines()
    return {found[1]: line for line in lines if (found := re.search(r'id="([^"]*)"', line))}


def test_a_node_says_what_it_is_and_has_its_prompt_in_a_tooltip() -> None:
    plan = drawn()["node-plan"]
    assert 'label="agent\\nplan"' in plan
    assert 'class="type-codergen"' in plan
    assert 'tooltip="plan (codergen)\\nThink\\nhard"' in plan


def test_a_goal_gate_is_marked_and_its_retry_target_is_a_dashed_way() -> None:
    lines = drawn()
    assert 'class="type-tool goal-gate"' in lines["node-test"]
    assert 'label="tool · goal gate\\ntest"' in lines["node-test"]
    assert 'peripheries="2"' in lines["node-test"]
    jump = lines["retry-test-plan"]
    assert '"test" -> "plan"' in jump
    assert 'label=" retry "' in jump
    assert 'constraint="false"' in jump
    assert 'style="dashed"' in jump


def test_an_edge_shows_label_and_condition() -> None:
    edge = drawn()["edge-test-plan"]
    assert 'label=" No \\n outcome=fail "' in edge
    assert 'class="conditional"' in edge
    assert 'penwidth="3"' in edge


def test_a_start_that_is_called_so_says_it_once() -> None:
    assert 'label="start"' in drawn()["node-start"]


def test_a_box_has_its_caption_and_its_nodes() -> None:
    text = dot_text(Picture(parse(TEXT)), theme=Theme.LIGHT)
    box = text[text.index("subgraph cluster_0 {") : text.index("    }\n")]
    assert 'id="subgraph-cluster_x";' in box
    assert 'label="Loop";' in box
    assert 'style="dashed,rounded,filled";' in box
    assert BOX_FILL.light in box
    assert '"plan" [' in box
    assert '"start" [' not in box


def test_shapes_that_graphviz_would_read_as_more_are_boxes() -> None:
    assert 'shape="box"' in drawn()["node-table"]


def test_an_authors_colours_hold_but_for_a_mark() -> None:
    assert 'color="#ff0000"' in drawn()["node-plan"]
    mark = Mark("state-failed", FAILED, sign="! ", note="failed · 3s", tooltip="failed: boom")
    plan = drawn(node_plan=mark)["node-plan"]
    assert "#ff0000" not in plan
    assert FAILED.line.light in plan
    assert 'class="type-codergen state-failed"' in plan
    assert 'label="agent\\n! plan\\nfailed · 3s"' in plan
    assert "failed: boom" in plan


@pytest.mark.parametrize("theme", [Theme.LIGHT, Theme.DARK])
def test_a_theme_has_its_colours(theme: Theme) -> None:
    lines = drawn(theme=theme)
    assert f'bgcolor="{PLATE.on(theme)}"' in lines["graph-G"]
    assert f'fillcolor="{AGENT.fill.on(theme)}"' in lines["node-plan"]
    assert f'fontcolor="{INK.on(theme)}"' in lines["node-plan"]


OWN = """digraph G {
    bgcolor=ivory; a [style=filled, fillcolor=pink]; b [fontcolor=navy]; a -> b [fontcolor=navy]
}"""
IVORY, PINK, NAVY = "#fffff0", "#ffc0cb", "#000080"


def test_colours_chosen_for_a_light_sheet_are_left_out_on_a_dark_one() -> None:
    light, dark = drawn(OWN, theme=Theme.AUTO), drawn(OWN, theme=Theme.DARK)
    assert f'bgcolor="{IVORY}"' in light["graph-G"]
    assert IVORY not in dark["graph-G"]
    for lines in (light, dark):
        assert f'fillcolor="{PINK}"' in lines["node-a"]
        assert 'fontcolor="#000000"' in lines["node-a"]
    assert NAVY in light["node-b"]
    assert NAVY in light["edge-a-b"]
    assert NAVY not in dark["node-b"] + dark["edge-a-b"]
    assert 'class="type-codergen own-text"' in light["node-b"]
    assert 'class="type-codergen own-fill"' in light["node-a"]


def test_line_breaks_of_graphviz_are_line_breaks() -> None:
    text = r"""digraph G {
        label="a\lpipeline\r"; a [label="one\ltwo\rC:\\logs\l"]
        subgraph cluster_x { label="of\ltwo"; a -> a [label="so\lso"] }
    }"""
    lines = drawn(text)
    assert r'label="agent\none\ntwo\nC:\\logs"' in lines["node-a"]
    assert r'label=" so \n so "' in lines["edge-a-a"]
    assert r'label="a\npipeline"' in lines["graph-G"]
    assert r'label="of\ntwo"' in dot_text(Picture(parse(text)), theme=Theme.LIGHT)
