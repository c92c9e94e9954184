import asyncio
import re

import pytest

from attractor.growth.spec.rendering import (
    Card,
    Column,
    DiagramFormat,
    SpecView,
    board,
    render_spec,
)
from tests.growth.seed import farm

SEED_BOARD = """\
flowchart LR
  subgraph Backlog
    B1[Add contract allocator]
    B2[Map policy to cases]
  end
  subgraph In progress
    I1[PHI gate integration]
  end
  subgraph Review
    R1[Impact queue on home]
  end
  subgraph Done
    D1[Weather derate on forecast]
  end
"""


def test_the_board_of_the_seed() -> None:
    cards = [
        Card("Add contract allocator", Column.BACKLOG),
        Card("Map policy to cases", Column.BACKLOG),
        Card("PHI gate integration", Column.IN_PROGRESS),
        Card("Impact queue on home", Column.REVIEW),
        Card("Weather derate on forecast", Column.DONE),
    ]
    assert board(cards).mermaid() == SEED_BOARD


@pytest.mark.parametrize("view", list(SpecView))
def test_each_node_is_drawn_once(view: SpecView) -> None:
    graph = farm()
    texts = {f: asyncio.run(render_spec(graph, view, f)) for f in DiagramFormat}
    assert len(re.findall(r'<g id="node', texts[DiagramFormat.SVG])) == len(graph)
    assert len(re.findall(r"^ +\S+ \[label=", texts[DiagramFormat.DOT], re.M)) == len(graph)
    mermaid = [
        one for one in texts[DiagramFormat.MERMAID].splitlines() if re.search(r"[\])]$", one)
    ]
    assert len(mermaid) == len(graph)
