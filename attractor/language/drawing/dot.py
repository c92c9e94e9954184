"""Writes a picture as the DOT text that Graphviz draws."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from attractor.base.dataclasses import dataclass
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
from attractor.language.drawing.theme import EDGE, JUMP, Theme, style_of_type
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes, quoted
from attractor.language.source.text import margin

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
    return "\n".join([*_DotText(picture, theme, tooltips=tooltips).lines(), ""])


class _DotText:
    """Writes the DOT text of a picture, without recursion for nested boxes."""

    def __init__(self, picture: Picture, theme: Theme, *, tooltips: bool) -> None:
        self._graph = picture.graph
        self._elements = _Elements(picture, theme)
        self._tooltips = dict(_all_tooltips(picture)) if tooltips else {}

    def lines(self) -> Iterator[str]:
        """Yield the lines."""
        yield f"digraph {quoted(clean(self._graph.name) or 'pipeline')} {{"
        for kind, size in (("node", FONT_SIZE), ("edge", FONT_SIZE - 1)):
            yield f"{margin(1)}{kind} {_list({'fontname': FONT, 'fontsize': str(size)})};"
        outermost = nest_boxes(self._graph)
        yield from self._contents(outermost)
        for number, (box, begins) in enumerate(walk_boxes(outermost)):
            yield from self._box_start(box, number) if begins else (margin(box.depth) + "}",)
        yield from self._edges()
        # At the end: graph attributes before a subgraph would apply to it too.
        yield f"{margin(1)}graph {self._list(self._elements.sheet())};"
        yield "}"

    def _box_start(self, box: Box, number: int) -> Iterator[str]:
        yield f"{margin(box.depth)}subgraph cluster_{number} {{"
        for key, text in self._elements.box(box).items():
            yield f"{margin(box.depth + 1)}{key}={quoted(text)};"
        yield from self._contents(box)

    def _contents(self, box: Box) -> Iterator[str]:
        start = margin(box.depth + 1)
        for id_ in box.nodes:
            yield f"{start}{quoted(id_)} {self._list(self._elements.node(self._graph.nodes[id_]))};"
        for rank, nodes in box.ranks:
            yield f"{start}{{ rank={rank}; {'; '.join(map(quoted, nodes))} }}"

    def _edges(self) -> Iterator[str]:
        edges = self._graph.edges
        for edge, element in zip(edges, edge_elements(edges), strict=True):
            attributes = self._list(self._elements.edge(edge, element))
            yield f"{margin(1)}{_ends(edge.source, edge.target)} {attributes};"
        for jump in jumps(self._graph):
            attributes = self._list(self._elements.jump(jump))
            yield f"{margin(1)}{_ends(jump.source, jump.target)} {attributes};"

    def _list(self, attributes: DotAttributes) -> str:
        return _list({**attributes, "tooltip": self._tooltips.get(attributes["id"], "")})


def _all_tooltips(picture: Picture) -> Iterator[tuple[str, str]]:
    graph = picture.graph
    yield f"graph-{encoded(graph.name)}", tooltip(graph.goal or title_of(graph))
    yield from tooltips_of(picture)


def _ends(source: str, target: str) -> str:
    return f"{quoted(source)} -> {quoted(target)}"


def _list(attributes: DotAttributes) -> str:
    pairs = (f"{key}={quoted(text)}" for key, text in attributes.items() if text)
    return f"[{', '.join(pairs)}]"


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
        """Return the attributes of a node; the colours of an annotation override its author's."""
        mark = self.picture.marks.get(node_element(node.id))
        lines = node_lines(self.picture, node)
        shape = "box" if node.shape in _NO_SHAPES else clean(node.shape)
        style = mark.style if mark else style_of_type(node.type)
        colors = self._coloring.node(_NONE if mark else node.attributes, style, shape)
        names = (f"type-{as_class(node.type)}", node.is_goal_gate and "goal-gate")
        return {
            "id": node_element(node.id),
            "class": _classes(*names, mark and mark.name),
            "label": "\n".join(lines),
            "shape": shape,
            "margin": _room(lines, shape),
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
    """Return the label of an edge, with a blank on each side that separates it from the line."""
    return "\n".join(f" {line} " for line in lines)


def _room(lines: list[str], shape: str) -> str:
    """Return margins that leave room for letters wider than Graphviz assumes."""
    widest = max(map(ems_of, lines)) * FONT_SIZE
    if shape in _ROOMY:
        return f"{0.03 * widest / 72:.2f},0.01"
    return f"{(6 + 0.11 * widest) / 72:.2f},0.08"
