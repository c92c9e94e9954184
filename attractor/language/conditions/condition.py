"""Conditions on edges as values that evaluate themselves against a context."""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern

Lookup = Callable[[str], str]

OUTCOMES = ("success", "partial_success", "retry", "fail", "skipped")
"""The outcomes of a stage."""

OUTCOME_KEYS = frozenset({"outcome", "context.outcome"})
"""The keys whose values are outcomes."""

CANONICAL_OUTCOMES: Mapping[str, str] = {
    "succeeded": "success",
    "failed": "fail",
    "failure": "fail",
    "partially_succeeded": "partial_success",
}


class Condition(Protocol):
    """A condition of an edge."""

    def holds(self, lookup: Lookup) -> bool:
        """Return whether the condition is true for the values that a function looks up."""
        ...


@dataclass(frozen=True)
class Comparison:
    """A comparison of a key with a literal: `outcome=success`, `outcome!=fail`."""

    key: str
    literal: str
    is_equal: bool = True

    def holds(self, lookup: Lookup) -> bool:
        """Compare exactly; aliases of outcomes count as the outcome."""
        found, wanted = lookup(self.key), self.literal
        if self.key in OUTCOME_KEYS:
            found, wanted = canonical_outcome(found), canonical_outcome(wanted)
        return (found == wanted) is self.is_equal


@dataclass(frozen=True)
class AllOf:
    """Clauses joined by `&&`, evaluated from left to right."""

    clauses: tuple[Condition, ...]

    def holds(self, lookup: Lookup) -> bool:
        """Return whether all clauses are true."""
        return all(clause.holds(lookup) for clause in self.clauses)


ALWAYS = AllOf(())
"""The condition of an edge that has no condition."""


@dataclass(frozen=True)
class Unreadable:
    """An invalid condition: never true, and reported by a rule before the run."""

    fault: str
    fix: str
    start: int
    end: int

    def holds(self, lookup: Lookup) -> bool:
        """Return false."""
        return False


def canonical_outcome(word: str) -> str:
    """Return the outcome that corresponds to a word of another tool."""
    return CANONICAL_OUTCOMES.get(word, word)


def is_core_key(key: str) -> bool:
    """Return whether attractor-spec 10.2 defines a key."""
    return key.startswith("context.") or key in ("outcome", "preferred_label")


def is_plain(condition: Condition) -> bool:
    """Return whether a condition only compares keys of the portable core, each key once.

    Most conditions are plain, and need no further analysis.
    """
    clauses = condition.clauses if isinstance(condition, AllOf) else (condition,)
    seen: set[str] = set()
    for clause in clauses:
        if not isinstance(clause, Comparison) or clause.key in seen or not is_core_key(clause.key):
            return False
        if clause.key in OUTCOME_KEYS and clause.literal not in OUTCOMES:
            return False
        seen.add(clause.key)
    return True


NUMBER = late_pattern(r"-?[0-9]{1,40}(?P<decimal>(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?)")
"""A text that is compared as a number."""

_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_UNTRUE = frozenset({"", "false", "0"})


@dataclass(frozen=True)
class AnyOf:
    """Clauses joined by `||`, evaluated from left to right."""

    clauses: tuple[Condition, ...]

    def holds(self, lookup: Lookup) -> bool:
        """Return whether a clause is true."""
        return any(clause.holds(lookup) for clause in self.clauses)


@dataclass(frozen=True)
class Not:
    """A clause after `!`."""

    clause: Condition

    def holds(self, lookup: Lookup) -> bool:
        """Return whether the clause is false."""
        return not self.clause.holds(lookup)


@dataclass(frozen=True)
class Truth:
    """A condition that consists of a key alone.

    The condition is false if the value of the key is empty, `false` or `0`.
    """

    key: str

    def holds(self, lookup: Lookup) -> bool:
        """Return whether the value is not empty, `false` or `0`."""
        return lookup(self.key) not in _UNTRUE


@dataclass(frozen=True)
class NumberComparison:
    """A comparison of numbers; false if the value of the key is not a number."""

    key: str
    sign: str
    literal: str

    def holds(self, lookup: Lookup) -> bool:
        """Compare as numbers; return false if the value is not a number."""
        found, wanted = read_number(lookup(self.key)), read_number(self.literal)
        return found is not None and wanted is not None and _ORDERS[self.sign](found, wanted)


@dataclass(frozen=True)
class Contains:
    """A text that the value of a key contains, in the same case."""

    key: str
    literal: str

    def holds(self, lookup: Lookup) -> bool:
        """Return whether the value contains the text."""
        return self.literal in lookup(self.key)


@dataclass(frozen=True)
class Matches:
    """A regular expression that matches anywhere in the value of a key."""

    key: str
    pattern: str
    search: Callable[[str], bool] = field(compare=False, repr=False)

    def holds(self, lookup: Lookup) -> bool:
        """Return whether the pattern matches."""
        return self.search(lookup(self.key))


def read_number(text: str) -> float | None:
    """Parse a number; integers are exact."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    return float(text) if found["decimal"] else int(text)


def each_clause(condition: Condition) -> Iterator[Condition]:
    """Yield the clauses of a condition."""
    match condition:
        case AllOf(clauses) | AnyOf(clauses):
            for clause in clauses:
                yield from each_clause(clause)
        case Not(clause):
            yield from each_clause(clause)
        case _:
            yield condition


_Clause = Comparison | Truth | NumberComparison | Contains | Matches


def keys_of(condition: Condition) -> frozenset[str]:
    """Return the keys that a condition reads."""
    return frozenset(clause.key for clause in each_clause(condition) if isinstance(clause, _Clause))
