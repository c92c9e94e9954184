"""Finds the colours that nobody knows: a drawing leaves them out."""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.drawing.colors import color_names, unknown_in
from attractor.language.graph import Graph
from attractor.language.holders import each_attribute
from attractor.language.nearest import suggester
from attractor.language.values import Attribute
from attractor.language.wording import quote

RULE = "color_known"
"""By what name they are told."""

COLORS = frozenset({"bgcolor", "color", "fillcolor", "fontcolor"})
"""The attributes that hold colours."""


def unknown_colors(graph: Graph, severity: Severity = Severity.WARNING) -> Iterator[Diagnostic]:
    """Yield every colour that is none; one in a default block comes once."""
    near = suggester(color_names())
    for node, attribute in _attributes(graph):
        unknown = unknown_in(str(attribute.value))
        if unknown:
            yield Diagnostic(
                severity,
                f"{quote(unknown)} is no colour: it is left out of drawings",
                attribute.value.span,
                node=node,
                fix=near(unknown.casefold()) or "write a name that Graphviz knows, or #rrggbb",
            )


def _attributes(graph: Graph) -> Iterator[tuple[str, Attribute]]:
    for holder, attribute in each_attribute(graph, COLORS):
        yield holder.node, attribute
    for subgraph in graph.subgraphs:
        by_key = subgraph.attributes.by_key
        yield from (("", by_key[key]) for key in COLORS & by_key.keys())
