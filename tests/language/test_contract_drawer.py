"""Contract of drawers."""

import asyncio
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from attractor.language.diagnostics import DrawingFailed
from attractor.language.drawing.draw import Drawer, dot_text, drawer_registry
from attractor.language.drawing.picture import encoded, node_element
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.reading import parse
from tests.counts import count
from tests.language.pipelines import HUMAN_GATE
from tests.needs import require
from tests.patience import PATIENCE_S

DRAWERS = dict(drawer_registry())
DOT = dot_text(parse(HUMAN_GATE))
ODD = dot_text(Graph("größe", {"é 🐍": Node("é 🐍")}, (Edge("é 🐍", "é 🐍"),)))
LIMIT = timedelta(seconds=50)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=list(DRAWERS))
def drawer(request: pytest.FixtureRequest) -> Drawer:
    if request.param == "dot":
        require("graphviz")
    return DRAWERS[request.param]


def draw(drawer: Drawer, *dots: str) -> list[str]:
    """Draw several texts at the same time."""

    async def work() -> list[bytes | None]:
        drawing = (drawer.draw(dot, format="svg", time_limit=LIMIT) for dot in dots)
        return await asyncio.wait_for(asyncio.gather(*drawing), PATIENCE_S)

    drawn = [one.decode() for one in asyncio.run(work()) if one is not None]
    assert len(drawn) == len(dots)
    return drawn


def ids(svg: str) -> set[str]:
    root = ElementTree.fromstring(svg[svg.index("<svg") :])
    assert root.tag == f"{SVG}svg"
    return {group.get("id", "") for group in root.iter(f"{SVG}g")}


def test_each_drawing_is_an_svg_of_its_own_dot(drawer: Drawer) -> None:
    gate, odd = draw(drawer, DOT, ODD)
    assert {"node-review_gate", "edge-start-review_gate"} <= ids(gate)
    assert {node_element("é 🐍"), f"edge-{encoded('é 🐍')}-{encoded('é 🐍')}"} <= ids(odd)


def test_invalid_dot_is_rejected(drawer: Drawer) -> None:
    # Each drawing starts a process.
    for broken in ("digraph { a -> }", "no dot", "digraph {", "{}")[: count(ci=1, full=4)]:
        with pytest.raises(DrawingFailed):
            draw(drawer, broken)


def test_cancelled_drawing_does_not_prevent_the_next(drawer: Drawer) -> None:
    async def give_up() -> None:
        task = asyncio.create_task(drawer.draw(DOT, format="svg", time_limit=LIMIT))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    [empty] = draw(drawer, "digraph {}")
    assert len(ids(empty)) == 1
