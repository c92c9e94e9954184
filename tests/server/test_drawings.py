"""Drawings of runs for pages: drawn once for each graph, and marked with states."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.language.drawing.lanes import Bundle
from attractor.language.drawing.run_overlay import NodeState, RunStates, StageState, TakenEdge
from attractor.language.reading import parse
from attractor.server.drawings import PLAIN, GraphDrawing, GraphDrawings, Look, marked as parts_of

GRAPH = """digraph small { start [shape=Mdiamond]; exit [shape=Msquare]
    "a <b>" [prompt="x"]; start -> "a <b>" -> exit }"""
STATES = RunStates(
    {
        "start": NodeState(StageState.DONE, 1),
        "a <b>": NodeState(StageState.FAILED, 3, reason="it broke"),
    },
    {TakenEdge("start", "a <b>"): 1},
    "a <b>",
)


def marked(
    drawing: GraphDrawing,
    states: RunStates,
    *,
    address: Callable[[str], str],
    sign: Callable[[StageState], str],
    selected: str = "",
) -> str:
    """Return the whole SVG of a drawing with the states of a run."""
    parts = parts_of(drawing, states, address=address, sign=sign, selected=selected)
    return "".join(one if isinstance(one, str) else one.whole for one in parts)


def test_graph_is_drawn_once_for_all_runs_and_servers(tmp_path: Path) -> None:
    drawings, folder = GraphDrawings(tmp_path / "kept"), tmp_path / "kept"
    first = drawings.of([GRAPH.encode()], lambda: parse(GRAPH))
    assert drawings.of([GRAPH.encode()], lambda: parse("unreadable")) is first
    [file] = folder.iterdir()
    file.write_text(file.read_text().replace(">small<", ">kept<"))
    again = GraphDrawings(folder).of([GRAPH.encode()], lambda: parse(GRAPH))
    assert ">kept<" in marked(again, STATES, address=str, sign=str)
    assert len(list(folder.iterdir())) == 1
    drawings.of([GRAPH.encode(), b"another goal"], lambda: parse(GRAPH))
    assert len(list(folder.iterdir())) == 2


def test_nodes_are_links_with_state_and_sign(tmp_path: Path) -> None:
    drawing = GraphDrawings(tmp_path).of([GRAPH.encode()], lambda: parse(GRAPH))
    assert not drawing.is_wide
    svg = marked(
        drawing,
        STATES,
        address=lambda node: f"/stages/{node}",
        sign=lambda state: f"<path d='{state.name}'/>",
        selected="start",
    )
    assert "<style" not in svg
    failed = svg[svg.index('data-node="a &lt;b&gt;"') :]
    assert failed.startswith(
        'data-node="a &lt;b&gt;" aria-label="a &lt;b&gt;: failed · next · 3 visits"'
    )
    assert 'href="/stages/a &lt;b&gt;"' in svg
    assert "state-failed current" in failed
    assert "<path d='FAILED'/>" in failed
    assert "×3" in failed
    assert 'data-node="start" aria-current="true"' in svg
    assert svg.count("state-taken") == 1
    assert "<path d='UNREACHED'/>" not in svg


def test_graph_without_a_drawer_has_the_reason_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings = GraphDrawings(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        patch.setitem(sys.modules, "attractor.language.drawers.wasi", None)
        drawing = drawings.of([GRAPH.encode()], lambda: parse(GRAPH))
    assert "install Graphviz" in drawing.fault
    assert not drawing.is_wide
    assert marked(drawing, STATES, address=str, sign=str) == ""
    assert not drawings.of([GRAPH.encode()], lambda: parse(GRAPH)).fault


def test_branch_is_drawn_beside_its_bundle_and_put_back(tmp_path: Path) -> None:
    branches = "; ".join(f"fork -> b{number} -> join" for number in range(10))
    graph = parse(
        "digraph many { start [shape=Mdiamond]; exit [shape=Msquare]; fork [shape=component]"
        f" join [shape=tripleoctagon]; start -> fork; {branches}; join -> exit }}"
    )

    def draw(look: Look) -> GraphDrawing:
        return GraphDrawings(tmp_path).of([], lambda: graph, look)

    def inside(drawing: GraphDrawing) -> list[int]:
        return [len(one.lanes) for one in drawing.folded if isinstance(one, Bundle)]

    plain = draw(PLAIN)
    # Names that the graph does not have make no other drawing.
    assert draw(Look(open=("b0", "odd"), out=("odd",))).look == PLAIN
    assert len(list(tmp_path.glob("*.svg"))) == 1
    [bundle] = plain.bundles
    beside = draw(plain.with_branch(bundle.lanes[3]))
    assert (inside(plain), inside(beside)) == ([10], [9])
    assert draw(beside.with_branch(bundle.lanes[3])).look.query == ""
    # If all are drawn, only the one that is put back is folded again.
    whole = draw(Look(out=("fork",)))
    assert inside(whole) == []
    back = whole.with_branch(bundle.lanes[3]).out
    assert sorted(back) == [f"b{number}" for number in range(10) if number != 3]
