"""Gives nodes the model that the stylesheet chooses, where they choose none (spec 8.5)."""

from dataclasses import replace

from attractor.language.errors import InvalidStylesheet
from attractor.language.graph import Graph, Node
from attractor.language.stylesheet import PROPERTIES, Stylesheet, parse_stylesheet
from attractor.language.values import Attribute, Attributes, Value, ValueKind, quoted

_EMPTY = Stylesheet(())


class StylesheetApplication:
    """Applies the `model_stylesheet`, and what the graph itself says behind it."""

    order = 20

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with every node's model resolved; a broken stylesheet says nothing."""
        there = {key: one for key, one in graph.attributes.by_key.items() if key in PROPERTIES}
        written = graph.attributes.by_key.get("model_stylesheet")
        sheet = _read(written) if written else _EMPTY
        if not there and not sheet.rules:
            return graph
        nodes = {
            node.id: _styled(node, {**there, **_attributes(sheet, node, written)})
            for node in graph.nodes.values()
        }
        return replace(graph, nodes=nodes)


def _read(written: Attribute) -> Stylesheet:
    try:
        return parse_stylesheet(str(written.value))
    except InvalidStylesheet:
        # The rule `stylesheet_syntax` reports it.
        return _EMPTY


def _attributes(sheet: Stylesheet, node: Node, written: Attribute | None) -> dict[str, Attribute]:
    if written is None:
        return {}
    return {
        key: Attribute(
            key, Value(ValueKind.STRING, text, quoted(text), written.value.span), written.span
        )
        for key, text in sheet.properties(node).items()
    }


def _styled(node: Node, chosen: dict[str, Attribute]) -> Node:
    missing = {key: one for key, one in chosen.items() if not node.attributes.text(key)}
    if not missing:
        return node
    return replace(node, attributes=Attributes({**node.attributes.by_key, **missing}))


part = StylesheetApplication()
