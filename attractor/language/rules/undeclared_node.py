"""Every node is declared on a line of its own.

What it does: reports a node that only edges name. It comes into being, with the defaults of the
place where an edge first names it.

Why: its stage has nothing but its id for a prompt, and the next one who renames it has no line to
find it by.

Example:

    digraph Example {
        start [shape=Mdiamond]
        exit  [shape=Msquare]
        start -> ship_it -> exit
    }

Instead:

    digraph Example {
        start   [shape=Mdiamond]
        ship_it [prompt="Merge and tag the release"]
        exit    [shape=Msquare]
        start -> ship_it -> exit
    }
"""

from collections.abc import Iterator

from attractor.language.diagnostics import Diagnostic, Severity, suggester
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class UndeclaredNode:
    """Nodes have lines."""

    severity = Severity.WARNING

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each node on the way that only edges name."""
        nodes = graph.nodes.values()
        undeclared = [node for node in nodes if not node.is_declared]
        suggest = suggester(node.id for node in nodes if undeclared and node.is_declared)
        for node in undeclared:
            if graph.incoming(node.id) and graph.outgoing(node.id):
                message = f"the node {quote(node.id)} is named by edges but declared nowhere"
                fix = suggest(node.id) or f'declare it: {node.id} [prompt="..."]'
                yield Diagnostic(self.severity, message, node.span, node=node.id, fix=fix)


part = UndeclaredNode()
