"""Every node can be reached from the start.

What it does: follows every edge from the start, and every `retry_target` and
`fallback_retry_target`, and reports the nodes it never comes to.

Why: an orphan is never executed. Nearly always the edge to it was forgotten, or leads to a mistyped
id.

Example:

    digraph Example {
        start  [shape=Mdiamond]
        work   [prompt="Work"]
        review [prompt="Review"]
        exit   [shape=Msquare]
        start -> work -> exit
        review -> exit
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
from attractor.language.graph.graph import Graph, Node
from attractor.language.graph.paths import failure_targets, reached_from, targets_and_jumps
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.text import quote


class Reachability:
    """There is no orphan."""

    severity = Severity.ERROR

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each node that no way leads to."""
        if not graph.starts:
            return
        begin = [*(node.id for node in graph.starts), *failure_targets(graph.attributes)]
        reached = reached_from(begin, targets_and_jumps(graph))
        for id_, node in graph.nodes.items():
            if id_ not in reached and not _is_mistyped_source(graph, node):
                message = f"{quote(node.id)} is an orphan: unreachable from the start"
                fix = "draw an edge to it, or take it away"
                yield Diagnostic(self.severity, message, node.span, node=node.id, fix=fix)


def _is_mistyped_source(graph: Graph, node: Node) -> bool:
    """Another rule, `edge_target_exists`, says better what is wrong with it."""
    return not node.is_declared and not graph.incoming(node.id)


part = Reachability()
