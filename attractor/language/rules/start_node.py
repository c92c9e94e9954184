"""A pipeline has exactly one start node.

What it does: asks for one node of shape `Mdiamond`; only when there is none, for one with the id
`start` or `Start`.

Why: the walk begins there. With none it cannot begin, with two nobody knows where.

Example:

    digraph Example {
        work [prompt="Work"]
        exit [shape=Msquare]
        work -> exit
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
from attractor.language.graph.paths import missing_end
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class StartNode:
    """There is one start node."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report that it is missing, or each one too many."""
        if not graph.starts:
            yield missing_end(graph, "start")
        for node in graph.starts[1:]:
            message = f"{quote(node.id)} is a second start node: {quote(graph.starts[0].id)} is one"
            yield Diagnostic(
                self.severity,
                message,
                node.span,
                node=node.id,
                fix="keep one and give the other a box",
            )


part = StartNode()
