"""Draws a graph for callers that wait; within an event loop use `draw.render`."""

import asyncio

from attractor.language.draw import Format, Theme
from attractor.language.draw import render as draw_format
from attractor.language.graph import Graph


def render(
    graph: Graph, *, format: Format | str = Format.SVG, theme: Theme | str = Theme.AUTO
) -> bytes:
    """Return a graph drawn in a format: svg, png, pdf, dot or mermaid."""
    return asyncio.run(draw_format(graph, format=Format(format), theme=Theme(theme)))
