"""No edge is there twice.

What it does: reports an edge between the same two nodes, with the same attributes, as one before
it.

Why: the second one can never be chosen. Most likely it was to lead somewhere else, or to have
another condition.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> work -> review -> exit
        work -> review
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> work -> review -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Edge, Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class DuplicateEdge:
    """Edges differ."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each edge that another one equals."""
        ends = {(edge.source, edge.target) for edge in graph.edges}
        if len(ends) == len(graph.edges):
            return
        seen: set[tuple[str, str, frozenset[tuple[str, str]]]] = set()
        for edge in graph.edges:
            meaning = (edge.source, edge.target, _meaning(edge))
            if meaning in seen:
                yield Diagnostic(
                    self.severity,
                    f"a second edge from {quote(edge.source)} to {quote(edge.target)} says no more",
                    edge.span,
                    edge=(edge.source, edge.target),
                    fix="take it away, or lead it where it was meant to lead",
                )
            seen.add(meaning)


def _meaning(edge: Edge) -> frozenset[tuple[str, str]]:
    by_key = edge.attributes.by_key
    return frozenset((key, str(one.value)) for key, one in by_key.items() if str(one.value))


part = DuplicateEdge()
