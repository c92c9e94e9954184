"""An edge exists once.

What it does: reports an edge between the same nodes and with the same attributes as an earlier
edge.

Why: the second edge is never taken. Probably it should have another target or another condition.

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

from attractor.language.diagnostics import Diagnostic, Severity, warning
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import BuiltInRule, Vocabulary
from attractor.language.source.text import quote


def _apply(graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
    ends = {(edge.source, edge.target) for edge in graph.edges}
    if len(ends) == len(graph.edges):
        return
    seen: set[tuple[str, str, frozenset[tuple[str, str]]]] = set()
    for edge in graph.edges:
        texts = ((key, str(one.value)) for key, one in edge.attributes.by_key.items())
        meaning = (edge.source, edge.target, frozenset(pair for pair in texts if pair[1]))
        if meaning in seen:
            yield warning(
                f"duplicate edge from {quote(edge.source)} to {quote(edge.target)}",
                edge.span,
                edge=(edge.source, edge.target),
                fix="remove this edge, or change its target or its condition",
            )
        seen.add(meaning)


part = BuiltInRule(Severity.WARNING, _apply)
