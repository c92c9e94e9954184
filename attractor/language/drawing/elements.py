"""The subgraphs that are drawn as boxes around nodes, and the nodes right in each.

Says how each element of a picture is drawn, in the attributes of Graphviz.
"""

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.language.drawing import style as author
from attractor.language.drawing.colors import JUMP, WAY, Theme, look_of
from attractor.language.drawing.picture import (
    NODE_COLUMNS,
    TITLE_COLUMNS,
    Jump,
    Picture,
    as_class,
    clean,
    edge_lines,
    ems_of,
    encoded,
    label_of,
    node_element,
    node_lines,
    title_of,
    wrapped,
)
from attractor.language.drawing.style import Coloring
from attractor.language.graph.graph import Edge, Graph, Node, Subgraph
from attractor.language.source.syntax_tree import Attributes

_CLUSTER = "cluster"
# Drawers call themselves for each level, and nobody sees more of them.
_DEEPEST = 40
_RANKS = frozenset({"same", "min", "source", "max", "sink"})


@dataclass
class Box:
    """A cluster; the outermost one is the sheet itself and has no subgraph.

    `ranks` are nodes of the box that a subgraph without a box puts side by side, by its rank.
    """

    subgraph: Subgraph | None = None
    element: str = ""
    depth: int = 0
    nodes: list[str] = field(default_factory=list[str])
    inner: list["Box"] = field(default_factory=list["Box"])
    ranks: list[tuple[str, list[str]]] = field(default_factory=list[tuple[str, list[str]]])


def sheet(graph: Graph) -> Box:
    """Return the boxes of a graph; a node stands in the innermost one that names it first."""
    outermost = Box()
    boxes = _boxes(graph, outermost)
    home: dict[str, Box] = {}
    pairs = list(zip(boxes, graph.subgraphs, strict=True))
    for box, subgraph in sorted(pairs, key=lambda pair: -pair[0].depth):
        for id_ in subgraph.nodes:
            home.setdefault(id_, box)
    for id_ in graph.nodes:
        home.get(id_, outermost).nodes.append(id_)
    for box, subgraph in pairs:
        rank = subgraph.attributes.text("rank")
        if rank in _RANKS:
            together = (id_ for id_ in subgraph.nodes if home[id_] is box and id_ in graph.nodes)
            box.ranks.append((rank, list(together)))
    return outermost


def _boxes(graph: Graph, outermost: Box) -> list[Box]:
    """Return the box that each subgraph's nodes stand in: its own, or the one around it."""
    boxes: list[Box] = []
    met: dict[str, int] = {}
    for subgraph in graph.subgraphs:
        box = boxes[subgraph.parent] if subgraph.parent >= 0 else outermost
        if subgraph.id.startswith(_CLUSTER) and box.depth < _DEEPEST:
            box.inner.append(Box(subgraph, _element(subgraph.id, met), box.depth + 1))
            box = box.inner[-1]
        boxes.append(box)
    return boxes


def in_order(outermost: Box) -> Iterator[tuple[Box, bool]]:
    """Yield every box when it begins, and once more when it ends; the sheet is not among them."""
    waiting = [iter(outermost.inner)]
    around: list[Box] = []
    while waiting:
        box = next(waiting[-1], None)
        if box is not None:
            yield box, True
            around.append(box)
            waiting.append(iter(box.inner))
            continue
        waiting.pop()
        if around:
            yield around.pop(), False


def _element(id_: str, met: dict[str, int]) -> str:
    """Return `subgraph-<id>`, numbered from the second one of that id."""
    met[id_] = met.get(id_, 0) + 1
    return f"subgraph-{encoded(id_)}" + (f"-{met[id_]}" if met[id_] > 1 else "")


FONT = "Helvetica,Arial,sans-serif"
FONT_SIZE = 11
_NONE = Attributes()
# Graphviz reads their labels as tables, or their names as files.
_NO_SHAPES = frozenset({"record", "Mrecord", "epsf", "custom"})
# Their sides slope: Graphviz leaves room around the text already, up to as much as it takes.
_ROOMY = frozenset(
    [
        *("diamond", "Mdiamond", "parallelogram", "hexagon", "ellipse", "oval", "egg"),
        *("octagon", "doubleoctagon", "tripleoctagon", "circle", "doublecircle"),
    ]
)

