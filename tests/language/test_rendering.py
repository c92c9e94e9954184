"""The door that draws a graph for callers that wait."""

import pytest

from attractor.language import parse, render
from tests.language.pipelines import BRANCH


@pytest.mark.parametrize(
    ("format", "beginning"), [("svg", b"<svg"), ("dot", b"digraph"), ("mermaid", b"flowchart")]
)
def test_a_graph_is_drawn_in_the_format_that_is_asked_for(format: str, beginning: bytes) -> None:
    drawn = render(parse(BRANCH), format=format)
    assert beginning in drawn[:200]
    assert b"Tests passing?" in drawn


def test_a_format_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="gif"):
        render(parse(BRANCH), format="gif")
