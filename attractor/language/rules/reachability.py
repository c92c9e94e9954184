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

from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph import Graph, Node
from attractor.language.values import Attributes
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote


class Reachability:
    """There is no orphan."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        """Report each node that no way leads to."""
        if not graph.starts:
            return
        reached = _reached(graph)
        for node in graph.nodes.values():
            if node.id not in reached and not _is_mistyped_source(graph, node):
                message = f"{quote(node.id)} is an orphan: unreachable from the start"
                fix = "draw an edge to it, or take it away"
                yield error(message, node.span, node=node.id, fix=fix)


def _reached(graph: Graph) -> set[str]:
    waiting = [node.id for node in graph.starts] + _failure_targets(graph.attributes)
    reached: set[str] = set()
    while waiting:
        node = graph.nodes.get(waiting.pop())
        if node is not None and node.id not in reached:
            reached.add(node.id)
            waiting += [edge.target for edge in graph.outgoing(node.id)]
            waiting += _failure_targets(node.attributes)
    return reached


def _failure_targets(attributes: Attributes) -> list[str]:
    keys = ("retry_target", "fallback_retry_target")
    return [attributes.text(key) for key in keys if key in attributes.by_key]


def _is_mistyped_source(graph: Graph, node: Node) -> bool:
    """Another rule, `edge_target_exists`, says better what is wrong with it."""
    return not node.is_declared and not graph.incoming(node.id)


part = Reachability()
