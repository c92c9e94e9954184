"""Ids differ by more than capital letters.

What it does: reports a node whose id equals another one's but for capital letters.

Why: a stage writes into a folder with its node's id, and some file systems take `Plan` and `plan`
for the same. People do too.

Example:

    digraph Example {
        start [shape=Mdiamond]
        plan  [prompt="Plan"]
        Plan  [prompt="Plan again"]
        exit  [shape=Msquare]
        start -> plan -> Plan -> exit
    }

Instead:

    digraph Example {
        start  [shape=Mdiamond]
        plan   [prompt="Plan"]
        replan [prompt="Plan again"]
        exit   [shape=Msquare]
        start -> plan -> replan -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class DistinctIds:
    """Ids do not differ by case alone."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each id after the first that is equal but for case."""
        if len({id_.casefold() for id_ in graph.nodes}) == len(graph.nodes):
            return
        first: dict[str, str] = {}
        for node in graph.nodes.values():
            other = first.setdefault(node.id.casefold(), node.id)
            if other != node.id:
                message = f"the ids {quote(other)} and {quote(node.id)} are equal but for case"
                yield Diagnostic(
                    self.severity, message, node.span, node=node.id, fix="rename one of the two"
                )


part = DistinctIds()
