"""What a lint rule is, and where the rules of this room are found."""

from collections.abc import Iterable
from typing import Protocol

from attractor.base.registry import Registry
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph import Graph
from attractor.language.vocabulary import Vocabulary


class LintRule(Protocol):
    """Looks at a graph for one kind of mistake; it has the name of its file."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterable[Diagnostic]:
        """Return what is wrong, in time linear in the size of the graph."""
        ...


def rule_registry() -> Registry[LintRule]:
    """Return the rules by name, none of them imported."""
    return Registry("attractor.language.rules", LintRule, noun="rule")
