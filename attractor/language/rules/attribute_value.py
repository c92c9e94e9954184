"""The value of an attribute is of its type.

What it does: reports a value that is no whole number, no boolean, no duration or none of the words
that its attribute takes. Quoted or not makes no difference.

Why: a stage with such a value would fail when it is reached, or run without its limit.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_retries="twice"]
        exit  [shape=Msquare]
        start -> work -> exit
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work", max_retries=2]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.language.attributes import ATTRIBUTES, AttributeType, KnownAttribute
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph import Graph
from attractor.language.holders import each_attribute
from attractor.language.values import Value, parse_integer
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote

_CHECKED: Mapping[str, KnownAttribute] = {
    name: row
    for name, row in ATTRIBUTES.items()
    if row.choices or row.type is not AttributeType.STRING
}


class AttributeValue:
    """Values are of their type."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each value that is not; an empty text is as good as none."""
        for holder, attribute in each_attribute(graph):
            row = _CHECKED.get(attribute.key)
            if row is None or holder.place not in row.places or not str(attribute.value):
                continue
            fix = _shortcoming(row, attribute.value)
            if fix:
                message = f"{quote(str(attribute.value))} is no value for {row.name}"
                span = attribute.value.span
                yield error(message, span, node=holder.node, edge=holder.edge, fix=fix)


def _shortcoming(row: KnownAttribute, value: Value) -> str:
    """Return what the value should be; an empty text when it is that."""
    text = str(value)
    if row.choices:
        return "" if text in row.choices else f"write {' or '.join(row.choices)}"
    match row.type:
        case AttributeType.INTEGER:
            return "" if parse_integer(text) is not None else "write a whole number"
        case AttributeType.BOOLEAN:
            return "" if text in ("true", "false") else "write true or false"
        case AttributeType.DURATION:
            return "" if isinstance(value.plain, timedelta) else _no_duration(text)
        case AttributeType.STRING:
            return ""


def _no_duration(text: str) -> str:
    try:
        parse_duration(text)
    except InvalidDuration as wrong:
        return wrong.hint or wrong.message
    return ""


part = AttributeValue()
