"""Renames attributes of other tools (ruling L7)."""

from collections.abc import Mapping
from dataclasses import replace

from attractor.language.diagnostics import PORTABILITY, Edit, info
from attractor.language.graph.attribute_catalogue import ATTRIBUTES, AttributeOwner
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import TransformContext
from attractor.language.source.syntax_tree import Attribute, Attributes
from attractor.language.source.text import quote

_OURS: Mapping[AttributeOwner, Mapping[str, str]] = {
    place: {
        row.name: row.alias_of
        for row in ATTRIBUTES.values()
        if row.alias_of and place in row.places
    }
    for place in (AttributeOwner.GRAPH, AttributeOwner.NODE)
}


class Aliases:
    """Renames `script`, `model`, `provider` and `default_max_retry`, and reports each renaming."""

    order = 5

    def __init__(self, context: TransformContext) -> None:
        self._context = context
        self._renamed: dict[int, Attribute] = {}

    def apply(self, graph: Graph) -> Graph:
        """Return the graph without aliases."""
        attributes = self._resolved(graph.attributes, AttributeOwner.GRAPH, "")
        keys = sorted(_OURS[AttributeOwner.NODE].keys() & graph.node_keys)
        aliased = {node.id: node for key in keys for node in graph.nodes_with(key)}
        if not aliased and attributes is graph.attributes:
            return graph
        nodes = {
            node.id: replace(
                node, attributes=self._resolved(node.attributes, AttributeOwner.NODE, node.id)
            )
            for node in aliased.values()
        }
        return replace(graph, attributes=attributes, nodes={**graph.nodes, **nodes})

    def _resolved(self, attributes: Attributes, place: AttributeOwner, node: str) -> Attributes:
        """Return the attributes without aliases.

        If two attributes have the same name, the later attribute wins.
        """
        ours, by_key = _OURS[place], attributes.by_key
        if ours.keys().isdisjoint(by_key):
            return attributes
        named: dict[str, Attribute] = {}
        for key, attribute in by_key.items():
            if key in ours:
                attribute = self._rename(attribute, ours[key], node, ours[key] in by_key)
            named[attribute.key] = attribute
        return Attributes(named)

    def _rename(self, attribute: Attribute, name: str, node: str, is_double: bool) -> Attribute:
        """Return a renamed attribute; nodes that share the attribute share the renamed one."""
        known = self._renamed.get(id(attribute))
        if known is None:
            known = self._renamed[id(attribute)] = replace(attribute, key=name)
            span = attribute.span
            also = f", and {name} is set too" if is_double else ""
            diagnostic = info(
                f"{quote(attribute.key)} is an alias of {name}{also}",
                span,
                node=node,
                fix=f"remove it: {name} is set" if is_double else f"use {name}",
                edits=(Edit(span, name),) if span.is_somewhere and not is_double else (),
            )
            self._context.report(diagnostic, rule=PORTABILITY)
        return known


part = Aliases
