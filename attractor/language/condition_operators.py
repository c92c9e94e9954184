"""What a condition may be made of beyond the portable core (ruling L6)."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.language.conditions import AllOf, Condition, Lookup

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
class Order:
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
