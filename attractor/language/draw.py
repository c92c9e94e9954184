"""Draws a graph: as DOT that Graphviz reads, and as SVG."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

import pydot

from attractor.base.errors import InvalidPart
from attractor.base.registry import Registry
from attractor.language.errors import NothingDraws
from attractor.language.graph import Edge, Graph, Node
from attractor.language.values import Attributes, quoted
from attractor.language.wording import visible

_WIDEST_LABEL = 28
_LONGEST_TOOLTIP = 1000
# Layout and colours; nothing that opens a file or leads to an address.
_PASSED_ON = frozenset(
    [
        *("arrowhead", "arrowtail", "bgcolor", "color", "constraint", "dir", "fillcolor"),
        *("fontcolor", "group", "height", "margin", "nodesep", "ordering", "penwidth"),
        *("peripheries", "rankdir", "ranksep", "splines", "style", "width"),
    ]
)
_FONT = {"fontname": "Helvetica,Arial,sans-serif", "fontsize": "11"}
_BREAK = r"\n"
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


class Drawer(Protocol):
    """A program that makes an SVG of DOT."""

    async def draw(self, dot: str) -> str | None:
        """Return the SVG, or nothing when the program is not there."""
        ...


def drawer_registry() -> Registry[Drawer]:
    """Return the drawers by name, none of them imported."""
    return Registry("attractor.language.drawers", Drawer, noun="drawer")


async def draw(graph: Graph) -> str:
    """Return a graph as SVG, by the first drawer that can; the same graph gives the same SVG."""
    dot = drawing(graph)
    drawers = drawer_registry()
    for name in drawers:
        try:
            svg = await drawers[name].draw(dot)
        except InvalidPart:
            # Its library is not installed.
            svg = None
        if svg is not None:
            return _COMMENT.sub("", svg[svg.index("<svg") :])
    raise NothingDraws()


def drawing(graph: Graph) -> str:
    """Return a graph as DOT to be drawn: its shapes and captions, with ids for others to use."""
    drawn = pydot.Dot("pipeline", graph_type="digraph", **_of_graph(graph))
    for node in graph.nodes.values():
        drawn.add_node(pydot.Node(quoted(node.id), None, **_of_node(node)))
    for edge, id_ in zip(graph.edges, _edge_ids(graph), strict=True):
        ends = quoted(edge.source), quoted(edge.target)
        drawn.add_edge(pydot.Edge(*ends, None, **_of_edge(edge, id_)))
    return drawn.to_string()


def _of_graph(graph: Graph) -> dict[str, str]:
    caption = graph.attributes.text("label") or graph.name
    return {
        "id": quoted(f"graph-{visible(graph.name)}"),
        "label": _label(caption, width=80),
        "tooltip": _tooltip(graph.goal or caption),
        "labelloc": "t",
        **_quoted(_FONT),
        **_passed_on(graph.attributes),
    }


def _of_node(node: Node) -> dict[str, str]:
    return {
        "id": quoted(f"node-{visible(node.id)}"),
        "label": _label(node.label, width=_WIDEST_LABEL),
        "shape": quoted(visible(node.shape)),
        "tooltip": _tooltip(node.prompt or node.label),
        **_quoted(_FONT),
        **_passed_on(node.attributes),
    }


def _of_edge(edge: Edge, id_: str) -> dict[str, str]:
    condition = edge.attributes.text("condition")
    captions = [_label(one, width=_WIDEST_LABEL)[1:-1] for one in (edge.label, condition) if one]
    return {
        "id": quoted(id_),
        "label": f'"{_BREAK.join(captions)}"',
        "tooltip": _tooltip(f"{edge.source} -> {edge.target}"),
        **_quoted(_FONT),
        **_passed_on(edge.attributes),
    }


def _edge_ids(graph: Graph) -> Iterator[str]:
    """Yield `edge-<from>-<to>`, numbered from the second one between the same two nodes."""
    met = Counter[tuple[str, str]]()
    for edge in graph.edges:
        ends = edge.source, edge.target
        met[ends] += 1
        number = f"-{met[ends]}" if met[ends] > 1 else ""
        yield f"edge-{visible(edge.source)}-{visible(edge.target)}{number}"


def _label(text: str, *, width: int) -> str:
    lines = [
        line for one in text.split("\n") for line in textwrap.wrap(visible(one), width) or [""]
    ]
    return quoted("\n".join(lines))


def _tooltip(text: str) -> str:
    return quoted("\n".join(visible(line) for line in text[:_LONGEST_TOOLTIP].split("\n")))


def _passed_on(attributes: Attributes) -> dict[str, str]:
    return _quoted({key: attributes.text(key) for key in _PASSED_ON & attributes.by_key.keys()})


def _quoted(attributes: Mapping[str, str]) -> dict[str, str]:
    return {key: quoted(visible(text)) for key, text in sorted(attributes.items())}
