"""What a lint rule is, and where the rules of this room are found."""

from collections.abc import Iterable
from typing import Protocol

from attractor.base.registry import Registry
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph import Graph
from attractor.language.vocabulary import Vocabulary


class LintRule(Protocol):
    """Looks at a graph for one kind of mistake; it has the name of its file."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterable[Diagnostic]:
        """Return what is wrong, in time linear in the size of the graph."""
        ...


class BuiltInRule(LintRule, Protocol):
    """A rule of a file of its own, which says how grave it is to break it."""

    severity: Severity
    """The severity of all that it reports."""


def rule_registry() -> Registry[BuiltInRule]:
    """Return the rules by name, none of them imported."""
    return Registry("attractor.language.rules", BuiltInRule, noun="rule")
