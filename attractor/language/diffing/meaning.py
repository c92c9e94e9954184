"""What the text of an attribute means: `90s` is `"90s"`, and `succeeded` is `success`."""

from collections.abc import Callable, Hashable, Mapping

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.language import when_needed
from attractor.language.attributes import AttributeType, KnownAttribute
from attractor.language.condition_operators import AnyOf, Not, read_number
from attractor.language.condition_parser import read_condition
from attractor.language.conditions import (
    OUTCOME_KEYS,
    AllOf,
    Comparison,
    Condition,
    Unreadable,
    canonical_outcome,
)
from attractor.language.resolving import split_classes
from attractor.language.values import parse_integer


def meaning(text: str, known: KnownAttribute | None) -> Hashable:
    """Return what is the same for two texts that mean the same; what cannot be read is a text."""
    read = (_BY_NAME.get(known.name) or _BY_TYPE.get(known.type)) if known else None
    found = read(text) if read else None
    return text if found is None else found


def _duration(text: str) -> Hashable:
    try:
        return parse_duration(text)
    except InvalidDuration:
        return None


def _condition(text: str) -> Hashable:
    condition = read_condition(text)
    return None if isinstance(condition, Unreadable) else _by_one_name(condition)


def _by_one_name(condition: Condition) -> Hashable:
    """Return a condition with our words for outcomes; the order of its clauses means nothing."""
    match condition:
        case Comparison(key, literal, is_equal) if key in OUTCOME_KEYS:
            return Comparison(key, canonical_outcome(literal), is_equal)
        case Not(Comparison(key, literal, is_equal)):
            return _by_one_name(Comparison(key, literal, not is_equal))
        case AllOf(clauses) | AnyOf(clauses):
            return type(condition), frozenset(map(_by_one_name, clauses))
        case Not(clause):
            return Not, _by_one_name(clause)
        case _:
            return condition


def _stylesheet(text: str) -> Hashable:
    sheet, mistakes = when_needed.read_stylesheet(text) if text.strip() else (None, ())
    if sheet is None or mistakes:
        return None
    declared = ({one.property: one.value for one in rule.declarations} for rule in sheet.rules)
    return tuple(
        (rule.kind, rule.name, frozenset(values.items()))
        for rule, values in zip(sheet.rules, declared, strict=True)
    )


_Read = Callable[[str], Hashable]

_BY_NAME: Mapping[str, _Read] = {
    "class": lambda text: frozenset(split_classes(text)),
    "condition": _condition,
    "manager.stop_condition": _condition,
    "model_stylesheet": _stylesheet,
}
_BY_TYPE: Mapping[AttributeType, _Read] = {
    AttributeType.INTEGER: parse_integer,
    AttributeType.NUMBER: read_number,
    AttributeType.DURATION: _duration,
}
