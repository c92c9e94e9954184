"""The guard of an edge: parsed once, evaluated with a function that looks a key up.

Evaluation knows nothing of the engine. A lookup returns what a key holds as text, an empty text
when it holds nothing; the aliases of outcome words are compared as their canonical form.
"""

from collections.abc import Callable, Mapping
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
