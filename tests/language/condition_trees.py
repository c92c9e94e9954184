"""Generates conditions of every kind, and evaluates them in the simplest way."""

import re
from collections.abc import Mapping

from hypothesis import strategies as st

from attractor.language.conditions.condition import (
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
    keys_of,
)
from attractor.language.conditions.grammar import compile_pattern

KEYS = ["outcome", "context.outcome", "preferred_label", "context.n", "context.a.b", "flag"]
WORDS = ["success", "failed", "fail", "x", "3", "-12", "true", "a.b:c-d"]
NUMBERS = ["0", "3", "-12", "2.5", "0.001", "100000000000000000000001"]
PATTERNS = ["^a", "b+$", "[0-9]{2,3}", "(?i)x|y", r"a\.b", "", '"q"']


def _matches(key: str, pattern: str) -> Matches:
    return Matches(key, pattern, compile_pattern(pattern))


_KEY = st.sampled_from(KEYS)
_LITERAL = st.sampled_from(WORDS) | st.text(max_size=8)
_CLAUSES = st.one_of(
    st.builds(Comparison, _KEY, _LITERAL, st.booleans()),
    st.builds(Truth, _KEY),
    st.builds(
        NumberComparison, _KEY, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(NUMBERS)
    ),
    st.builds(Contains, _KEY, _LITERAL),
    st.builds(_matches, _KEY, st.sampled_from(PATTERNS)),
)


def _joined(inside: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inside, min_size=2, max_size=3).map(tuple)
    # Two `!` in a row are dropped.
    once = inside.filter(lambda one: not isinstance(one, Not))
    return st.builds(AllOf, several) | st.builds(AnyOf, several) | st.builds(Not, once)


conditions: st.SearchStrategy[Condition] = st.recursive(_CLAUSES, _joined, max_leaves=8)
values = st.dictionaries(
    _KEY,
    st.sampled_from([*WORDS, *NUMBERS, "", "false", "abbb", "12 x", "1e3", "1E-400"])
    | st.text(max_size=5),
)


def naively(condition: Condition, held: Mapping[str, str]) -> bool:
    """Evaluate a condition as its page says, without any shortcut."""
    match condition:
        case AllOf(clauses):
            return min(naively(clause, held) for clause in clauses)
        case AnyOf(clauses):
            return max(naively(clause, held) for clause in clauses)
        case Not(clause):
            return naively(clause, held) is False
        case _:
            (key,) = keys_of(condition)
            return _clause_holds(condition, held.get(key, ""))


def _clause_holds(clause: Condition, found: str) -> bool:
    match clause:
        case Comparison(key, literal, is_equal):
            if key.endswith("outcome"):
                found, literal = canonical_outcome(found), canonical_outcome(literal)
            return (found == literal) == is_equal
        case Truth():
            return not (found == "" or found == "false" or found == "0")
        case NumberComparison(_, sign, literal):
            return _is_number(found) and _ordered(_number(found), sign, _number(literal))
        case Contains(_, literal):
            return found.find(literal) >= 0
        case Matches(_, pattern):
            return re.search(pattern, found, re.DOTALL) is not None
        case _:
            return False


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", text) is not None


def _number(text: str) -> float:
    return int(text) if text.removeprefix("-").isdecimal() else float(text)


def _ordered(one: float, sign: str, other: float) -> bool:
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign]
