"""The value of an attribute is of its type.

What it does: reports a value that is no whole number, no boolean, no duration or none of the words
that its attribute takes, and a number or a duration below the least that makes sense. Quoted or not
makes no difference.

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
from attractor.language.nearest import suggester
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
_MILLISECOND = timedelta(milliseconds=1)


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
        return "" if text in row.choices else _choice(row, text)
    match row.type:
        case AttributeType.INTEGER:
            number = parse_integer(text)
            return "write a whole number" if number is None else _too_little(row, number, "")
        case AttributeType.NUMBER:
            is_number = NUMBER.fullmatch(text)
            return _too_little(row, float(text), "") if is_number else "write a number"
        case AttributeType.BOOLEAN:
            return "" if text in _TRUTHS else "write true or false"
        case AttributeType.DURATION:
            return _no_duration(row, value)
        case AttributeType.STRING:
            return ""


def _choice(row: KnownAttribute, text: str) -> str:
    *others, last = row.choices
    choice = f"{', '.join(others)} or {last}" if others else last
    return suggester(row.choices)(text) or f"write {choice}, or take it away"


def _too_little(row: KnownAttribute, number: float, unit: str) -> str:
    if row.minimum is None or number >= row.minimum:
        return ""
    return f"write at least {row.minimum}{unit}"


def _no_duration(row: KnownAttribute, value: Value) -> str:
    try:
        time = value.plain if isinstance(value.plain, timedelta) else parse_duration(str(value))
    except InvalidDuration as wrong:
        return wrong.hint or wrong.message
    return _too_little(row, time / _MILLISECOND, "ms")


def _edits(row: KnownAttribute, value: Value) -> tuple[Edit, ...]:
    words = _TRUTHS if row.type is AttributeType.BOOLEAN else row.choices
    meant = one_slip(str(value), words)
    return (Edit(value.span, quoted(meant)),) if meant else ()


part = AttributeValue()
