"""Sets the model of nodes from the stylesheet (spec 8.5)."""

from dataclasses import replace
from typing import TYPE_CHECKING

from attractor.language.graph.graph import Graph, Node
from attractor.language.preparation.prepare import TransformContext
from attractor.language.source.syntax_tree import Attribute, Attributes, Value, ValueKind, quoted

if TYPE_CHECKING:
    from attractor.language.declarations.stylesheet import Stylesheet

_PROPERTIES = frozenset({"llm_model", "llm_provider", "reasoning_effort"})


class StylesheetApplication:
    """Applies the `model_stylesheet`, then the model of the graph."""

    order = 20

    def __init__(self, context: TransformContext) -> None:
        pass

    def apply(self, graph: Graph) -> Graph:
        """Return the graph with the model of every node; ignore an invalid stylesheet."""
        defaults = {key: one for key, one in graph.attributes.by_key.items() if key in _PROPERTIES}
        written = graph.attributes.by_key.get("model_stylesheet")
        sheet = _read(written) if written else None
        if not defaults and sheet is None:
            return graph
        nodes = {
            node.id: _styled(node, {**defaults, **_attributes(sheet, node, written)})
            for node in graph.nodes.values()
        }
        return replace(graph, nodes=nodes)


def _read(written: Attribute) -> "Stylesheet | None":
    text = str(written.value)
    # It imports lark, and few pipelines have a stylesheet.
    from attractor.language.declarations.stylesheet import read_stylesheet

    stylesheet, mistakes = read_stylesheet(text) if text.strip() else (None, ())
    # The rule `stylesheet_syntax` reports them.
    return None if mistakes else stylesheet


def _attributes(
    sheet: "Stylesheet | None", node: Node, written: Attribute | None
) -> dict[str, Attribute]:
    if written is None or sheet is None:
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


part = StylesheetApplication
