"""Describes the rule, attribute, value or node at a position, in Markdown."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from attractor.language.diagnostics import Diagnostic
from attractor.language.editor.occurrences import named_at, occurrences
from attractor.language.editor.value_meanings import meaning_of
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    KnownAttribute,
)
from attractor.language.graph.graph import Graph, Node
from attractor.language.parsing.tokens import Findings, scan
from attractor.language.source.syntax_tree import Span, Value
from attractor.language.source.text import Source


def describe_attribute(row: KnownAttribute) -> str:
    """Describe an attribute in Markdown."""
    lines = [row.sentence]
    if row.choices:
        lines.append("One of " + ", ".join(f"`{one}`" for one in row.choices) + ".")
    lines.append(f"Stands on {' and '.join(row.places)}; of type {row.type}.")
    if row.default:
        lines.append(f"By default: {row.default}.")
    return "\n\n".join(lines)


_LONGEST = 600


class Hover(NamedTuple):
    """A Markdown text and the span that it describes."""

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
    """Describe the rule of a diagnostic, the attribute, its value or the node at a position."""
    place = line, column
    for one in diagnostics:
        if _contains(one.span, place) and page(one.rule):
            return Hover(f"**{one.rule}**\n\n{page(one.rule)}", one.span)
    return _attribute(source, place) or _node(source, place, graph)


def _attribute(source: Source, place: tuple[int, int]) -> Hover | None:
    for token in scan(Findings(source)):
        for attribute in token.attributes:
            row = ATTRIBUTES.get(attribute.key)
            if row and _contains(attribute.span, place):
                return Hover(f"**{row.name}**\n\n{describe_attribute(row)}", attribute.span)
            if row and _contains(attribute.value.span, place):
                return _value(row, attribute.value)
    return None


def _value(row: KnownAttribute, value: Value) -> Hover | None:
    """Describe a value, unless it is free text."""
    meaning = meaning_of(row.alias_of or row.name, str(value))
    if not meaning:
        return None
    return Hover(f"**{value}** ({row.name})\n\n{meaning}", value.span)


def _node(source: Source, place: tuple[int, int], graph: Graph | None) -> Hover | None:
    named = named_at(occurrences(source), *place)
    node = graph.nodes.get(named.id) if graph and named else None
    return Hover(_describe_node(node), named.span) if named and node else None


def _describe_node(node: Node) -> str:
    lines: Iterable[str] = [f"**{node.id}** ({node.type})", node.label, node.prompt[:_LONGEST]]
    return "\n\n".join(dict.fromkeys(one for one in lines if one))


def _contains(span: Span, place: tuple[int, int]) -> bool:
    return (span.line, span.column) <= place <= (span.end_line, span.end_column)
