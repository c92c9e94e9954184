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
from attractor.language.diagnostics import Diagnostic, Edit, Severity
from attractor.language.graph import Graph
from attractor.language.holders import each_attribute
from attractor.language.patterns import NUMBER
from attractor.language.slips import one_slip
from attractor.language.values import Value, parse_integer, quoted
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote

_CHECKED: Mapping[str, KnownAttribute] = {
    name: row
    for name, row in ATTRIBUTES.items()
    if row.choices or row.type is not AttributeType.STRING
}
_TRUTHS = ("true", "false")


class AttributeValue:
    """Values are of their type."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each value that is not; an empty text is as good as none."""
        for holder, attribute in each_attribute(graph, _CHECKED.keys()):
            row, value = _CHECKED[attribute.key], attribute.value
            fix = _shortcoming(row, value) if holder.place in row.places and str(value) else ""
            if fix:
                yield Diagnostic(
                    self.severity,
                    f"{quote(str(value))} is no value for {row.name}",
                    value.span,
                    node=holder.node,
                    edge=holder.edge,
                    fix=fix,
                    edits=_edits(row, value),
                )


def _shortcoming(row: KnownAttribute, value: Value) -> str:
    """Return what the value should be; an empty text when it is that."""
    text = str(value)
    if row.choices:
        return "" if text in row.choices else f"write {' or '.join(row.choices)}"
    match row.type:
        case AttributeType.INTEGER:
            return "" if parse_integer(text) is not None else "write a whole number"
        case AttributeType.NUMBER:
            return "" if _is_number(text) else "write a number"
        case AttributeType.BOOLEAN:
            return "" if text in _TRUTHS else "write true or false"
        case AttributeType.DURATION:
            return "" if isinstance(value.plain, timedelta) else _no_duration(text)
        case AttributeType.STRING:
            return ""


def _is_number(text: str) -> bool:
    found = NUMBER.fullmatch(text)
    return found is not None and not text.startswith("-")


def _no_duration(text: str) -> str:
    try:
        parse_duration(text)
    except InvalidDuration as wrong:
        return wrong.hint or wrong.message
    return ""


def _edits(row: KnownAttribute, value: Value) -> tuple[Edit, ...]:
    words = _TRUTHS if row.type is AttributeType.BOOLEAN else row.choices
    meant = one_slip(str(value), words)
    return (Edit(value.span, quoted(meant)),) if meant else ()


part = AttributeValue()
