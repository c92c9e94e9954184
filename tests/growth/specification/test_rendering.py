import asyncio

from attractor.growth.specification.rendering import DiagramFormat, SpecView, render_spec
from tests.growth.seed import farm


def test_long_words_are_wrapped_and_shortened() -> None:
    graph = farm(('"web"', f'"{"word " * 40}"'))
    dot = asyncio.run(render_spec(graph, SpecView.MINDMAP, DiagramFormat.DOT))
    line = "word " * 6 + "word"
    assert f'[label="{line}\\n' in dot
    mermaid = asyncio.run(render_spec(graph, SpecView.MINDMAP, DiagramFormat.MERMAID))
    assert f"{'word ' * 23}word…" in mermaid
    assert "word " * 25 not in mermaid
