"""Writes conditions as text, and rewrites extensions as portable conditions."""

import re
from collections.abc import Sequence

from attractor.language.conditions.condition import (
    CANONICAL_OUTCOMES,
    OUTCOME_KEYS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Contains,
    Matches,
    Not,
    NumberComparison,
    Truth,
    canonical_outcome,
    each_clause,
    is_core_key,
    keys_of,
)
from attractor.language.diagnostics import Mistake
from attractor.language.source.syntax_tree import quoted
from attractor.language.source.text import TEXT, quote

_UNQUOTED = re.compile(r"-?[0-9]+|[A-Za-z_][A-Za-z0-9_.:-]*")
_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_SIGN = re.compile(r"\|\||!(?!=)|\(|[<>]=?|(?<=\s)(?:contains|matches)\b")
_UNTRUE = ("", "false", "0")


def write_condition(condition: Condition) -> str:
    """Return a condition as text."""
    match condition:
        case AllOf(clauses):
            return " && ".join(_within(clause, AllOf, AnyOf) for clause in clauses)
        case AnyOf(clauses):
            return " || ".join(_within(clause, AnyOf) for clause in clauses)
        case Not(clause):
            return f"!{_within(clause, AllOf, AnyOf)}"
        case _:
            return _written_clause(condition)


def find_extension(condition: Condition, text: str) -> Mistake | None:
    """Return the first extension in a condition, or None; `instead` is a portable condition."""
    keys = keys_of(condition)
    has_other_keys = not all(map(is_core_key, keys))
    outside_texts = TEXT.sub(lambda found: "_" * len(found[0]), text)
    sign = _SIGN.search(outside_texts)
    if sign:
        what, start, end = quote(sign[0]), *sign.span()
    else:
        found = (_beyond(clause) for clause in each_clause(condition))
        what, word = next((one for one in found if one[0]), ("", ""))
        start = max(text.find(word), 0)
        end = start + len(word)
    if not what:
        return None
    fix, instead = _instead(condition, has_other_keys)
    message = f"not portable: {what} is an extension"
    return Mistake(message, start, end, fix, instead=instead)


def portable_form(condition: Condition) -> Condition | None:
    """Return a portable condition with the same meaning, or None."""
    clauses = _conjunction(condition, is_negated=False)
    if clauses is None:
        return None
    return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))


def _beyond(clause: Condition) -> tuple[str, str]:
    """Return the extension in a clause without extension operators, and the word of the
    extension.
    """
    match clause:
        case Comparison(key) | Truth(key) if not is_core_key(key):
            return f"the key {quote(key)}", key
        case Comparison(key, literal) if key in OUTCOME_KEYS and literal in CANONICAL_OUTCOMES:
            return f"the outcome {quote(literal)}", literal
        case Truth(key):
            return "a key by itself", key
        case _:
            return "", ""


def _instead(condition: Condition, has_other_keys: bool) -> tuple[str, str]:
    form = portable_form(condition)
    if form:
        written = write_condition(form)
        # The key may be set both as `x` and as `context.x`: the intention is unclear.
        return f"write {written}", "" if has_other_keys else written
    alternatives = condition.clauses if isinstance(condition, AnyOf) else ()
    forms = [portable_form(one) for one in alternatives]
    if forms and all(forms):
        several = ", ".join(write_condition(one) for one in forms if one)
        return f"use several edges, one for each condition: {several}", ""
    return "store the result in the context in a stage, and compare it with =", ""


def _conjunction(condition: Condition, *, is_negated: bool) -> Sequence[Condition] | None:
    """Return comparisons that are equivalent when joined by `&&`, or None."""
    match condition:
        case Comparison(key, literal, is_equal):
            if key in OUTCOME_KEYS:
                literal = canonical_outcome(literal)
            return [Comparison(_core_key(key), literal, is_equal is not is_negated)]
        case Truth(key) if not is_negated:
            return [Comparison(_core_key(key), one, is_equal=False) for one in _UNTRUE]
        case Not(clause):
            return _conjunction(clause, is_negated=not is_negated)
        case AllOf(clauses) if not is_negated:
            return _joined(clauses, is_negated=False)
        case AnyOf(clauses) if is_negated:
            return _joined(clauses, is_negated=True)
        case _:
            return None


def _joined(clauses: Sequence[Condition], *, is_negated: bool) -> Sequence[Condition] | None:
    joined: list[Condition] = []
    for clause in clauses:
        more = _conjunction(clause, is_negated=is_negated)
        if more is None:
            return None
        joined += more
    return joined


def _written_clause(clause: Condition) -> str:
    match clause:
        case Comparison(key, literal, is_equal):
            return f"{key}{'=' if is_equal else '!='}{_literal(literal)}"
        case NumberComparison(key, sign, literal):
            is_plain = _DECIMAL.fullmatch(literal) is not None
            return f"{key} {sign} {literal if is_plain else quoted(literal)}"
        case Contains(key, literal):
            return f"{key} contains {_literal(literal)}"
        case Matches(key, pattern):
            return f"{key} matches {_literal(pattern)}"
        case Truth(key):
            return key
        case _:
            return ""


def _core_key(key: str) -> str:
    return key if is_core_key(key) else f"context.{key}"


def _literal(literal: str) -> str:
    return literal if _UNQUOTED.fullmatch(literal) else quoted(literal)


def _within(condition: Condition, *kinds: type) -> str:
    text = write_condition(condition)
    return f"({text})" if isinstance(condition, kinds) else text