Drawn = Mapping[str, str]


@dataclass(frozen=True)
class Elements:
    """The attributes of a picture's elements, in the colours of a theme."""

    picture: Picture
    theme: Theme

    def sheet(self) -> Drawn:
        """Return those of the whole drawing."""
        graph = self.picture.graph
        title = wrapped(title_of(graph), TITLE_COLUMNS)
        colors = self._coloring.sheet()
        return {
            "id": f"graph-{encoded(graph.name)}",
            "class": _classes("pipeline", self._coloring.class_of(colors)),
            "label": "\n".join([*title, *wrapped(self.picture.caption, TITLE_COLUMNS)]),
            "labelloc": "t",
            "fontname": FONT,
            "fontsize": str(FONT_SIZE + 2),
            "pad": "0.2",
            **author.layout_of(graph.attributes),
            **colors,
        }

    def box(self, box: Box) -> Drawn:
        """Return those of a cluster."""
        attributes = box.subgraph.attributes if box.subgraph else Attributes()
        colors = self._coloring.box(attributes)
        return {
            "id": box.element,
            "class": self._coloring.class_of(colors),
            "label": "\n".join(wrapped(label_of(attributes), NODE_COLUMNS)),
            "fontname": FONT,
            "fontsize": str(FONT_SIZE),
            **author.layout_of(attributes),
            **colors,
        }

    def node(self, node: Node) -> Drawn:
        """Return those of a node; a mark has its own colours."""
        mark = self.picture.marks.get(node_element(node.id))
        lines = node_lines(self.picture, node)
        shape = "box" if node.shape in _NO_SHAPES else clean(node.shape)
        look = mark.look if mark else look_of(node.type)
        colors = self._coloring.node(_NONE if mark else node.attributes, look, shape)
        names = (f"type-{as_class(node.type)}", node.is_goal_gate and "goal-gate")
        return {
            "id": node_element(node.id),
            "class": _classes(*names, self._coloring.class_of(colors), mark and mark.name),
            "label": "\n".join(lines),
            "shape": shape,
            "margin": _room(lines, shape),
            "peripheries": "2" if node.is_goal_gate else "",
            **author.layout_of(node.attributes),
            **colors,
        }

    def edge(self, edge: Edge, element: str) -> Drawn:
        """Return those of an edge."""
        mark = self.picture.marks.get(element)
        look = mark.look if mark else WAY
        colors = self._coloring.edge(_NONE if mark else edge.attributes, look)
        names = (edge.is_conditional and "conditional", self._coloring.class_of(colors))
        return {
            "id": element,
            "class": _classes(*names, mark and mark.name),
            "label": _beside(*edge_lines(edge, sign=mark.sign if mark else "")),
            **author.layout_of(edge.attributes),
            **colors,
        }

    def jump(self, jump: Jump) -> Drawn:
        """Return those of a way that no edge stands for; it must not pull the nodes about."""
        mark = self.picture.marks.get(jump.element)
        return {
            "id": jump.element,
            "class": _classes("retry", mark and mark.name),
            "label": _beside(jump.caption),
            "constraint": "false",
            **self._coloring.edge(_NONE, mark.look if mark else JUMP),
        }

    @cached_property
    def _coloring(self) -> Coloring:
        return Coloring(self.picture.graph, self.theme)


def _classes(*names: str | bool | None) -> str:
    return " ".join(name for name in names if isinstance(name, str) and name)


def _beside(*lines: str) -> str:
    """Return the label of an edge, with a blank on each side that keeps it off the line."""
    return "\n".join(f" {line} " for line in lines)


def _room(lines: list[str], shape: str) -> str:
    """Return margins that leave room for letters wider than those Graphviz reckons with."""
    widest = max(map(ems_of, lines)) * FONT_SIZE
    if shape in _ROOMY:
        return f"{0.03 * widest / 72:.2f},0.01"
    return f"{(6 + 0.11 * widest) / 72:.2f},0.08"
