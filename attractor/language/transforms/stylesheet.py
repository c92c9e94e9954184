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
        nodes: dict[str, Node] = {}
        for node in graph.nodes.values():
            chosen = dict(defaults)
            if sheet and written:
                for key, text in sheet.properties(node).items():
                    value = Value(ValueKind.STRING, text, quoted(text), written.value.span)
                    chosen[key] = Attribute(key, value, written.span)
            missing = {key: one for key, one in chosen.items() if not node.attributes.text(key)}
            attributes = Attributes({**node.attributes.by_key, **missing})
            nodes[node.id] = replace(node, attributes=attributes) if missing else node
        return replace(graph, nodes=nodes)


def _read(written: Attribute) -> "Stylesheet | None":
    text = str(written.value)
    # It imports lark, and few pipelines have a stylesheet.
    from attractor.language.declarations.stylesheet import read_stylesheet

    stylesheet, mistakes = read_stylesheet(text) if text.strip() else (None, ())
    # The rule `stylesheet_syntax` reports them.
    return None if mistakes else stylesheet


part = StylesheetApplication
