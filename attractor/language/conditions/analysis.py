"""Finds conditions that can never be true."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice, product

from attractor.base.patterns import late_pattern
from attractor.language.conditions.condition import (
    CANONICAL_OUTCOMES,
    OUTCOME_KEYS,
    OUTCOMES,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    Truth,
    canonical_outcome,
    each_clause,
    keys_of,
)
from attractor.language.diagnostics import Mistake, suggester
from attractor.language.source.text import quote

# A bound on clauses with the same key, which are all compared with each other.
_MOST_AROUND = 100
_ByKey = Mapping[str, Sequence[Condition]]
_WORDS = (*OUTCOMES, *CANONICAL_OUTCOMES)
_CLAUSE = late_pattern(
    r'(?<![\w."])(?P<key>(?:context\.)?outcome)\s*!?=\s*"?(?P<literal>[^\s"&|()!]*)'
)


def find_dead_parts(condition: Condition, text: str) -> Sequence[Mistake]:
    """Return the reasons why a condition, or one of its alternatives, is never true."""
    unknown = [*_unknown_outcomes(condition, text), *_lone_outcomes(condition, text)]
    if unknown:
        return unknown
    reason = _contradiction(_positive(condition, is_negated=False), ())
    start = len(text) - len(text.lstrip())
    return [Mistake(reason, start, len(text.rstrip()), "correct it, or remove the edge")] * bool(
        reason
    )


def _unknown_outcomes(condition: Condition, text: str) -> Iterator[Mistake]:
    """Yield each unknown outcome."""
    places = {found["literal"]: found.span("literal") for found in _CLAUSE.finditer(text)}
    suggest = suggester(_WORDS)
    for clause in dict.fromkeys(each_clause(condition)):
        if not isinstance(clause, Comparison) or clause.key not in OUTCOME_KEYS:
            continue
        if canonical_outcome(clause.literal) in OUTCOMES:
            continue
        word, near = clause.literal, suggest(clause.literal)
        message = f"unknown outcome {quote(word)}"
        fix = near or f"use one of {', '.join(OUTCOMES)}"
        start, end = places.get(word, (0, len(text)))
        # Only the case is wrong: the intention is clear.
        instead = word.lower() if word in places and word.lower() in _WORDS else ""
        yield Mistake(message, start, end, fix, instead=instead)


def _lone_outcomes(condition: Condition, text: str) -> Iterator[Mistake]:
    """Yield each outcome that is written without `outcome=`.

    The parser reads such an outcome as a context key.
    """
    for clause in dict.fromkeys(each_clause(condition)):
        if isinstance(clause, Truth) and clause.key in _WORDS:
            word = clause.key
            start = max(text.find(word), 0)
            message = f"{quote(word)} without outcome= is a context key"
            yield Mistake(message, start, start + len(word), f"write outcome={word}")


def _positive(condition: Condition, *, is_negated: bool) -> Condition:
    """Return an equivalent condition with `!` only before single clauses."""
    match condition:
        case Not(clause):
            return _positive(clause, is_negated=not is_negated)
        case AllOf(clauses) | AnyOf(clauses):
            inside = tuple(_positive(clause, is_negated=is_negated) for clause in clauses)
            return (
                AllOf(inside) if isinstance(condition, AllOf) is not is_negated else AnyOf(inside)
            )
        case Comparison(key, literal, is_equal):
            return Comparison(key, literal, is_equal is not is_negated)
        case _:
            return Not(condition) if is_negated else condition


def _contradiction(condition: Condition, around: Sequence[_ByKey]) -> str:
    """Return why a condition contradicts itself, or contradicts the clauses in `around`."""
    clauses = _flattened(condition)
    by_key: dict[str, list[Condition]] = {}
    for clause in clauses:
        for key in () if isinstance(clause, AnyOf) else keys_of(clause):
            by_key.setdefault(key, []).append(clause)
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


def _clash(by_key: _ByKey, around: Sequence[_ByKey]) -> str:
    """Return the reason why clauses with the same key contradict each other, or an empty text.

    The clauses in `around` do not contradict each other, so only the keys of `by_key` are checked.
    """
    for key, own in by_key.items():
        others = (clause for level in around for clause in level.get(key, ()))
        asked = [*islice(others, _MOST_AROUND), *own]
        wanted = [one.literal for one in asked if isinstance(one, Comparison) and one.is_equal]
        values = OUTCOMES if key in OUTCOME_KEYS else wanted[:1]
        for value in values:
            if all(clause.holds({key: value}.__getitem__) for clause in asked):
                break
        else:
            if values:
                return f"never true: the clauses with {key} contradict each other"
    return ""


ANOTHER = "\N{BLACK SQUARE}"
"""Stands for any value that no condition contains."""

Values = Mapping[str, str]
"""The value of each key."""

_MOST = 500


def assignments(
    conditions: Sequence[Condition], outcomes: Sequence[str]
) -> Sequence[Values] | None:
    """Return all combinations of values that conditions distinguish; None if there are too many."""
    values: dict[str, dict[str, None]] = {}
    for clause in chain.from_iterable(map(each_clause, conditions)):
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
    """Return whether a condition can be true for any of the outcomes."""
    found = assignments([condition], outcomes)
    return found is None or any(condition.holds(one.__getitem__) for one in found)


def words_for(values: Values) -> str:
    """Return values as text, such as `outcome is success and context.size is something else`."""
    clauses = [
        f"{key} is {'something else' if value == ANOTHER else value or 'empty'}"
        for key, value in values.items()
    ]
    return " and ".join(clauses)
