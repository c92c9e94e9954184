"""Conditions on edges as values that evaluate themselves against a context."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import Protocol

from attractor.base.dataclasses import dataclass

Lookup = Callable[[str], str]

OUTCOMES = ("success", "partial_success", "retry", "fail", "skipped")
"""The words for how a stage can end."""

OUTCOME_KEYS = frozenset({"outcome", "context.outcome"})
"""The keys whose values are such words."""

CANONICAL_OUTCOMES: Mapping[str, str] = {
    "succeeded": "success",
    "failed": "fail",
    "failure": "fail",
    "partially_succeeded": "partial_success",
}


class Condition(Protocol):
    """A guard that holds or not."""

    def holds(self, lookup: Lookup) -> bool:
        """Tell whether it holds for the values that a function looks up."""
        ...

    def keys(self) -> frozenset[str]:
        """Return every key it asks for."""
        ...


@dataclass(frozen=True)
class Always:
    """The guard of an edge without one."""

    def holds(self, lookup: Lookup) -> bool:
        """Hold, whatever the values are."""
        return True

    def keys(self) -> frozenset[str]:
        """Ask for nothing."""
        return frozenset()


ALWAYS = Always()


@dataclass(frozen=True)
class Comparison:
    """A key whose value is a literal, or is not: `outcome=success`, `outcome!=fail`."""

    key: str
    literal: str
    is_equal: bool = True

    def holds(self, lookup: Lookup) -> bool:
        """Compare exactly, letter by letter; words for outcomes by what they mean."""
        found, wanted = lookup(self.key), self.literal
        if self.key in OUTCOME_KEYS:
            found, wanted = canonical_outcome(found), canonical_outcome(wanted)
        return (found == wanted) is self.is_equal

    def keys(self) -> frozenset[str]:
        """Ask for the one key."""
        return frozenset({self.key})


@dataclass(frozen=True)
class AllOf:
    """Clauses of which every one must hold, asked from left to right."""

    clauses: tuple[Condition, ...]

    def holds(self, lookup: Lookup) -> bool:
        """Hold when every clause does."""
        return all(clause.holds(lookup) for clause in self.clauses)

    def keys(self) -> frozenset[str]:
        """Ask for what the clauses ask for."""
        return frozenset[str]().union(*(clause.keys() for clause in self.clauses))


@dataclass(frozen=True)
class Unreadable:
    """A guard with a mistake: it never holds, and a rule reports it before anything runs."""

    fault: str
    fix: str
    start: int
    end: int

    def holds(self, lookup: Lookup) -> bool:
        """Do not hold, whatever the values are."""
        return False

    def keys(self) -> frozenset[str]:
        """Ask for nothing."""
        return frozenset()


def canonical_outcome(word: str) -> str:
    """Return the specification's word for an outcome that goes by another name."""
    return CANONICAL_OUTCOMES.get(word, word)


def is_core_key(key: str) -> bool:
    """Tell whether a key is one of those that attractor-spec 10.2 has."""
    return key.startswith("context.") or key in ("outcome", "preferred_label")


def is_plain(condition: Condition) -> bool:
    """Tell whether a condition compares keys of the core, each once, and nothing else.

    Most do, and then there is nothing to be said of them but how their outcomes are written.
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


NUMBER = re.compile(r"-?[0-9]{1,40}(?P<decimal>(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?)")
"""What compares as a number."""

_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_UNTRUE = frozenset({"", "false", "0"})


@dataclass(frozen=True)
class AnyOf:
    """Clauses of which one must hold, asked from left to right."""

    clauses: tuple[Condition, ...]

    def holds(self, lookup: Lookup) -> bool:
        """Hold when a clause does."""
        return any(clause.holds(lookup) for clause in self.clauses)

    def keys(self) -> frozenset[str]:
        """Ask for what the clauses ask for."""
        return frozenset[str]().union(*(clause.keys() for clause in self.clauses))


@dataclass(frozen=True)
class Not:
    """A clause that must not hold."""

    clause: Condition

    def holds(self, lookup: Lookup) -> bool:
        """Hold when the clause does not."""
        return not self.clause.holds(lookup)

    def keys(self) -> frozenset[str]:
        """Ask for what the clause asks for."""
        return self.clause.keys()


@dataclass(frozen=True)
class Truth:
    """A key by itself: it holds unless the key holds nothing, `false` or `0`."""

    key: str

    def holds(self, lookup: Lookup) -> bool:
        """Hold when there is something that is neither `false` nor `0`."""
        return lookup(self.key) not in _UNTRUE

    def keys(self) -> frozenset[str]:
        """Ask for the one key."""
        return frozenset({self.key})


@dataclass(frozen=True)
class NumberComparison:
    """A number that is smaller or greater than another; what is no number is neither."""

    key: str
    sign: str
    literal: str

    def holds(self, lookup: Lookup) -> bool:
        """Compare as numbers; do not hold when there is none."""
        found, wanted = read_number(lookup(self.key)), read_number(self.literal)
        return found is not None and wanted is not None and _ORDERS[self.sign](found, wanted)

    def keys(self) -> frozenset[str]:
        """Ask for the one key."""
        return frozenset({self.key})


@dataclass(frozen=True)
class Contains:
    """A text within the value of a key, letter by letter."""

    key: str
    literal: str

    def holds(self, lookup: Lookup) -> bool:
        """Hold when the text is in the value."""
        return self.literal in lookup(self.key)

    def keys(self) -> frozenset[str]:
        """Ask for the one key."""
        return frozenset({self.key})


@dataclass(frozen=True)
class Matches:
    """A pattern that fits somewhere in the value of a key; `search` is what tells."""

    key: str
    pattern: str
    search: Callable[[str], bool] = field(compare=False, repr=False)

    def holds(self, lookup: Lookup) -> bool:
        """Hold when the pattern fits somewhere."""
        return self.search(lookup(self.key))

    def keys(self) -> frozenset[str]:
        """Ask for the one key."""
        return frozenset({self.key})


def read_number(text: str) -> float | None:
    """Read what compares as a number; whole ones are exact, however many digits they have."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    return float(text) if found["decimal"] else int(text)


def each_clause(condition: Condition) -> Iterator[Condition]:
    """Yield what a condition is made of, without what joins it."""
    match condition:
        case AllOf(clauses) | AnyOf(clauses):
            for clause in clauses:
                yield from each_clause(clause)
        case Not(clause):
            yield from each_clause(clause)
        case _:
            yield condition
