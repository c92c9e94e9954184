"""Finds conditions that can never be true."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, NamedTuple

from attractor.language.conditions.condition import (
    ALWAYS,
    CANONICAL_OUTCOMES,
    OUTCOME_KEYS,
    OUTCOMES,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    Truth,
    Unreadable,
    canonical_outcome,
    each_clause,
)
from attractor.language.diagnostics import suggester
from attractor.language.source.text import quote

# Of those that ask for the same key: more would be compared with each alternative.
_MOST_AROUND = 100
_ByKey = Mapping[str, Sequence[Condition]]
_WORDS = (*OUTCOMES, *CANONICAL_OUTCOMES)
_CLAUSE = re.compile(
    r'(?<![\w."])(?P<key>(?:context\.)?outcome)\s*!?=\s*"?(?P<literal>[^\s"&|()!]*)'
)


class Dead(NamedTuple):
    """Why a condition is no use, where, and what to do; `instead` stands for just that place."""

    message: str
    start: int
    end: int
    fix: str
    instead: str = ""


def why_dead(condition: Condition, text: str) -> Sequence[Dead]:
    """Tell what keeps a condition, or one of its alternatives, from ever holding."""
    unknown = [*_unknown_outcomes(condition, text), *_lone_outcomes(condition, text)]
    if unknown:
        return unknown
    reason = _contradiction(_positive(condition, is_negated=False), ())
    start = len(text) - len(text.lstrip())
    return [Dead(reason, start, len(text.rstrip()), "mend it, or take the edge away")] * bool(
        reason
    )


def _unknown_outcomes(condition: Condition, text: str) -> Iterator[Dead]:
    """Yield each word that is compared with an outcome and is none."""
    places = {found["literal"]: found.span("literal") for found in _CLAUSE.finditer(text)}
    suggest = suggester(_WORDS)
    for clause in dict.fromkeys(each_clause(condition)):
        if not isinstance(clause, Comparison) or clause.key not in OUTCOME_KEYS:
            continue
        if canonical_outcome(clause.literal) in OUTCOMES:
            continue
        word, near = clause.literal, suggest(clause.literal)
        message = f"no stage ends with the outcome {quote(word)}"
        fix = near or f"write one of {', '.join(OUTCOMES)}"
        start, end = places.get(word, (0, len(text)))
        # Only the case is wrong: nobody can have meant anything else.
        instead = word.lower() if word in places and word.lower() in _WORDS else ""
        yield Dead(message, start, end, fix, instead)


def _lone_outcomes(condition: Condition, text: str) -> Iterator[Dead]:
    """Yield each word for an outcome that stands by itself, where it is the name of a key."""
    for clause in dict.fromkeys(each_clause(condition)):
        if isinstance(clause, Truth) and clause.key in _WORDS:
            word = clause.key
            start = max(text.find(word), 0)
            message = f"{quote(word)} by itself asks for a value of that name in the context"
            yield Dead(message, start, start + len(word), f"write outcome={word}")


def _positive(condition: Condition, *, is_negated: bool) -> Condition:
    """Return the same condition with `!` before single clauses only."""
    match condition:
        case Not(clause):
            return _positive(clause, is_negated=not is_negated)
        case AllOf(clauses) | AnyOf(clauses):
            inside = tuple(_positive(one, is_negated=is_negated) for one in clauses)
            return (
                AllOf(inside) if isinstance(condition, AllOf) is not is_negated else AnyOf(inside)
            )
        case Comparison(key, literal, is_equal):
            return Comparison(key, literal, is_equal is not is_negated)
        case _:
            return Not(condition) if is_negated else condition


def _contradiction(condition: Condition, around: Sequence[_ByKey]) -> str:
    """Say why a condition cannot hold together with clauses that must hold too."""
    clauses = _flattened(condition)
    by_key = _by_key(one for one in clauses if not isinstance(one, AnyOf))
    if reason := _clash(by_key, around):
        return reason
    for clause in clauses:
        if isinstance(clause, AnyOf):
            reasons = [_contradiction(one, (*around, by_key)) for one in clause.clauses]
            if all(reasons):
                return reasons[0]
    return ""


def _flattened(condition: Condition) -> Sequence[Condition]:
    if not isinstance(condition, AllOf):
        return [condition]
    return [one for clause in condition.clauses for one in _flattened(clause)]


def _by_key(clauses: Iterable[Condition]) -> _ByKey:
    by_key: dict[str, list[Condition]] = {}
    for clause in clauses:
        keys = clause.keys()
        for key in keys:
            by_key.setdefault(key, []).append(clause)
    return by_key


def _clash(by_key: _ByKey, around: Sequence[_ByKey]) -> str:
    """Say which key cannot hold what clauses ask of it, all together.

    What is around them has no clash of its own, so only their keys are looked at.
    """
    for key, own in by_key.items():
        others = (one for level in around for one in level.get(key, ()))
        asked = [*islice(others, _MOST_AROUND), *own]
        wanted = [one.literal for one in asked if isinstance(one, Comparison) and one.is_equal]
        values = OUTCOMES if key in OUTCOME_KEYS else wanted[:1]
        if values and not any(_all_hold(asked, key, value) for value in values):
            return f"this can never hold: no value of {key} is all that it asks for"
    return ""


def _all_hold(clauses: Iterable[Condition], key: str, value: str) -> bool:
    return all(clause.holds({key: value}.__getitem__) for clause in clauses)


ANOTHER = "\N{BLACK SQUARE}"
"""Stands for every value that no condition names."""

Values = Mapping[str, str]
"""What each key holds that conditions ask for."""

_MOST = 500


def assignments(
    conditions: Sequence[Condition], outcomes: Sequence[str]
) -> Sequence[Values] | None:
    """Return all that conditions tell apart, each value once; None where that is not known."""
    values: dict[str, dict[str, None]] = {}
    for clause in _leaves(conditions):
        if not isinstance(clause, Comparison):
            return None
        values.setdefault(clause.key, {})[clause.literal] = None
    tried = [
        tuple(outcomes) if key in OUTCOME_KEYS else (ANOTHER, *known)
        for key, known in values.items()
    ]
    found = list(islice(product(*tried), _MOST + 1))
    if len(found) > _MOST:
        return None
    return [dict(zip(values, row, strict=True)) for row in found]


def could_hold(condition: Condition, outcomes: Sequence[str]) -> bool:
    """Tell whether a condition can hold for one of some outcomes; in doubt it can."""
    found = assignments([condition], outcomes)
    return found is None or any(condition.holds(one.__getitem__) for one in found)


def words_for(values: Values) -> str:
    """Say what keys hold: `outcome is success and context.size is something else`."""
    told = [
        f"{key} is {'something else' if value == ANOTHER else value or 'empty'}"
        for key, value in values.items()
    ]
    return " and ".join(told)


def _leaves(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield the conditions that hold no others."""
    waiting: list[Any] = [one for one in conditions if one is not ALWAYS]
    # What is added while it goes over them is gone over too.
    for condition in waiting:
        inside = getattr(condition, "clauses", None) or getattr(condition, "clause", None)
        if inside is None or isinstance(condition, Unreadable):
            yield condition
        else:
            waiting += inside if isinstance(inside, tuple) else [inside]
