"""The value of an attribute has the right type.

What it does: reports an invalid integer, number, boolean, duration, moment or context key, a value
that is not one of the allowed words, a number or duration below the minimum, and a command that is
too long for a shell. Quotes make no difference.

Why: a stage with such a value would fail, or run without its limit.

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
from datetime import datetime, time, timedelta

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import (
    Diagnostic,
    Severity,
    error,
    one_slip,
    suggester,
    word_edits,
)
from attractor.language.graph.attribute_catalogue import (
    ATTRIBUTES,
    COMMANDS,
    AttributeType,
    KnownAttribute,
)
from attractor.language.graph.graph import Graph, each_attribute
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.syntax_tree import Value, parse_integer
from attractor.language.source.text import NUMBER, quote

LONGEST_COMMAND = 128 * 1024 - 1
_CHECKED: Mapping[str, KnownAttribute] = {
    name: row
    for name, row in ATTRIBUTES.items()
    if row.choices or row.type is not AttributeType.STRING
}
_TRUTHS = ("true", "false")
_MOMENTS = "2026-01-31T09:30:00Z or a time of day such as 09:30"
_CONTEXT_KEY = late_pattern(r"[^\W\d][\w-]*(?:\.[\w-]+)*")
_MILLISECOND = timedelta(milliseconds=1)


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    yield from _find_invalid_values(graph)
    yield from _find_long_commands(graph)


def _find_invalid_values(graph: Graph) -> Iterator[Diagnostic]:
    seen: dict[tuple[str, str], str] = {}
    for holder, attribute in each_attribute(graph, _CHECKED.keys()):
        row, value = _CHECKED[attribute.key], attribute.value
        # Most values occur many times.
        same = row.name, str(value)
        if same not in seen:
            seen[same] = _shortcoming(row, value) if same[1] else ""
        fix = seen[same] if holder.place in row.places else ""
        if fix:
            words = _TRUTHS if row.type is AttributeType.BOOLEAN else row.choices
            yield error(
                f"invalid {row.name}: {quote(str(value))}",
                value.span,
                node=holder.node,
                edge=holder.edge,
                fix=fix,
                edits=word_edits(value, one_slip(str(value), words)),
            )


def _find_long_commands(graph: Graph) -> Iterator[Diagnostic]:
    for holder, attribute in each_attribute(graph, COMMANDS):
        size = len(str(attribute.value).encode("utf-8", "surrogatepass"))
        if size > LONGEST_COMMAND:
            most = f"the maximum of a shell is {LONGEST_COMMAND}"
            yield error(
                f"{attribute.key} has {size} bytes, and {most}",
                attribute.value.span,
                node=holder.node,
                fix="put it into a script file, and run that",
            )


def _shortcoming(row: KnownAttribute, value: Value) -> str:
    """Return the fix for an invalid value; an empty text if the value is valid."""
    text = str(value)
    if row.choices:
        return "" if text in row.choices else _choice(row, text)
    match row.type:
        case AttributeType.INTEGER | AttributeType.NUMBER:
            return _no_number(row, text)
        case AttributeType.DURATION:
            return _no_duration(row, value)
        case AttributeType.BOOLEAN:
            return "" if text in _TRUTHS else "use true or false"
        case AttributeType.MOMENT:
            return "" if is_moment(text.strip()) else f"use {_MOMENTS}"
        case AttributeType.CONTEXT_KEY:
            return (
                ""
                if _CONTEXT_KEY.fullmatch(text.strip())
                else "write a key without context.: plan.items"
            )
        case AttributeType.STRING:
            return ""


def _no_number(row: KnownAttribute, text: str) -> str:
    if row.type is AttributeType.INTEGER:
        number = parse_integer(text)
        return "use an integer" if number is None else _too_little(row, number, "")
    is_number = NUMBER.fullmatch(text)
    return _too_little(row, float(text), "") if is_number else "use a number"


def _too_little(row: KnownAttribute, number: float, unit: str) -> str:
    if row.minimum is None or number >= row.minimum:
        return ""
    return f"use at least {row.minimum}{unit}"


def _choice(row: KnownAttribute, text: str) -> str:
    *others, last = row.choices
    choice = f"{', '.join(others)} or {last}" if others else last
    return suggester(row.choices)(text) or f"use {choice}, or remove it"


def _no_duration(row: KnownAttribute, value: Value) -> str:
    try:
        time = value.plain if isinstance(value.plain, timedelta) else parse_duration(str(value))
    except InvalidDuration as wrong:
        return wrong.hint or wrong.message
    return _too_little(row, time / _MILLISECOND, "ms")


part = BuiltInRule(Severity.ERROR, _apply)


def is_moment(text: str) -> bool:
    """Return whether a text is a date with or without a time, or a time of day."""
    return _is_read_by(datetime, text) or _is_read_by(time, text)


def _is_read_by(kind: type[datetime] | type[time], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True
