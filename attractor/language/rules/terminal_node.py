"""A pipeline has exactly one exit node.

What it does: asks for one node of shape `Msquare`; only when there is none, for one with the id
`exit`, `Exit`, `end` or `End`.

Why: reaching the exit is what success means. Without it no run can succeed, and with two nobody
knows which one counts.

Example:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        start -> work
    }

Instead:

    digraph Example {
        start [shape=Mdiamond]
        work  [prompt="Work"]
        exit  [shape=Msquare]
        start -> work -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.rules.start_node import missing_end
from attractor.language.source.text import quote


class TerminalNode:
    """There is one exit node."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report that it is missing, or each one too many."""
        if not graph.exits:
            yield missing_end(graph, "exit")
        for node in graph.exits[1:]:
            message = f"{quote(node.id)} is a second exit node: {quote(graph.exits[0].id)} is one"
            yield Diagnostic(
                self.severity, message, node.span, node=node.id, fix="lead all ways to one exit"
            )


part = TerminalNode()
