"""Says what stands under the cursor, in Markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from attractor.language.attributes import ATTRIBUTES, KnownAttribute
from attractor.language.diagnostics import Diagnostic
from attractor.language.editing.completion import described
from attractor.language.editing.meanings import meaning_of
from attractor.language.editing.names import named_at, occurrences
from attractor.language.findings import Findings
from attractor.language.graph import Graph, Node
from attractor.language.sources import Source
from attractor.language.spans import Span
from attractor.language.tokens import scan
from attractor.language.values import Value

_LONGEST = 600


class Hover(NamedTuple):
    """What is to be said, and of what part of the text."""

    text: str
    span: Span


def hover(
    source: Source,
    line: int,
    column: int,
    *,
    graph: Graph | None = None,
    diagnostics: Sequence[Diagnostic] = (),
    page: Callable[[str], str] = lambda rule: "",
) -> Hover | None:
    """Return the page of the rule that speaks there, of the attribute or its value, or the node."""
    place = line, column
    for one in diagnostics:
        if _holds(one.span, place) and page(one.rule):
            return Hover(f"**{one.rule}**\n\n{page(one.rule)}", one.span)
    return _attribute(source, place) or _node(source, place, graph)


def _attribute(source: Source, place: tuple[int, int]) -> Hover | None:
    for token in scan(Findings(source)):
        for attribute in token.attributes:
            row = ATTRIBUTES.get(attribute.key)
            if row and _holds(attribute.span, place):
                return Hover(f"**{row.name}**\n\n{described(row)}", attribute.span)
            if row and _holds(attribute.value.span, place):
                return _value(row, attribute.value)
    return None


def _value(row: KnownAttribute, value: Value) -> Hover | None:
    """Say what a value means, unless its words are the author's own."""
    meaning = meaning_of(row.alias_of or row.name, str(value))
    if not meaning:
        return None
    return Hover(f"**{value}** ({row.name})\n\n{meaning}", value.span)


def _node(source: Source, place: tuple[int, int], graph: Graph | None) -> Hover | None:
    named = named_at(occurrences(source), *place)
    node = graph.nodes.get(named.id) if graph and named else None
    return Hover(_told(node), named.span) if named and node else None


def _told(node: Node) -> str:
    lines: Iterable[str] = [f"**{node.id}** ({node.type})", node.label, node.prompt[:_LONGEST]]
    return "\n\n".join(dict.fromkeys(one for one in lines if one))


def _holds(span: Span, place: tuple[int, int]) -> bool:
    return (span.line, span.column) <= place <= (span.end_line, span.end_column)
